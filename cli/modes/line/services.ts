import { DEFAULT_PREFERENCES, type Preferences } from '../../chat/model/preferences.ts'
import type { History } from '../../history/history.ts'
import type { LineTerminal } from './alerts.ts'
import type { OpenLink } from './links.ts'

interface PreferenceStore {
  readonly preferences: () => Preferences
  readonly savePreferences: (preferences: Preferences) => void
}

/** What the line mode needs besides the session. */
export interface LineServices extends PreferenceStore {
  /** The history on disk; undefined with --no-history. */
  readonly history: () => History | undefined
  /** Whether a user is an operator of a room. */
  readonly isOperator: (room: string, name: string) => boolean
  /** Whether a person at a terminal can answer questions. */
  readonly asks: boolean
  readonly openLink: OpenLink
  /** For the bell and notifications; undefined: there is none. */
  readonly terminal: LineTerminal | undefined
}

/** Services of a line mode that reads no lines. */
export const NO_SERVICES: LineServices = {
  history: () => undefined,
  preferences: () => DEFAULT_PREFERENCES,
  savePreferences: () => {},
  isOperator: () => false,
  asks: false,
  openLink: () => {},
  terminal: undefined,
}
