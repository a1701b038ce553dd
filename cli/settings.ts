import { dirname } from 'node:path'
import Conf from 'conf'
import * as z from 'zod'
import { DEFAULT_PREFERENCES, preferencesSchema } from './chat/model/preferences.ts'
import { closeToOthers } from './storage/close-permissions.ts'

const settingsSchema = z.object({
  /** The user who chatted last on this machine. */
  user: z.string().optional().catch(undefined),
  /** URL of the server used last. */
  server: z.string().optional().catch(undefined),
  /** Whether messages must survive a power cut before they are confirmed or sent. Default: true. */
  sync: z.boolean().optional().catch(undefined),
  preferences: preferencesSchema.catch(DEFAULT_PREFERENCES),
  /** By user: the thread that was open last. */
  threads: z.record(z.string(), z.string()).catch({}),
})
export type Settings = z.infer<typeof settingsSchema>

/**
 * Settings that persist between runs, in the user's config folder, which only the user can read. If the file cannot be read, the defaults apply; if
 * it cannot be written, changes last until the program exits.
 */
export class SettingsFile {
  #conf: Conf<Record<string, unknown>> | undefined
  #settings: Settings

  constructor() {
    try {
      this.#conf = new Conf({
        projectName: 'mesh-chat',
        projectSuffix: '',
        clearInvalidConfig: true,
        // Names of users and servers are private. A file with another mode gets this one when it is written.
        configFileMode: 0o600,
      })
      this.#settings = settingsSchema.parse(this.#conf.store)
      for (const path of [this.#conf.path, dirname(this.#conf.path)]) closeToOthers(path)
    } catch {
      this.#settings = settingsSchema.parse({})
    }
  }

  get settings(): Settings {
    return this.#settings
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
    this.#settings = { ...this.#settings, ...change }
    try {
      this.#conf?.set(JSON.parse(JSON.stringify(this.#settings)))
    } catch {
      // The folder is not writable: keep the change in memory.
    }
  }
}
