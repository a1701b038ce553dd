/** The unread messages in the status row. */
import { fitToColumns, width } from '../../terminal/width.ts'
import { showsSidebar } from '../model/layout/screen-layout.ts'
import type { ReadonlyModel, ReadonlyThread } from '../model/readonly-model.ts'
import { type UnreadCounts, unreadParts } from '../model/threads/unread-counts.ts'
import type { Row, Segment } from './row.ts'

/** Most threads that are listed, and most columns of a name. */
const MAX_THREADS = 3
const MAX_NAME_COLUMNS = 12

/** The mentions and the number of other unread messages; without a sidebar, those of each thread, with its number. */
export function unreadSegments(model: ReadonlyModel): Row {
  if (model.unreadCount === 0) return []
  const total = [{ text: ' ' }, ...countSegments(model, ' unread')]
  if (showsSidebar(model) && !model.isInline) return total
  const unread = model.listedThreads().filter(thread => thread.unreadCount > 0 && thread !== model.current)
  if (unread.length === 0) return total
  const listed = [...unread.filter(hasMention), ...unread.filter(thread => !hasMention(thread))]
  const more = listed.length > MAX_THREADS ? ' …' : ''
  return [
    { text: '  unread:', tone: 'accent' },
    ...listed.slice(0, MAX_THREADS).flatMap(thread => threadSegments(model, thread)),
    { text: more, tone: 'accent' },
  ]
}

function hasMention({ mentionCount }: ReadonlyThread): boolean {
  return mentionCount > 0
}

/** Such as `@1 4 unread`, each with a space before it. */
function countSegments(counts: UnreadCounts, unit: string): Segment[] {
  const { mentions, others } = unreadParts(counts)
  const segments: Segment[] = []
  if (mentions !== '') segments.push({ text: ` ${mentions}`, tone: 'warn', bold: true })
  if (others !== '') segments.push({ text: ` ${others}${unit}`, tone: 'accent' })
  return segments
}

/** A thread, such as `2:Billy 3`, or `4:#ops @1 4` with a mention. */
function threadSegments(model: ReadonlyModel, thread: ReadonlyThread): Segment[] {
  const number = model.threadNumber(thread.name)
  const name = width(thread.name) > MAX_NAME_COLUMNS ? fitToColumns(thread.name, MAX_NAME_COLUMNS) : thread.name
  const confusable = model.similarName(thread.name) === undefined ? '' : '≈'
  return [
    { text: ` ${number === undefined ? '' : `${number}:`}`, dim: true },
    { text: `${name}${confusable}`, tone: 'accent' },
    ...countSegments(thread, ''),
  ]
}
