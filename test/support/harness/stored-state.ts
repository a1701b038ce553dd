import { NO_ARCHIVE } from '../../../src/client/history/message-log.ts'
import type { StoredState } from '../../../src/client/types.ts'

/** The state of a client that runs for the first time, with the given parts replaced. */
export function storedState(state: Partial<StoredState> = {}): StoredState {
  return { history: [], archive: NO_ARCHIVE, outbox: [], keys: new Map(), ...state }
}
