import * as z from 'zod'
import { THEMES } from './theme.ts'

/** The user's preferences, kept in the settings file. An invalid value falls back to its default. */
export const preferencesSchema = z.object({
  sidebar: z.boolean().catch(true),
  bell: z.boolean().catch(true),
  notes: z.boolean().catch(true),
  theme: z.enum(Object.keys(THEMES) as [keyof typeof THEMES]).catch('calm'),
  /** Users whose messages are hidden. */
  ignored: z.array(z.string()).catch([]),
  /** Users whose messages do not ring the bell. */
  muted: z.array(z.string()).catch([]),
  /** The user's own key bindings: key → action name, see keymap.ts. */
  keys: z.record(z.string(), z.string()).catch({}),
})
export type Preferences = z.infer<typeof preferencesSchema>

export const DEFAULT_PREFERENCES: Preferences = preferencesSchema.parse({})

interface Setting {
  name: 'sidebar' | 'bell' | 'notes' | 'theme'
  values: readonly string[]
  help: string
}

/** The settings of `/set`, which the help lists. */
export const SETTINGS: readonly Setting[] = [
  { name: 'sidebar', values: ['on', 'off'], help: 'list threads and online users' },
  { name: 'bell', values: ['on', 'off'], help: 'ring the bell for unread messages' },
  { name: 'notes', values: ['on', 'off'], help: 'show when a user goes online or offline' },
  { name: 'theme', values: Object.keys(THEMES), help: 'colors' },
]

/** The value of a setting as text. */
export function settingValue(preferences: Preferences, name: Setting['name']): string {
  const value = preferences[name]
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : value
}

/** The preferences with one setting changed, or undefined if the value is invalid. */
export function withSetting(preferences: Preferences, setting: Setting, value: string): Preferences | undefined {
  if (!setting.values.includes(value)) return undefined
  return preferencesSchema.parse({ ...preferences, [setting.name]: setting.name === 'theme' ? value : value === 'on' })
}
