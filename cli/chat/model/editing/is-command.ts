import type { Thread } from '../threads/thread.ts'

/** Whether the input line has a command. The text of an edited message is what it is. */
export function isCommand({ text }: { text: string }, thread: Pick<Thread, 'draftTarget'> | undefined): boolean {
  return thread?.draftTarget?.kind !== 'edit' && text.startsWith('/') && !text.startsWith('//')
}
