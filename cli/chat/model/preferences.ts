import * as z from 'zod'
import { THEMES } from './theme.ts'

/** What a person may choose, kept between runs. Each has a default; what cannot be read falls back to it. */
export const preferencesSchema = z.object({
  sidebar: z.boolean().catch(true),
  bell: z.boolean().catch(true),
  notes: z.boolean().catch(true),
  theme: z.enum(Object.keys(THEMES) as [keyof typeof THEMES]).catch('calm'),
  /** Names whose messages are not shown, and whose messages neither ring nor count as unread. */
  ignored: z.array(z.string()).catch([]),
  muted: z.array(z.string()).catch([]),
  /** Keys bound anew: a key's name → an action's. */
  keys: z.record(z.string(), z.string()).catch({}),
})
export type Preferences = z.infer<typeof preferencesSchema>

export const DEFAULT_PREFERENCES: Preferences = preferencesSchema.parse({})

interface Setting {
  name: 'sidebar' | 'bell' | 'notes' | 'theme'
  values: readonly string[]
  help: string
}

/** What `/set` changes. The help is made from this table. */
export const SETTINGS: readonly Setting[] = [
  { name: 'sidebar', values: ['on', 'off'], help: 'threads and roster at the left side' },
  { name: 'bell', values: ['on', 'off'], help: 'ring when a message comes in a thread that is not open' },
  { name: 'notes', values: ['on', 'off'], help: 'note in a thread when its correspondent comes or goes' },
  { name: 'theme', values: Object.keys(THEMES), help: 'colours' },
]

/** A setting as it is shown and typed. */
export function settingValue(preferences: Preferences, name: Setting['name']): string {
  const value = preferences[name]
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : value
}

/** The preferences with one setting changed; undefined for a value that it cannot have. */
export function withSetting(preferences: Preferences, setting: Setting, value: string): Preferences | undefined {
  if (!setting.values.includes(value)) return undefined
  return preferencesSchema.parse({ ...preferences, [setting.name]: setting.name === 'theme' ? value : value === 'on' })
}
