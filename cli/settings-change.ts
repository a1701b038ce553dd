/** Applies a change of the settings to a file that another client may have changed meanwhile. */
import { isDeepStrictEqual } from 'node:util'

type JsonObject = Record<string, unknown>

/**
 * Changes `target` where two versions of an object differ, and leaves the rest: what others have changed, fields of later
 * versions, and values that cannot be used. Arrays are sets of strings: elements are added and removed.
 */
export function applyChange(target: JsonObject, before: JsonObject, after: JsonObject): void {
  const [old, present] = [new Map(Object.entries(before)), new Map(Object.entries(target))]
  const values = new Map(Object.entries(after))
  for (const key of new Set([...old.keys(), ...values.keys()])) {
    const value = values.get(key)
    if (isDeepStrictEqual(old.get(key), value)) continue
    if (value === undefined) delete target[key]
    else if (Array.isArray(value)) {
      const elements = present.get(key) ?? []
      if (Array.isArray(elements)) setOwn(target, key, mergeElements(elements, toArray(old.get(key)), value))
    } else if (isObject(value)) {
      const inner = present.get(key) ?? {}
      if (!isObject(inner)) continue
      applyChange(inner, toObject(old.get(key)), value)
      setOwn(target, key, inner)
    } else setOwn(target, key, value)
  }
}

function mergeElements(present: unknown[], before: unknown[], after: unknown[]): unknown[] {
  const kept = present.filter(one => after.includes(one) || !before.includes(one))
  return [...kept, ...after.filter(one => !before.includes(one) && !kept.includes(one))]
}

/** Sets an own property, also one that is named like an inherited one, such as `__proto__`. */
function setOwn(target: JsonObject, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true })
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function toObject(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

function toArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
