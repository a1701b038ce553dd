/** What the commands about preferences change and say, in all modes. */
import { didYouMean } from '../../../../src/programs/command-line/suggestion.ts'
import { sanitizeLine } from '../../../../src/protocol/text.ts'
import { quoteName } from '../../../common/name-argument.ts'
import { type Preferences, SETTINGS, type Setting, settingValue, withSetting } from '../preferences.ts'

/** Most words, and the longest one, in UTF-16 units. Each message of a room is searched for each word. */
const MAX_HIGHLIGHTS = 50
const MAX_HIGHLIGHT_LENGTH = 64

/** The answer to a command. */
export interface PreferenceChange {
  readonly text: string
  readonly isError?: true
  /** The new preferences; undefined: nothing has changed. */
  readonly preferences?: Preferences
}

/** `/mute`: mutes a user or room, or undoes it. */
export function toggleMuted(preferences: Preferences, name: string): PreferenceChange {
  const { muted } = preferences
  return {
    text: muted.includes(name)
      ? `${name} is no longer muted`
      : `${name} is muted; /mute ${quoteName(name)} again to undo`,
    preferences: { ...preferences, muted: toggled(muted, name) },
  }
}

/** `/highlight`: highlights a word, or undoes it; without a word, lists them. */
export function toggleHighlight(preferences: Preferences, args: string): PreferenceChange {
  const { highlights } = preferences
  const word = sanitizeLine(args)
  if (word === '')
    return { text: highlights.length === 0 ? 'no words are highlighted' : `highlighted: ${highlights.join(', ')}` }
  if (word.length > MAX_HIGHLIGHT_LENGTH) return { text: 'this word is too long', isError: true }
  const isHighlighted = highlights.includes(word)
  if (!isHighlighted && highlights.length >= MAX_HIGHLIGHTS)
    return { text: `at most ${MAX_HIGHLIGHTS} words can be highlighted`, isError: true }
  return {
    text: isHighlighted ? `${word} is no longer highlighted` : `${word} is highlighted in new messages of rooms`,
    preferences: { ...preferences, highlights: toggled(highlights, word) },
  }
}

/** `/ignore`. */
export function ignoreUser(preferences: Preferences, name: string): PreferenceChange {
  return {
    text: `${name} is ignored; /unignore ${quoteName(name)} to undo`,
    preferences: { ...preferences, ignored: [...preferences.ignored.filter(one => one !== name), name] },
  }
}

/** `/unignore` with a name. */
export function unignoreUser(preferences: Preferences, name: string): PreferenceChange {
  const { ignored } = preferences
  if (!ignored.includes(name)) return { text: `${name} is not ignored${didYouMean(name, ignored)}`, isError: true }
  return {
    text: `${name} is no longer ignored`,
    preferences: { ...preferences, ignored: ignored.filter(one => one !== name) },
  }
}

/** `/unignore` without a name. */
export function ignoredText({ ignored }: Preferences): string {
  return ignored.length === 0 ? 'no users are ignored' : `ignored: ${ignored.join(', ')}`
}

/** `/set` without a name. @param applies whether a setting has an effect in this mode */
export function settingsText(preferences: Preferences, applies: (setting: Setting) => boolean): string {
  const list = (settings: readonly Setting[]) => settings.map(one => shownSetting(preferences, one)).join(', ')
  const others = SETTINGS.filter(one => !applies(one))
  return `${list(SETTINGS.filter(applies))}; only on the full screen: ${list(others)}`
}

/**
 * `/set` with a name: shows a setting, or changes it.
 * @param applies whether a setting has an effect in this mode; the answer says so if it has none
 */
export function changeSetting(
  preferences: Preferences,
  args: string,
  applies: (setting: Setting) => boolean,
): PreferenceChange {
  const [name = '', value = ''] = args.split(/\s+/)
  const setting = SETTINGS.find(one => one.name === name)
  if (setting === undefined) return { text: unknownSetting(name), isError: true }
  const values = setting.values.join(', ')
  const place = applies(setting) ? '' : ' (only on the full screen)'
  if (value === '') return { text: `${shownSetting(preferences, setting)} (${values}): ${setting.help}${place}` }
  const changed = withSetting(preferences, setting, value)
  if (changed === undefined) return { text: `${name} must be one of: ${values}`, isError: true }
  return { text: `${shownSetting(changed, setting)}${place}`, preferences: changed }
}

function unknownSetting(name: string): string {
  const names = SETTINGS.map(setting => setting.name)
  const suggestion = didYouMean(name, names)
  return `unknown setting ${name}${suggestion}${suggestion === '' ? '; ' : ' '}/set lists the settings`
}

function shownSetting(preferences: Preferences, { name }: Setting): string {
  return `${name} ${settingValue(preferences, name)}`
}

/** The list without an item that it has, or with one that it has not, at its end. */
function toggled(list: readonly string[], item: string): string[] {
  return list.includes(item) ? list.filter(one => one !== item) : [...list, item]
}
