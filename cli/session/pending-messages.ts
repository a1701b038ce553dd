import type { RoomState, SessionRequest } from '../../src/client/events.ts'
import { timerDelay } from '../../src/common/time.ts'
import type { ClientEvent } from '../common/client-events.ts'

/** Messages composed in this run that have no delivery result yet, and requests about rooms that are not answered. */
export class PendingMessages {
  readonly #unsettled = new Set<string>()
  readonly #roomStates = new Map<string, RoomState['state']>()
  /** The rooms to join or to leave. */
  readonly #unansweredRooms = new Set<string>()
  #awaitsRoomList = false
  #wasOnline = false
  /** Whether no server has answered at the start. */
  #isOffline = false
  #onChange: () => void = () => {}

  /** Notes a request; call it before the request is sent. Room names are in canonical form. */
  handleRequest(request: SessionRequest): void {
    if (request.type === 'list-rooms') this.#awaitsRoomList = true
    // Nothing comes for a room that one is in already.
    if (request.type === 'join' && this.#roomStates.get(request.room) !== 'joined')
      this.#unansweredRooms.add(request.room)
  }

  handleEvent(event: ClientEvent): void {
    if (event.type === 'message' && event.origin === 'composed') this.#unsettled.add(event.message.id)
    if (event.type === 'cancelled') this.#unsettled.delete(event.message.id)
    if (event.type === 'connection' && event.state.phase === 'online') this.#wasOnline = true
    if (event.type === 'notice' && event.code === 'started-offline') this.#isOffline = true
    if (event.type === 'room-list') this.#awaitsRoomList = false
    if (event.type === 'room') {
      const { state } = event.state
      this.#roomStates.set(event.room, state)
      if (state !== 'waiting') this.#unansweredRooms.delete(event.room)
    }
    if (event.type === 'progress' && this.#unsettled.has(event.id)) {
      const { progress } = event
      const isFinal = progress.state === 'delivered' || progress.state === 'refused'
      // A message for an offline recipient stays in the outbox: waiting longer gives no result.
      if (isFinal || (progress.state === 'waiting' && progress.reason === 'recipient-offline'))
        this.#unsettled.delete(event.id)
    }
    this.#onChange()
  }

  /** Whether a message was composed in this run, and has no delivery result yet. */
  isUnsettled(id: string): boolean {
    return this.#unsettled.has(id)
  }

  /** Waits until the client has been online, or no server has answered, at most `timeoutMs`. */
  async waitUntilOnline(timeoutMs: number): Promise<'online' | 'no-server' | 'timeout'> {
    await this.#waitUntil(() => this.#wasOnline || this.#isOffline, timeoutMs)
    if (this.#wasOnline) return 'online'
    return this.#isOffline ? 'no-server' : 'timeout'
  }

  /**
   * Waits until every message has a delivery result and every request an answer, at most `timeoutMs`. Returns the number of
   * messages without one.
   */
  async waitUntilSettled(timeoutMs: number): Promise<number> {
    const isSettled = () => this.#unsettled.size === 0 && this.#unansweredRooms.size === 0 && !this.#awaitsRoomList
    await this.#waitUntil(isSettled, timeoutMs)
    return this.#unsettled.size
  }

  async #waitUntil(check: () => boolean, timeoutMs: number): Promise<void> {
    if (check()) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>(resolve => {
      this.#onChange = () => {
        if (check()) resolve()
      }
      timer = setTimeout(resolve, timerDelay(timeoutMs))
    })
    this.#onChange = () => {}
    clearTimeout(timer)
  }
}
