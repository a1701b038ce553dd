/**
 * Remembers the last result for each object of a kind, such as the layout of an entry. The screen is drawn after each key
 * and event: what has not changed is not computed again, and is the same object.
 */
export class Memo<Key extends object, Result> {
  readonly #last = new WeakMap<Key, { inputs: readonly unknown[]; result: Result }>()

  /**
   * The last result for `key` if it was computed from the same inputs, else a new one.
   * @param inputs all that the result depends on, except what never changes in `key`
   */
  get(key: Key, inputs: readonly unknown[], compute: () => Result): Result {
    const last = this.#last.get(key)
    if (last?.inputs.every((input, at) => Object.is(input, inputs[at]))) return last.result
    const result = compute()
    this.#last.set(key, { inputs, result })
    return result
  }
}
