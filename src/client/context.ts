import type { HybridClock } from '../common/hybrid-clock.ts'
import type { SessionEvent } from './events.ts'
import type { MessageLog } from './history/message-log.ts'
import type { SessionEffect, SessionOptions } from './types.ts'

/** What the parts of a session share during a step. */
export interface Context {
  readonly options: SessionOptions
  readonly clock: HybridClock
  /** All messages that this client holds. */
  log: MessageLog
  /** The connection on which a server knows this client; undefined while there is none. */
  onlineConnection: number | undefined
  /** The server's clock minus this machine's monotonic one, ms; undefined until a server has told the time. */
  clockOffset: number | undefined
  /** Monotonic time of this step, ms. */
  now: number
  /** Wall clock of this step, ms since 1970. */
  wall: number
  effects: SessionEffect[]
}

export function emit(context: Context, event: SessionEvent): void {
  context.effects.push({ type: 'tell', event })
}

/** The server's clock as told last, carried on by the monotonic one: this machine's own may jump. */
export function serverTime({ clockOffset, now, wall }: Context): number {
  return clockOffset === undefined ? wall : now + clockOffset
}
