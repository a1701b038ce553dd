import Conf from 'conf'
import * as z from 'zod'
import { DEFAULT_PREFERENCES, preferencesSchema } from './chat/model/preferences.ts'

const settingsSchema = z.object({
  /** Who chatted last on this machine. */
  user: z.string().optional().catch(undefined),
  /** The URL of the server that this machine was online at last. */
  server: z.string().optional().catch(undefined),
  preferences: preferencesSchema.catch(DEFAULT_PREFERENCES),
  /** The thread that each user had open last. */
  threads: z.record(z.string(), z.string()).catch({}),
})
export type Settings = z.infer<typeof settingsSchema>

/** What is kept between runs, in the user's config folder. A file that cannot be read or written is done without. */
export class SettingsFile {
  #conf: Conf<Record<string, unknown>> | undefined
  #settings: Settings

  constructor() {
    try {
      this.#conf = new Conf({ projectName: 'mesh-chat', projectSuffix: '', clearInvalidConfig: true })
      this.#settings = settingsSchema.parse(this.#conf.store)
    } catch {
      this.#settings = settingsSchema.parse({})
    }
  }

  get settings(): Settings {
    return this.#settings
  }

  save(change: Partial<Settings>): void {
    this.#settings = { ...this.#settings, ...change }
    try {
      this.#conf?.set(JSON.parse(JSON.stringify(this.#settings)))
    } catch {
      // A folder that cannot be written: the settings last as long as this run.
    }
  }
}
