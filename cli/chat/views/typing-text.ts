/** Names the users who are writing in the open thread. */
import { fitToColumns, width } from '../../terminal/width.ts'
import type { ReadonlyModel } from '../model/readonly-model.ts'

/** Most columns of a name. */
const MAX_NAME_COLUMNS = 16

/** The text in at most this number of columns, which may be empty. @param wall ms since 1970 */
export function typingText({ current, preferences, typing }: ReadonlyModel, wall: number, columns: number): string {
  const users = current === undefined || !preferences.typing ? [] : typing.in(current.name, wall)
  const [first, second] = users.map(name =>
    width(name) > MAX_NAME_COLUMNS ? fitToColumns(name, MAX_NAME_COLUMNS).trimEnd() : name,
  )
  if (first === undefined) return ''
  const number = users.length === 1 ? 'typing…' : `${users.length} are typing…`
  const named = users.length === 1 ? `${first} is typing…` : `${first} and ${second} are typing…`
  const texts = users.length > 2 ? [number] : [named, number]
  return texts.find(text => width(text) <= columns) ?? ''
}
