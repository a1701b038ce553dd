import * as z from 'zod'
import { THEMES } from './theme.ts'

const FIELDS = {
  /** Whether the sidebar is shown. `auto`: where the screen is wide enough. Earlier versions had a boolean. */
  sidebar: z.union([z.enum(['auto', 'on', 'off']), z.boolean().transform(isShown => (isShown ? 'auto' : 'off'))]),
  bell: z.boolean(),
  notes: z.boolean(),
  /** Whether rooms show who joins and leaves. `auto`: those with few members. */
  joins: z.enum(['auto', 'on', 'off']),
  /** Whether `*bold*`, `_italic_` and code are rendered. */
  formatting: z.boolean(),
  theme: z.enum(Object.keys(THEMES) as [keyof typeof THEMES]),
  /** Users whose messages are hidden. */
  ignored: z.array(z.string()),
  /** Users and rooms whose messages do not ring the bell, unless they mention this user. */
  muted: z.array(z.string()),
  /** How messages for this user are announced on the desktop. `auto`: as the terminal can. */
  notify: z.enum(['auto', 'off', 'osc9', 'osc777', 'osc99']),
  /** A command that announces them instead: `%t` is the title, `%m` the message. It runs without a shell. */
  notifyCommand: z.array(z.string()),
  title: z.boolean(),
  mouse: z.boolean(),
  /** Whether others are told when this user writes a message, and the user is told of others. */
  typing: z.boolean(),
  /** Whether links in messages are hyperlinks of the terminal (OSC 8). `auto`: where it is known to have them. */
  links: z.enum(['auto', 'on', 'off']),
  /** A command that opens links: `%u` is the link, which is added at the end if no argument has it. */
  opener: z.array(z.string()),
  /** Words that count as mentions of this user. */
  highlights: z.array(z.string()),
  /** The user's own key bindings: key → action name, see keymap.ts. */
  keys: z.record(z.string(), z.string()),
}

/** The preferences as the settings file should have them. */
export const strictPreferencesSchema = z.object(FIELDS).partial()

/**
 * The user's preferences, kept in the settings file. An invalid value falls back to its default; of a list, only the
 * invalid elements are left out.
 */
export const preferencesSchema = z.object({
  sidebar: FIELDS.sidebar.catch('auto'),
  bell: FIELDS.bell.catch(true),
  notes: FIELDS.notes.catch(true),
  joins: FIELDS.joins.catch('auto'),
  formatting: FIELDS.formatting.catch(true),
  theme: FIELDS.theme.catch('calm'),
  ignored: z.preprocess(onlyStrings, FIELDS.ignored).catch([]),
  muted: z.preprocess(onlyStrings, FIELDS.muted).catch([]),
  notify: FIELDS.notify.catch('auto'),
  notifyCommand: FIELDS.notifyCommand.catch([]),
  title: FIELDS.title.catch(true),
  mouse: FIELDS.mouse.catch(true),
  typing: FIELDS.typing.catch(true),
  links: FIELDS.links.catch('auto'),
  opener: FIELDS.opener.catch([]),
  highlights: z.preprocess(onlyStrings, FIELDS.highlights).catch([]),
  keys: z.preprocess(onlyStrings, FIELDS.keys).catch({}),
})
export type Preferences = z.infer<typeof preferencesSchema>

export const DEFAULT_PREFERENCES: Preferences = preferencesSchema.parse({})

export interface Setting {
  name:
    | 'sidebar'
    | 'bell'
    | 'notes'
    | 'joins'
    | 'formatting'
    | 'theme'
    | 'notify'
    | 'title'
    | 'mouse'
    | 'links'
    | 'typing'
  values: readonly string[]
  help: string
}

/** The settings of `/set`, which the help lists. */
export const SETTINGS: readonly Setting[] = [
  { name: 'sidebar', values: ['auto', 'on', 'off'], help: 'threads and users; auto: if wide' },
  { name: 'bell', values: ['on', 'off'], help: 'ring the bell for unread messages' },
  {
    name: 'notify',
    values: ['auto', 'off', 'osc9', 'osc777', 'osc99'],
    help: 'notifications',
  },
  { name: 'title', values: ['on', 'off'], help: 'count unread messages in the title' },
  { name: 'mouse', values: ['on', 'off'], help: 'the wheel scrolls, a click opens' },
  { name: 'links', values: ['auto', 'on', 'off'], help: 'links that the terminal opens' },
  { name: 'typing', values: ['on', 'off'], help: 'show who is typing, and tell others' },
  { name: 'notes', values: ['on', 'off'], help: 'show when a user goes online or offline' },
  { name: 'joins', values: ['auto', 'on', 'off'], help: 'joins and leaves; auto: small rooms' },
  { name: 'formatting', values: ['on', 'off'], help: 'render *bold*, _italic_ and `code`' },
  { name: 'theme', values: Object.keys(THEMES), help: 'colors' },
]

/** The value of a setting as text. */
export function settingValue(preferences: Pick<Preferences, Setting['name']>, name: Setting['name']): string {
  const value = preferences[name]
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : value
}

/** The preferences with one setting changed, or undefined if the value is invalid. */
export function withSetting(preferences: Preferences, setting: Setting, value: string): Preferences | undefined {
  if (!setting.values.includes(value)) return undefined
  const isBoolean = typeof preferences[setting.name] === 'boolean'
  return preferencesSchema.parse({ ...preferences, [setting.name]: isBoolean ? value === 'on' : value })
}

/** An array or object of JSON without the values that are not strings. */
export function onlyStrings(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter(one => typeof one === 'string')
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).filter(([, one]) => typeof one === 'string'))
}
