import { isRoom } from '../../../../src/protocol/rooms.ts'
import { searchForm } from '../../../common/search-form.ts'
import { Editor } from '../editing/editor.ts'
import type { Action } from '../keymap.ts'
import type { Model, ScreenRequest } from '../model.ts'
import type { ReadonlyFinder, ReadonlyModel } from '../readonly-model.ts'
import { joinRoom } from '../rooms/join-room.ts'
import { membersAndSpeakers } from '../rooms/members.ts'
import { threadLinks } from '../threads/links.ts'
import { openThread } from '../threads/switch-thread.ts'
import { MATCH_RANKS, type MatchRank, matchRank } from './fuzzy.ts'
import { switcherNames, usersOnline } from './switcher.ts'

/** Most matches listed; typing more narrows them down. */
const MAX_MATCHES = 500

/**
 * A list that typing narrows down: the switcher over all threads, rooms and users; the users online or the members
 * of a room to open a thread with; rooms to join; earlier input to enter again; or links to open.
 */
export interface Finder {
  kind: 'switcher' | 'users' | 'members' | 'rooms' | 'input' | 'links'
  /** The room whose members are listed. */
  room: string | undefined
  editor: Editor
  selectedIndex: number
  /** Changes when the items may have changed. */
  revision: number
}

/** An item, and its name in search form. */
interface Candidate {
  readonly item: string
  readonly form: string
  /** Further text that may contain what is typed, in search form. */
  readonly more?: string
}

/** All candidates, and the matches of the text that was typed last. */
interface MatchCache {
  readonly revision: number
  readonly candidates: readonly Candidate[]
  readonly needle: string
  /** All that match, in the order of the items: what is typed next only narrows them down. */
  readonly matching: readonly Candidate[]
  /** Those listed, best first. */
  readonly listed: string[]
}

const caches = new WeakMap<ReadonlyFinder, MatchCache>()

export function openFinder(model: Model, kind: Finder['kind'], text = '', room?: string): void {
  const editor = new Editor()
  editor.insert(text)
  model.finder = { kind, room, editor, selectedIndex: 0, revision: 0 }
}

/** Lists the links of the open thread; selects one of them. */
export function openLinks(model: Model, url?: string): void {
  openFinder(model, 'links')
  const index = model.current === undefined || url === undefined ? 0 : threadLinks(model.current).indexOf(url)
  if (model.finder !== undefined) model.finder.selectedIndex = Math.max(0, index)
}

/** The roster or a list of rooms has changed: lists the items anew and keeps the selected one. */
export function refreshFinder(model: Model): void {
  const { finder } = model
  if (finder === undefined) return
  const selected = finderMatches(model, finder)[finder.selectedIndex]
  finder.revision++
  if (finder.selectedIndex === 0 || selected === undefined) return
  const at = finderMatches(model, finder).indexOf(selected)
  finder.selectedIndex = Math.max(0, at)
}

/** What is searched for, in search form. */
export function finderNeedle({ editor }: ReadonlyFinder): string {
  return searchForm(editor.text)
}

/**
 * The items that match the typed text, the best first; without a text, in the order of the items.
 */
export function finderMatches(model: ReadonlyModel, finder: ReadonlyFinder): readonly string[] {
  const needle = finderNeedle(finder)
  const { revision } = finder
  const cached = caches.get(finder)
  const isCurrent = cached?.revision === revision
  if (isCurrent && cached.needle === needle) return cached.listed
  const candidates = isCurrent ? cached.candidates : finderCandidates(model, finder)
  const searched = isCurrent && needle.startsWith(cached.needle) ? cached.matching : candidates
  const isWithinText = finder.kind === 'input' || finder.kind === 'links'
  const matching: Candidate[] = []
  const byRank = new Map<MatchRank, string[]>(MATCH_RANKS.map(rank => [rank, []]))
  for (const candidate of searched) {
    const rank = isWithinText ? textRank(candidate, needle) : nameRank(candidate, needle)
    if (rank === undefined) continue
    matching.push(candidate)
    byRank.get(rank)?.push(candidate.item)
  }
  const listed = needle === '' ? matching.slice(0, MAX_MATCHES).map(({ item }) => item) : topMatches(byRank)
  caches.set(finder, { revision, candidates, needle, matching, listed })
  return listed
}

function topMatches(byRank: ReadonlyMap<MatchRank, readonly string[]>): string[] {
  return MATCH_RANKS.flatMap(rank => byRank.get(rank)?.slice(0, MAX_MATCHES) ?? []).slice(0, MAX_MATCHES)
}

/** Whether a text contains the needle: all such texts are equally good. */
function textRank({ form }: Candidate, needle: string): MatchRank | undefined {
  return form.includes(needle) ? 'part' : undefined
}

function nameRank({ form, more }: Candidate, needle: string): MatchRank | undefined {
  const isRoomForm = form.startsWith('#')
  // Rooms are found without their `#`.
  const rank = isRoomForm && !needle.startsWith('#') ? matchRank(form.slice(1), needle) : matchRank(form, needle)
  return rank ?? (more?.includes(needle) ? 'subsequence' : undefined)
}

function finderCandidates(model: ReadonlyModel, finder: ReadonlyFinder): Candidate[] {
  const { kind } = finder
  if (kind === 'rooms') return roomCandidates(model)
  return Array.from(finderItems(model, finder, kind), item => ({ item, form: searchForm(item) }))
}

function roomCandidates(model: ReadonlyModel): Candidate[] {
  const { rooms = [] } = model.roomList ?? {}
  const candidates: Candidate[] = rooms.map(({ room, topic = '' }) => ({
    item: room,
    form: searchForm(room),
    more: searchForm(topic),
  }))
  // The list may leave out some of the user's own rooms.
  const listed = new Set(rooms.map(({ room }) => room))
  for (const item of model.rooms.keys()) if (!listed.has(item)) candidates.push({ item, form: searchForm(item) })
  return candidates
}

/** All items, in the order in which they are listed before anything is typed. */
function finderItems(
  model: ReadonlyModel,
  { room = '' }: ReadonlyFinder,
  kind: Exclude<Finder['kind'], 'rooms'>,
): Iterable<string> {
  switch (kind) {
    case 'switcher':
      return switcherNames(model)
    case 'users':
      return usersOnline(model)
    case 'members':
      return membersAndSpeakers(model, room)
    case 'links':
      return model.current === undefined ? [] : threadLinks(model.current)
    case 'input':
      return new Set(model.inputHistory.toReversed())
  }
}

/** Moves the selection; wraps around at both ends. */
export function moveSelection(model: Model, finder: Finder, by: number): void {
  const { length } = finderMatches(model, finder)
  finder.selectedIndex = length === 0 ? 0 : (finder.selectedIndex + by + length) % length
}

/** Applies an action while the finder is open. */
export function handleFinderAction(model: Model, finder: Finder, action: Action): ScreenRequest[] {
  switch (action) {
    case 'previous-input':
    case 'previous-thread':
    case 'complete-previous':
      moveSelection(model, finder, -1)
      return []
    case 'next-input':
    case 'next-thread':
    case 'complete':
    case 'find-thread':
    case 'find-input':
    case 'members':
      moveSelection(model, finder, 1)
      return []
    case 'send': {
      const selected = finderMatches(model, finder)[finder.selectedIndex]
      model.finder = undefined
      if (selected === undefined) return []
      if (finder.kind === 'members' && selected === model.user) return []
      if (finder.kind === 'links') return [{ type: 'open-link', url: selected }]
      if (finder.kind !== 'input') return isRoom(selected) ? joinRoom(model, selected) : openThread(model, selected)
      model.focusedEditor.set(selected)
      return []
    }
    case 'dismiss':
    case 'clear-or-quit':
      model.finder = undefined
      return []
    case 'redraw':
    case 'suspend':
      return [{ type: action }]
    default:
      if (finder.editor.applyToField(action)) finder.selectedIndex = 0
      return []
  }
}
