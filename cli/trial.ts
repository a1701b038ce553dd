/** What `npm start` keeps apart from daily use: its user, and its files. */
import { userInfo } from 'node:os'
import { parseUserName } from '../src/protocol/names.ts'

/** The bot that answers every message. */
export const BOT = 'Echo'
/** The name of the folders with its messages, keys and settings, which the next start finds again. */
export const TRIAL_FOLDER = 'mesh-chat-trial'
/** The user if the login name is not a user name. */
export const FALLBACK_USER = 'Anna'

/** The user of the trial chat: the login name, if it is a user name and not the bot's. */
export function trialUser(login = loginName()): string {
  const name = parseUserName(login)
  return name.ok && name.value.toLowerCase() !== BOT.toLowerCase() ? name.value : FALLBACK_USER
}

/** The name that the user has logged in with; empty if there is none. */
export function loginName(): string {
  try {
    return userInfo().username
  } catch {
    // The user id has no entry in the user database, as in some containers.
    return ''
  }
}
