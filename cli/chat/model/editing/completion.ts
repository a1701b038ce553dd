import { compareNames } from '../../../../src/protocol/names.ts'
import { COMMANDS } from '../commands/commands.ts'
import { usersOnline } from '../finding/switcher.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { seenUsers } from '../names/known-names.ts'
import { recentSpeakers } from '../rooms/members.ts'
import { emojiCandidates, emojiWordStart } from './emoji-completion.ts'
import { completeNameArgument, nameArgumentPrefix } from './name-completion.ts'

/** A completion by Tab: where the word starts, the candidates, and which of them is in the input line. */
export interface Completion {
  start: number
  candidates: readonly string[]
  index: number
}

/**
 * Completes the word before the cursor: a command at the start of the input, its arguments, a room after `#` or a command about rooms,
 * an emoji after `:`, else a user name, also after `@`. Repeated, moves on by `by`. The names of emoji are loaded first.
 */
export function complete(model: Model, by: 1 | -1): ScreenRequest[] {
  const editor = model.focusedEditor
  const { completion } = model
  if (completion === undefined) {
    const before = editor.text.slice(0, editor.cursor)
    const names = new Set([...userNames(model), ...seenUsers(model)])
    const authors = new Set([
      ...(model.current === undefined ? [] : recentSpeakers(model.current, model.user)),
      ...names,
    ])
    const argument = completeNameArgument(before, names, authors)
    const emojiStart = argument === undefined ? emojiWordStart(before) : undefined
    if (emojiStart !== undefined && model.emojiNames === undefined) {
      model.emojiAsked = { text: editor.text, cursor: editor.cursor, keys: [] }
      return [{ type: 'load-emoji' }]
    }
    const wordStart = before.startsWith('/') && !before.includes(' ') ? 0 : before.search(/\S*$/)
    const start = argument?.start ?? emojiStart ?? wordStart
    const candidates =
      argument?.candidates ??
      (emojiStart === undefined
        ? findCandidates(model, before, start)
        : emojiCandidates(model.emojiNames ?? new Map(), before.slice(emojiStart)))
    if (candidates.length === 0) {
      const prefix = namePrefix(before, start)
      return model.rosterView.askFor({ prefix, text: editor.text, cursor: editor.cursor })
    }
    model.completion = { start, candidates, index: by > 0 ? 0 : candidates.length - 1 }
  } else {
    const { length } = completion.candidates
    completion.index = (completion.index + by + length) % length
  }
  const current = model.completion
  if (current !== undefined) editor.replace(current.start, current.candidates[current.index] ?? '')
  return []
}

/** The start of a user name that may be meant, for the server to complete; '' if the word is something else. */
function namePrefix(text: string, start: number): string {
  const prefix = nameArgumentPrefix(text) ?? text.slice(start).replace(/^@/, '')
  return /^[/#:]/.test(prefix) ? '' : prefix
}

/** What the word at `start` of `text` may become, the best candidate first. */
function findCandidates(model: Model, text: string, start: number): string[] {
  const word = text.slice(start).toLowerCase()
  const startingWith = (names: Iterable<string>, prefix: string) =>
    [...names].filter(name => name.toLowerCase().startsWith(prefix))
  if (start === 0 && word.startsWith('/')) {
    return startingWith(
      COMMANDS.map(({ name }) => `/${name}`),
      word,
    ).map(command => `${command} `)
  }
  const [, commandName, before = ''] = /^\/(\S+)\s+([^\n]*?)\S*$/.exec(text) ?? []
  const command = COMMANDS.find(({ name }) => name === commandName)
  const words = before.split(/\s+/).filter(one => one !== '')
  if (command?.nextArguments !== undefined)
    return startingWith(command.nextArguments(words), word).map(argument => `${argument} `)
  const takesRoom = command?.takesRoom === true && words.length === 0
  if (word.startsWith('#') || takesRoom)
    return startingWith(roomNames(model), word.startsWith('#') ? word : `#${word}`).map(name => `${name} `)
  const at = word.startsWith('@') ? '@' : ''
  const prefix = word.slice(at.length)
  // Without a letter, `@` completes the name of the last speaker; nothing else is completed.
  if (prefix === '' && at === '') return []
  return startingWith(userNames(model), prefix).map(name => `${at}${name} `)
}

/** The rooms that the user is in or has a thread of, and those of the last list of rooms. */
function roomNames(model: Model): string[] {
  const threads = [...model.threads.values()].filter(({ isRoom }) => isRoom).map(({ name }) => name)
  const listed = model.roomList?.rooms.map(({ room }) => room) ?? []
  return [...new Set([...model.rooms.keys(), ...threads, ...listed])].sort(compareNames)
}

/** In a room, first those who spoke last, then the other members; then the users with a thread and those online. */
function userNames(model: Model): Iterable<string> {
  const { current } = model
  const threads = [...model.threads.values()].filter(({ isRoom }) => !isRoom).map(({ name }) => name)
  const others = [...new Set([...threads, ...usersOnline(model)])].sort(compareNames)
  if (current === undefined || !current.isRoom) return others
  const names = new Set([...recentSpeakers(current, model.user), ...(model.rooms.get(current.name)?.members ?? [])])
  for (const name of others) names.add(name)
  return names
}
