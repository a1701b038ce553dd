/** Rooms in the line mode: what is said of their members, topics and states. */

import type { SessionEvent } from '../../../src/client/events.ts'
import type { ConfusableNames } from '../../../src/common/confusables.ts'
import type { NameList } from '../../../src/common/sorted-names.ts'
import { didYouMean } from '../../../src/programs/command-line/suggestion.ts'
import type { Message, RoomInfo } from '../../../src/protocol/messages.ts'
import { isRoom } from '../../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import type { Preferences } from '../../chat/model/preferences.ts'
import { announcesMembers, MAX_ANNOUNCED_MEMBERS } from '../../chat/model/rooms/membership.ts'
import { searchForm } from '../../common/search-form.ts'
import { nameText } from './message-line.ts'

/** Most names in the answer to `/names`. */
const MAX_NAMES = 500
/** Most rooms in the answer to `/rooms`. */
const MAX_ROOMS = 100

type RoomEvent = Extract<SessionEvent, { type: 'room' }>
type RoomListEvent = Extract<SessionEvent, { type: 'room-list' }>

interface Room {
  members: NameList
  info: RoomInfo
  /** When the client was in the room for the first time in this run, ms since 1970. */
  readonly since: number
}

/** The rooms that the user is in, and the lines about them. */
export class RoomLines {
  readonly #user: string
  readonly #confusables: Pick<ConfusableNames, 'find'>
  readonly #now: () => number
  readonly #joins: () => Preferences['joins']
  readonly #rooms = new Map<string, Room>()
  /** The rooms that the user joins, or joins again. */
  readonly #waiting = new Set<string>()
  /** All rooms of the user's list: also those that do not let them in for now. */
  readonly #listed = new Set<string>()
  /** What the names or topics of the rooms contain that the next answer to `/rooms` lists. */
  listedPart = ''

  /**
   * @param now ms since 1970
   * @param joins whether to say who joins and leaves
   */
  constructor(
    user: string,
    confusables: Pick<ConfusableNames, 'find'>,
    now: () => number,
    joins: () => Preferences['joins'],
  ) {
    this.#joins = joins
    this.#user = user
    this.#confusables = confusables
    this.#now = now
  }

  /** Whether a message was said before the client was in its room: other members have told it. */
  isEarlier({ to, at }: Message): boolean {
    return isRoom(to) && at < (this.#rooms.get(to)?.since ?? Number.POSITIVE_INFINITY)
  }

  /** How many messages were said in a room before the client was in it. */
  earlierLine(name: string, count: number): string {
    const messages = count === 1 ? '1 earlier message' : `${count} earlier messages`
    return sanitizeLine(`* ${messages} in ${this.#shown(name)}; to read them: mesh-chat history --with '${name}'`)
  }

  /** The line about an own message that waits for its room; undefined: the client is about to be in the room. */
  waitingLine(name: string): string | undefined {
    if (this.#rooms.has(name) || this.#waiting.has(name)) return undefined
    return sanitizeLine(`* a message to ${this.#shown(name)} waits: you are not in this room; join with /join ${name}`)
  }

  handleEvent({ room: name, state, members, info, joined, left }: RoomEvent): string[] {
    const known = this.#rooms.get(name)
    const shown = this.#shown(name)
    if (state.state === 'parted' || state.state === 'refused') this.#listed.delete(name)
    else this.#listed.add(name)
    if (state.state === 'waiting') this.#waiting.add(name)
    else this.#waiting.delete(name)
    if (state.state === 'waiting') return []
    if (state.state === 'rejected') return [sanitizeLine(`* not in ${shown} for now: ${state.message}`)]
    if (state.state !== 'joined') {
      this.#rooms.delete(name)
      if (state.state === 'refused') return [sanitizeLine(`* cannot join ${shown}: ${state.message}`)]
      return known === undefined ? [] : [sanitizeLine(`* left ${shown}`)]
    }
    this.#rooms.set(name, { members, info, since: known?.since ?? this.#now() })
    if (known === undefined) return [this.#entryLine(name, members), ...this.#infoLines(name, info)]
    const changes = this.#changeLines(name, members, joined, left)
    return JSON.stringify(known.info) === JSON.stringify(info) ? changes : [...changes, ...this.#infoLines(name, info)]
  }

  /** The user joins a room: `/part` may come before the answer. */
  noteJoin(name: string): void {
    this.#listed.add(name)
  }

  /** The answer to `/part`, if there is nothing to leave. */
  partFault(name: string): string | undefined {
    if (this.#listed.has(name)) return undefined
    return sanitizeLine(`* you are not in ${this.#shown(name)}${didYouMean(name, [...this.#listed])}`)
  }

  /** The answer to `/names`. */
  names(name: string): string {
    const members = this.#rooms.get(name)?.members
    if (members === undefined) return this.#notIn(name)
    const more = members.size > MAX_NAMES ? ` and ${members.size - MAX_NAMES} more` : ''
    return sanitizeLine(`* in ${this.#shown(name)}: ${this.#list(members.slice(0, MAX_NAMES))}${more}`)
  }

  /** The answer to `/topic`. */
  topic(name: string): string {
    const info = this.#rooms.get(name)?.info
    if (info === undefined) return this.#notIn(name)
    const { topic } = info
    return sanitizeLine(topic === undefined ? `* ${this.#shown(name)} has no topic` : this.#topicLine(name, topic))
  }

  /** The answer to `/rooms`. */
  list({ rooms: all, total: allCount }: RoomListEvent): string[] {
    const needle = searchForm(this.listedPart)
    const rooms = all.filter(({ room, topic = '' }) => searchForm(`${room} ${topic}`).includes(needle))
    const total = needle === '' ? allCount : rooms.length
    if (rooms.length === 0 && needle !== '') {
      const names = all.map(({ room }) => room)
      const typed = isRoom(this.listedPart) ? this.listedPart : `#${this.listedPart}`
      return [sanitizeLine(`* no room matches ${this.listedPart}${didYouMean(typed, names)}`)]
    }
    if (rooms.length === 0) return ['* no rooms; open one with /join #NAME']
    const lines = rooms.slice(0, MAX_ROOMS).map(({ room, members, topic }) => {
      const count = members === 1 ? '1 member' : `${members} members`
      return sanitizeLine(`* ${this.#shown(room)}, ${count}${topic === undefined ? '' : `: ${topic}`}`)
    })
    return total > lines.length ? [...lines, `* ${total} rooms in all`] : lines
  }

  #entryLine(name: string, members: NameList): string {
    const others = members.slice(0, MAX_ANNOUNCED_MEMBERS + 1).filter(one => one !== this.#user)
    const count = members.has(this.#user) ? members.size - 1 : members.size
    const company =
      count === 0
        ? ', where nobody else is'
        : count < MAX_ANNOUNCED_MEMBERS
          ? ` with ${this.#list(others)}`
          : ` with ${count} others`
    return sanitizeLine(`* you are in ${this.#shown(name)}${company}`)
  }

  #changeLines(name: string, members: NameList, joined: readonly string[], left: readonly string[]): string[] {
    const joins = this.#joins()
    if (!announcesMembers(joins, members.size)) return []
    const others = (names: readonly string[]) => names.filter(one => one !== this.#user)
    const parts = [
      { names: others(joined), verb: 'joined' },
      { names: others(left), verb: 'left' },
    ].filter(({ names }) => names.length > 0 && (joins === 'on' || names.length <= MAX_ANNOUNCED_MEMBERS))
    if (parts.length === 0) return []
    const text = parts.map(({ names, verb }) => `${this.#shortList(names)} ${verb}`).join('; ')
    return [sanitizeLine(`* ${this.#shown(name)}: ${text}`)]
  }

  #infoLines(name: string, { topic, write, operators = [] }: RoomInfo): string[] {
    const lines = topic === undefined ? [] : [this.#topicLine(name, topic)]
    if (write === 'operators') {
      lines.push(`* only operators may write in ${this.#shown(name)}: ${this.#list(operators.slice(0, MAX_NAMES))}`)
    }
    return lines.map(sanitizeLine)
  }

  #topicLine(name: string, topic: string): string {
    return `* topic of ${this.#shown(name)}: ${topic}`
  }

  #notIn(name: string): string {
    if (this.#waiting.has(name)) return sanitizeLine(`* not in ${this.#shown(name)} yet; try again in a moment`)
    const suggestion = didYouMean(name, [...this.#rooms.keys()])
    const help = suggestion || `; only members know that; join with /join ${name}`
    return sanitizeLine(`* you are not in ${this.#shown(name)}${help}`)
  }

  #shortList(names: readonly string[]): string {
    const more = names.length - MAX_ANNOUNCED_MEMBERS
    return `${this.#list(names.slice(0, MAX_ANNOUNCED_MEMBERS))}${more > 0 ? ` and ${more} more` : ''}`
  }

  #list(names: readonly string[]): string {
    return names.map(name => this.#shown(name)).join(', ')
  }

  #shown(name: string): string {
    return nameText(name, this.#confusables)
  }
}
