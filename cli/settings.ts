import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import Conf from 'conf'
import * as z from 'zod'
import { readErrorReason } from '../src/programs/command-line/fail.ts'
import { parseJson } from '../src/programs/json-text.ts'
import { sanitizeLine } from '../src/protocol/text.ts'
import {
  DEFAULT_PREFERENCES,
  onlyStrings,
  type Preferences,
  preferencesSchema,
  strictPreferencesSchema,
} from './chat/model/preferences.ts'
import { applyChange, isObject } from './settings-change.ts'
import { getFolderName } from './storage/data-folder.ts'
import { closeToOthers } from './storage/files/close-permissions.ts'
import { readFileText } from './storage/files/open-file.ts'
import { writeFileAtomically } from './storage/files/write-file-atomically.ts'
import { withFileLock } from './storage/locks/file-lock.ts'

const threadsSchema = z.record(z.string(), z.string())
const settingsSchema = z.object({
  /** The user who chatted last on this machine. */
  user: z.string().optional().catch(undefined),
  /** URL of the server used last. */
  server: z.string().optional().catch(undefined),
  /** Whether messages must survive a power cut before they are confirmed or sent. Default: true. */
  sync: z.boolean().optional().catch(undefined),
  /** Days of a room's history that this client asks its members for when it joins. Default: 30. */
  roomHistoryDays: z.number().min(0).max(36_500).optional().catch(undefined),
  /** The preferences of users who have not changed them; earlier versions had one set for all users. */
  preferences: preferencesSchema.catch(DEFAULT_PREFERENCES),
  /** By user: the preferences that they have changed. */
  userPreferences: z.preprocess(onlyObjects, byUser<Record<string, unknown>>()).catch({}),
  /** By user: the thread that was open last. */
  threads: z.preprocess(onlyStrings, byUser<string>()).catch({}),
})
export type Settings = z.infer<typeof settingsSchema>

/** The settings as the file should have them, to find values that cannot be used. */
const strictSchema = z
  .object({ user: z.string(), server: z.string(), preferences: strictPreferencesSchema, threads: threadsSchema })
  .extend({ userPreferences: z.record(z.string(), strictPreferencesSchema) })
  .partial()

/** An object by user, with values that are checked before. A record would drop the user `__proto__`. */
function byUser<T>(): z.ZodType<Record<string, T>> {
  return z.custom<Record<string, T>>(isObject)
}

/** An object of JSON without the values that are not objects. */
function onlyObjects(value: unknown): unknown {
  return isObject(value) ? Object.fromEntries(Object.entries(value).filter(([, one]) => isObject(one))) : value
}

/** `Conf` would wait for the other end of a named pipe, and read a file of any size. */
class SafeConf extends Conf<Record<string, unknown>> {
  override get store(): Record<string, unknown> {
    try {
      readFileText(this.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    return super.store
  }
  override set store(content: Record<string, unknown>) {
    super.store = content
  }
}

/**
 * Settings that persist between runs, in the user's config folder, which only the user can read. A change is written into
 * what the file has at that time, so that several clients can change different settings. A file that cannot be read is
 * never overwritten: the defaults apply, and changes last until the program exits.
 */
export class SettingsFile {
  #conf: Conf<Record<string, unknown>> | undefined
  #settings: Settings
  /** Why the content of the file, at the last read, is invalid. */
  #invalid: string | undefined
  /** What is wrong with the file, and what to do; undefined if it can be used. */
  readonly problem: string | undefined

  constructor() {
    let content: Record<string, unknown> = {}
    let unreadable: string | undefined
    try {
      this.#conf = new SafeConf({
        projectName: getFolderName(),
        projectSuffix: '',
        // By itself, Conf reads the variable on Linux only.
        ...(process.env.XDG_CONFIG_HOME && { cwd: join(process.env.XDG_CONFIG_HOME, getFolderName()) }),
        // Conf must not replace what it cannot read.
        clearInvalidConfig: false,
        deserialize: text => this.#parse(text),
      })
      const { path } = this.#conf
      content = this.#conf.store
      if (this.#invalid !== undefined) unreadable = `${path} ${this.#invalid}`
      for (const one of [path, dirname(path)]) closeToOthers(one)
    } catch (error) {
      // Without a config folder there is nothing to correct: changes last until the program exits.
      const { syscall, path } = error as NodeJS.ErrnoException
      if (syscall !== 'mkdir') unreadable = `cannot read ${path ?? 'the settings file'}: ${readErrorReason(error)}`
    }
    this.#settings = settingsSchema.parse(content)
    this.problem = describeProblem(unreadable, content, this.#conf?.path)
  }

  get settings(): Settings {
    return this.#settings
  }

  /** The preferences of a user: their own, and those that they have not changed. */
  preferencesOf(user: string): Preferences {
    return preferencesSchema.parse({ ...this.#settings.preferences, ...this.#changesOf(user) })
  }

  /** The preferences to save when a user has changed theirs. */
  withPreferences(user: string, preferences: Preferences): Settings['userPreferences'] {
    const before = new Map<string, unknown>(Object.entries(this.preferencesOf(user)))
    const changed = Object.entries(preferences).filter(([name, value]) => !isDeepStrictEqual(before.get(name), value))
    const users = new Map(Object.entries(this.#settings.userPreferences))
    if (changed.length === 0) return Object.fromEntries(users)
    users.set(user, { ...this.#changesOf(user), ...Object.fromEntries(changed) })
    return Object.fromEntries(users)
  }

  #changesOf(user: string): Record<string, unknown> {
    const { userPreferences } = this.#settings
    // A user may be named like a property that every object inherits.
    return Object.hasOwn(userPreferences, user) ? (userPreferences[user] ?? {}) : {}
  }

  /** The thread that a user had open last. */
  lastThread(user: string): string | undefined {
    const { threads } = this.#settings
    // A user may be named like a property that every object inherits.
    return Object.hasOwn(threads, user) ? threads[user] : undefined
  }

  /** The threads to save when a user has opened a thread, or none. */
  withLastThread(user: string, thread: string | undefined): Settings['threads'] {
    const threads = new Map(Object.entries(this.#settings.threads))
    if (thread === undefined) threads.delete(user)
    else threads.set(user, thread)
    return Object.fromEntries(threads)
  }

  save(change: Partial<Settings>): void {
    const before = this.#settings
    this.#settings = { ...before, ...change }
    const conf = this.#conf
    if (conf === undefined) return
    try {
      withFileLock(`${conf.path}.lock`, () => {
        const content = conf.store
        if (this.#invalid !== undefined) return
        const present = serialize(content)
        applyChange(content, before, this.#settings)
        const changed = serialize(content)
        if (changed !== present) writeFileAtomically(realPath(conf.path), changed)
      })
    } catch {
      // The folder or the file is not readable or writable: keep the change in memory.
    }
  }

  /** Parses the file. One that is not a JSON object counts as empty; `#invalid` says why. */
  #parse(text: string): Record<string, unknown> {
    this.#invalid = undefined
    if (text.trim() === '') return {}
    try {
      const content = parseJson(text)
      if (isObject(content)) return content
      this.#invalid = 'is not a JSON object'
    } catch (error) {
      this.#invalid = `is not JSON: ${(error as Error).message}`
    }
    return {}
  }
}

/** @param unreadable why nothing could be read */
function describeProblem(unreadable: string | undefined, content: object, path = 'settings'): string | undefined {
  if (unreadable !== undefined) {
    return sanitizeLine(`${unreadable}; the defaults are used and the file is not changed: correct it`)
  }
  const [issue] = strictSchema.safeParse(content).error?.issues ?? []
  return issue && sanitizeLine(`${path}: ${issue.path.join('.')}: ${issue.message}; this value is ignored: correct it`)
}

function serialize(content: object): string {
  return `${JSON.stringify(content, undefined, '\t')}\n`
}

/** The target of symbolic links: replacing the file must keep them. */
function realPath(file: string): string {
  try {
    return realpathSync(file)
  } catch {
    return file
  }
}

/** Says on stderr what is wrong with the settings file, for commands without a screen. */
export function reportSettings({ problem }: SettingsFile): void {
  if (problem !== undefined) console.error(`mesh-chat: ${problem}`)
}
