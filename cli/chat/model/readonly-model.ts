/** The model as views see it: the compiler rejects a view that changes it. */

import type { ConnectionState } from '../../../src/client/events.ts'
import type { ConfusableNames } from '../../../src/common/confusables.ts'
import type { NameList } from '../../../src/common/sorted-names.ts'
import type { MessageTarget, QuotedTarget } from '../../../src/protocol/message-kinds.ts'
import type { WaitingMessages } from '../../common/waiting-messages.ts'
import type { Editor } from './editing/editor.ts'
import type { Finder } from './finding/finder.ts'
import type { Search } from './finding/search.ts'
import type { FoundMessage, SearchAll } from './finding/search-all.ts'
import type { Action } from './keymap.ts'
import type { Notice } from './model.ts'
import type { RosterView } from './names/roster-view.ts'
import type { Preferences } from './preferences.ts'
import type { Room, RoomList } from './rooms/room.ts'
import type { Anchor, Entry, Thread } from './threads/thread.ts'
import type { TypingUsers } from './threads/typing.ts'

type ReadonlyEditor = Readonly<Pick<Editor, 'text' | 'cursor'>>

export type ReadonlyEntry = Readonly<Entry>

type ReadonlyThreadFields = Readonly<
  Pick<
    Thread,
    | 'name'
    | 'isRoom'
    | 'unreadCount'
    | 'mentionCount'
    | 'lastAt'
    | 'firstUnreadId'
    | 'newBelow'
    | 'hasMessages'
    | 'showsSource'
    | 'hasStart'
    | 'hasEnd'
    | 'selection'
    | 'draftTarget'
    | 'hasDraft'
    | 'markColumns'
    | 'senderColumns'
    | 'mentionWords'
  >
>

export interface ReadonlyThread extends ReadonlyThreadFields {
  readonly entries: readonly ReadonlyEntry[]
  readonly editor: ReadonlyEditor
  readonly anchor: Readonly<Anchor> | undefined
  readonly searchMatch: Readonly<{ id: string; text: string }> | undefined
  entryById(id: string): ReadonlyEntry | undefined
  messageOf(target: MessageTarget): ReadonlyEntry | undefined
  currentQuote(target: QuotedTarget): string | undefined
  indexOf(entry: ReadonlyEntry): number
}

export interface ReadonlyFinder extends Readonly<Pick<Finder, 'kind' | 'room' | 'selectedIndex' | 'revision'>> {
  readonly editor: ReadonlyEditor
}

interface ReadonlySearch extends Readonly<Pick<Search, 'state'>> {
  readonly editor: ReadonlyEditor
}

export interface ReadonlySearchAll extends Readonly<Pick<SearchAll, 'state' | 'selectedIndex'>> {
  readonly editor: ReadonlyEditor
  readonly found: readonly FoundMessage[]
}

type ReadonlyPreferences = { readonly [Name in keyof Preferences]: Readonly<Preferences[Name]> }

export interface ReadonlyModel {
  readonly user: string
  readonly connection: Readonly<ConnectionState>
  readonly online: NameList
  readonly onlineCount: number
  readonly onlineThreadCount: number
  readonly rosterView: Readonly<Pick<RosterView, 'isPartial' | 'found'>>
  readonly connectionCounts: ReadonlyMap<string, number>
  readonly confusables: Pick<ConfusableNames, 'find'>
  readonly rooms: ReadonlyMap<string, Room>
  readonly roomList: RoomList | undefined
  readonly typing: Pick<TypingUsers, 'in' | 'nextEnd'>
  readonly bindings: ReadonlyMap<string, Action>
  readonly userKeys: ReadonlyMap<string, string>
  readonly maxTextBytes: number | undefined
  readonly threads: ReadonlyMap<string, ReadonlyThread>
  readonly current: ReadonlyThread | undefined
  readonly focusedEditor: ReadonlyEditor
  readonly notice: Readonly<Notice> | undefined
  readonly waiting: Pick<WaitingMessages, 'has'>
  readonly startNotices: readonly Readonly<Notice>[]
  readonly overlay: 'help' | 'details' | 'settings' | undefined
  readonly helpTopic: string
  readonly detailsId: string | undefined
  readonly overlayTop: number
  readonly preferences: ReadonlyPreferences
  readonly finder: ReadonlyFinder | undefined
  readonly search: ReadonlySearch | undefined
  readonly hasFocus: boolean
  readonly searchAll: ReadonlySearchAll | undefined
  readonly reactionPrompt: { readonly editor: ReadonlyEditor } | undefined
  readonly columns: number
  readonly rows: number
  readonly isInline: boolean
  readonly inputHistory: readonly string[]
  readonly unreadCount: number
  readonly mentionCount: number
  readonly knowsOnline: boolean
  similarName(name: string): string | undefined
  /** Another number after each change of what `similarName` returns. */
  readonly similarNamesRevision: number
  isOnline(name: string): boolean
  listedThreads(): readonly ReadonlyThread[]
  threadNumber(name: string): number | undefined
}
