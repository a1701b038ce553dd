/** The delivery state of a message, as stored and as shown. */
import type { Progress } from '../../../../src/client/events.ts'
import type { ErrorCode, Message } from '../../../../src/protocol/messages.ts'

/** A message of the session or of the history, which may know more; the fields are those of `StoredMessage`. */
export interface ThreadMessage extends Message {
  readonly late?: true | undefined
  readonly receipt?: { readonly delivered: number; readonly of?: number | undefined } | undefined
  readonly rejection?: { readonly code: ErrorCode; readonly message: string } | undefined
}

/** The state that the history has for a message; undefined: none. */
export function storedProgress({ receipt, rejection }: ThreadMessage): Progress | undefined {
  if (rejection !== undefined) return { state: 'refused', ...rejection }
  if (receipt === undefined) return undefined
  const { delivered, of } = receipt
  return { state: 'delivered', connections: delivered, ...(of === undefined ? {} : { of }) }
}

/** The state of a message after another one was reported. A delivery is final: its counts only grow. */
export function nextProgress(current: Progress | undefined, reported: Progress): Progress {
  if (current?.state !== 'delivered') return reported
  return reported.state === 'delivered' && reported.connections >= current.connections ? reported : current
}

/** A delivery state in a few columns, usually one or two. The help overlay explains these marks. */
export function progressMark(progress: Progress): string {
  switch (progress.state) {
    case 'waiting':
      return '…'
    case 'sent':
      return '→'
    case 'delivered': {
      const { connections, of } = progress
      if (of !== undefined) return `✓${connections}/${of}`
      return connections > 1 ? `✓${Math.min(9, connections)}` : '✓'
    }
    case 'refused':
      return '✗'
  }
}
