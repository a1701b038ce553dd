/** The content of the help overlay, from the tables of commands, keys and settings. */
import { COMMANDS } from '../commands/commands.ts'
import { actionByName, KEYMAP, keyLabel } from '../keymap.ts'
import { SETTINGS } from '../preferences.ts'
import type { ReadonlyModel } from '../readonly-model.ts'

export type OverlayLine =
  | { type: 'title'; text: string }
  | { type: 'text'; text: string }
  | { type: 'item'; label: string; text: string }

const MARKS: readonly [mark: string, meaning: string][] = [
  ['…', 'waiting: not sent yet, or the recipient is offline'],
  ['→', 'sent, not confirmed yet'],
  ['✓  ✓2', "delivered; to 2 of the recipient's connections"],
  ['✓5/8', 'delivered to 5 of the 8 other members of a room'],
  ['✗', 'rejected; the reason is below the message'],
  ['●  ○', 'online, offline'],
  ['3  @2', 'unread messages; those that mention you'],
  ['●  ◌  ✗', 'a room: you are in it, it waits, you are rejected'],
  ['×2', 'a user with 2 connections'],
  ['≈', 'looks like the name of another user or room'],
]

export function helpLines(model: ReadonlyModel): OverlayLine[] {
  const section = (text: string, items: readonly (readonly [label: string, text: string])[]): OverlayLine[] => [
    { type: 'title', text },
    ...items.map(([label, item]): OverlayLine => ({ type: 'item', label, text: item })),
    { type: 'text', text: '' },
  ]
  const ownKeys = Object.entries(model.preferences.keys).map(
    ([key, name]) => [keyLabel(key), `${actionByName(name) ?? name} (from your settings file)`] as const,
  )
  return [
    ...section('Commands', [
      ...COMMANDS.map(({ name, usage, help }) => [`/${name} ${usage}`, help] as const),
      ['//TEXT', 'send a message that starts with a slash'],
    ]),
    ...section('Keys', [
      ...KEYMAP.flatMap(({ keys, help }) =>
        help === undefined ? [] : [[keys.map(keyLabel).join(' '), help] as const],
      ),
      ['Alt+1 … Alt+9', 'open the thread with that number'],
      ...ownKeys,
    ]),
    ...section(
      'Settings',
      SETTINGS.map(({ name, values, help }) => [`/set ${name}`, `${values.join(', ')}: ${help}`] as const),
    ),
    ...section('Marks', MARKS),
    { type: 'text', text: 'Esc followed by a key is the same as Alt with that key.' },
  ]
}
