/** The content of the help overlay, from the tables of commands, keys and settings. */

import { CHOICE_HELP } from '../../../common/message-choice.ts'
import { isAbout, noHelpText } from '../../../help-topic.ts'
import { COMMANDS, helpTopics } from '../commands/commands.ts'
import { actionByName, KEYMAP, keyLabel } from '../keymap.ts'
import { SETTINGS } from '../preferences.ts'
import type { ReadonlyModel } from '../readonly-model.ts'
import { SELECTION_KEYS } from '../threads/message-selection.ts'

export type OverlayLine =
  | { type: 'title'; text: string }
  /** A remark. */
  | { type: 'text'; text: string }
  | { type: 'plain'; text: string }
  | { type: 'item'; label: string; text: string }
  /** Two lines next to each other. */
  | { type: 'pair'; left: OverlayLine; right: OverlayLine }

/** From this width on, the help has two columns. */
const MIN_COLUMNS_FOR_PAIRS = 160
const BLANK: OverlayLine = { type: 'text', text: '' }

const MARKS: readonly [mark: string, meaning: string][] = [
  ['…', 'waiting: not sent yet, or the recipient is offline'],
  ['→', 'sent, not confirmed yet'],
  ['✓  ✓2', "delivered; to 2 of the recipient's connections"],
  ['✓5/8', 'delivered to 5 of the 8 other members of a room'],
  ['✗', 'rejected; the reason is below the message'],
  ['●  ○  ·', 'online, offline; not known without a connection'],
  ['@2 3', 'unread: 2 messages that mention you, and 3 others'],
  ['*', 'a thread with a text that you have not sent'],
  ['●  ◌  ✗', 'a room: you are in it, it waits, you are rejected'],
  ['+', 'a room in the switcher, which Enter joins'],
  ['×2', 'a user with 2 connections'],
  ['~', 'muted: does not ring the bell'],
  ['≈', 'looks like the name of another user or room'],
]

export function helpLines(model: ReadonlyModel): OverlayLine[] {
  const sections = sectionsAbout(helpSections(model), model.helpTopic)
  return model.columns >= MIN_COLUMNS_FOR_PAIRS ? inTwoColumns(sections) : sections.flat()
}

/** The lines about a topic, in their sections: those that name it, or else those that have it in their text. */
function sectionsAbout(sections: readonly OverlayLine[][], topic: string): OverlayLine[][] {
  if (topic === '') return [...sections]
  const shown = keyLabel(topic)
  const filtered = (isExact: boolean) =>
    sections.flatMap(section => {
      const isMatch = (line: OverlayLine) =>
        line.type === 'item' && [topic, shown].some(one => isAbout(line, one, isExact))
      const items = section.filter(isMatch)
      return items.length === 0 ? [] : [[...section.filter(({ type }) => type === 'title'), ...items, BLANK]]
    })
  const exact = filtered(true)
  if (exact.length > 0) return exact
  const found = filtered(false)
  return found.length > 0 ? found : [[{ type: 'text', text: noHelpText(topic, helpTopics()) }]]
}

/** Puts each section below the shorter one of two columns. */
function inTwoColumns(sections: readonly OverlayLine[][]): OverlayLine[] {
  const left: OverlayLine[] = []
  const right: OverlayLine[] = []
  for (const section of sections) (left.length <= right.length ? left : right).push(...section)
  const rows = Math.max(left.length, right.length)
  return Array.from({ length: rows }, (_, at) => ({ type: 'pair', left: left[at] ?? BLANK, right: right[at] ?? BLANK }))
}

function helpSections(model: ReadonlyModel): OverlayLine[][] {
  const section = (text: string, items: readonly (readonly [label: string, text: string])[]): OverlayLine[] => [
    { type: 'title', text },
    ...items.map(([label, item]): OverlayLine => ({ type: 'item', label, text: item })),
    { type: 'text', text: '' },
  ]
  const ownKeys = Object.entries(model.preferences.keys).map(
    ([key, name]) => [keyLabel(key), `${actionByName(name) ?? name} (from your settings file)`] as const,
  )
  return [
    section('Commands', [
      ...COMMANDS.map(({ name, usage, help }) => [`/${name} ${usage}`, help] as const),
      ['-N, @NAME', CHOICE_HELP],
      ['//TEXT', 'send a message that starts with a slash'],
    ]),
    section('Keys', [
      ...KEYMAP.flatMap(({ keys, help }) =>
        help === undefined ? [] : [[keys.map(keyLabel).join(' '), help] as const],
      ),
      ['Alt+1 … Alt+9', 'open the thread with that number'],
      ...ownKeys,
    ]),
    section('A selected message', [...SELECTION_KEYS, ['Up Down', 'select another message'], ['Esc', 'select none']]),
    section(
      'Settings',
      SETTINGS.map(({ name, values, help }) => [`/set ${name}`, `${values.join(', ')}: ${help}`] as const),
    ),
    section('Marks', MARKS),
    [{ type: 'text', text: 'Esc followed by a key is the same as Alt with that key.' }],
  ]
}
