/** The chat on a terminal, on the whole screen or inline: connects model, session, history and terminal. */

import type { SessionRequest } from '../../../src/client/events.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import {
  addStoredThreads,
  collectReadMarks,
  goToMessage,
  goToNewerMatch,
  loadPage,
  restoreUnread,
  searchAllThreads,
  searchThread,
} from '../../chat/history-pages.ts'
import { setFocus } from '../../chat/model/alerts/focus.ts'
import { complete } from '../../chat/model/editing/completion.ts'
import { collectDrafts, restoreDrafts } from '../../chat/model/editing/drafts.ts'
import { addEmojiNames } from '../../chat/model/editing/emoji-completion.ts'
import { sanitizeInput } from '../../chat/model/editing/paste.ts'
import { handleKey } from '../../chat/model/handle-key.ts'
import { Model, type ScreenRequest } from '../../chat/model/model.ts'
import { handleClick } from '../../chat/model/mouse.ts'
import { rosterRequests } from '../../chat/model/names/roster-view.ts'
import type { Preferences } from '../../chat/model/preferences.ts'
import { react } from '../../chat/model/threads/message-selection.ts'
import { markOpenThreadRead, requestInitialPage, update } from '../../chat/model/update.ts'
import type { ClientEvent } from '../../common/client-events.ts'
import type { Draft } from '../../common/draft.ts'
import type { ReadMarks } from '../../common/read-marks.ts'
import type { History } from '../../history/history.ts'
import type { StateKeeper } from '../../session/state-keeper.ts'
import { editText } from '../../terminal/external-editor.ts'
import type { TerminalGuard } from '../../terminal/guard.ts'
import type { Key } from '../../terminal/key-decoder.ts'
import { Notifier } from '../../terminal/notifier.ts'
import { openLink } from '../../terminal/opener.ts'
import { mayAskName, NAME_REQUEST } from '../../terminal/terminal-features.ts'
import { listenToTerminalInput } from '../../terminal/terminal-input.ts'
import { wrap } from '../../terminal/width.ts'
import { Alerts } from '../alerts.ts'
import { ReceiptLines } from '../line/receipt-lines.ts'
import { NoticeTimer } from './notice-timer.ts'
import { ScreenPainter } from './painter.tsx'

/** Longest time that a search blocks keys, ms. */
const SEARCH_SLICE_MS = 8

export interface ScreenOptions {
  user: string
  /** The thread to open first. */
  to: string | undefined
  preferences: Preferences
  colors: boolean
  /** Whether to draw below the terminal's scrollback instead of on the whole screen. */
  inline: boolean
  guard: TerminalGuard
  send: (request: SessionRequest) => void
  /** The current history on disk; another one after an event `storage`, undefined with --no-history. */
  history: () => History | undefined
  drafts: StateKeeper<ReadonlyMap<string, Draft>>
  readMarks: StateKeeper<ReadMarks | undefined>
  /** Events from before the screen was ready. */
  events: readonly ClientEvent[]
  save: (state: { preferences: Preferences; to: string | undefined }) => void
  quit: () => void
}

/** Runs the chat on this terminal. Returns the listener for further events. */
export function runScreen(options: ScreenOptions): (event: ClientEvent) => void {
  const { guard, send, quit } = options
  const { stdout } = process
  const model = new Model(options.user, options.preferences, options.inline)
  const showError = (text: string) => {
    model.showNotice(text, 'error')
    painter.scheduleDraw()
  }
  const notifier = new Notifier(text => guard.write(text), showError)
  const alerts = new Alerts(
    text => guard.write(text),
    notifier,
    () => model.preferences,
  )
  const save = () => options.save({ preferences: model.preferences, to: model.current?.name })
  if (options.to !== undefined) {
    model.openThread(options.to)
    save()
  }
  const noticeTimer = new NoticeTimer(model, () => painter.draw())
  const painter = new ScreenPainter(
    model,
    options.colors,
    text => guard.write(text),
    () => noticeTimer.update(),
  )
  let activeSearch: Generator | undefined
  // The marks of messages in the scrollback do not change.
  const receipts = model.isInline
    ? new ReceiptLines(
        text =>
          painter.print(
            wrap(sanitizeLine(text), Math.max(10, model.columns)).map(row => [{ text: row.text, dim: true }]),
          ),
        name => name,
        { tellsWaits: true },
      )
    : undefined

  const repaint = () => {
    model.resize(stdout.columns || 80, stdout.rows || 24)
    painter.repaint()
  }
  let isEditing = false
  const editDraft = async () => {
    if (isEditing) return
    isEditing = true
    const { editor } = model.current ?? { editor: model.commandEditor }
    painter.holdPrints()
    // What arrives now is not seen.
    setFocus(model, false)
    const takeBack = guard.lend()
    const result = await editText(editor.text)
    if ('error' in result) model.showNotice(result.error, 'error')
    else editor.set(sanitizeInput(result.text))
    isEditing = false
    for (const request of setFocus(model, true)) perform(request)
    takeBack()
    painter.releasePrints()
  }
  /** Searches in slices so that keys are handled in between. A new search replaces the current one. */
  const startSearch = (search: Generator) => {
    activeSearch = search
    const runSlice = () => {
      if (activeSearch !== search) return
      const deadline = performance.now() + SEARCH_SLICE_MS
      while (performance.now() < deadline) if (search.next().done) return painter.draw()
      painter.scheduleDraw()
      setImmediate(runSlice)
    }
    runSlice()
  }
  const loadEmoji = ({ reaction }: Extract<ScreenRequest, { type: 'load-emoji' }>) => {
    void import('../../common/emoji-names.ts').then(({ EMOJI_NAMES }) => {
      const { isSameInput, keys } = addEmojiNames(model, EMOJI_NAMES)
      if (isSameInput) complete(model, 1)
      for (const key of keys) for (const request of applyKey(key)) perform(request)
      const requests = reaction && react(model, reaction.to, reaction.target, reaction.typed)
      for (const request of requests ?? []) perform(request)
      painter.draw()
    })
  }
  const perform = (request: ScreenRequest) => {
    switch (request.type) {
      case 'send':
        return send({ type: 'compose', to: request.to, text: request.text, reply: request.reply })
      case 'change':
      case 'typing':
        return send(request)
      case 'quit':
        return quit()
      case 'suspend':
        return guard.suspend()
      case 'redraw':
        return repaint()
      case 'bell':
        return alerts.ring(() => (model.threads.get(request.thread)?.unreadCount ?? 0) > 0)
      case 'notify':
        return alerts.announce(
          request.thread,
          request.message,
          () => model.threads.get(request.thread)?.reading.isUnread(request.message) === true,
        )
      case 'read':
        return send({ type: 'read', thread: request.thread, at: request.at })
      case 'trust':
      case 'cancel':
      case 'join':
      case 'part':
      case 'list-rooms':
      case 'watch':
      case 'show-names':
      case 'find-names':
        return send(request)
      case 'page':
        loadPage(model, options.history(), request.part)
        for (const read of markOpenThreadRead(model)) perform(read)
        return
      case 'load-emoji':
        return loadEmoji(request)
      case 'search':
        if (model.current === undefined) return undefined
        return startSearch(searchThread(model, model.current, options.history(), request.text, request.older))
      case 'newer-match':
        return goToNewerMatch(model, options.history())
      case 'search-all':
        return startSearch(searchAllThreads(model, options.history(), request.text))
      case 'go-to-message':
        return goToMessage(model, options.history(), request)
      case 'edit-draft':
        return void editDraft()
      case 'open-link':
        return openLink(request.url, model.preferences.opener, showError)
      case 'save':
        return save()
    }
  }
  const applyKey = (key: Key): ScreenRequest[] => {
    if (key.type === 'terminal') {
      notifier.terminalName = key.name
      painter.terminalName = key.name
      return []
    }
    return key.type === 'mouse' && key.action === 'press'
      ? handleClick(model, painter.targetAt(key))
      : handleKey(model, key)
  }
  const addThreads = () => {
    const history = options.history()
    if (history !== undefined) addStoredThreads(model, history)
    const drafts = options.drafts.load(() => collectDrafts(model))
    if (drafts !== undefined) restoreDrafts(model, drafts)
    const marks = options.readMarks.load(() => collectReadMarks(model))
    if (history !== undefined) restoreUnread(model, history, marks)
  }
  const applyEvent = (event: ClientEvent) => {
    if (event.type === 'storage') return addThreads()
    for (const request of update(model, event, Date.now())) perform(request)
  }
  const loadOpenThread = () => {
    for (const request of [...requestInitialPage(model), ...rosterRequests(model)]) perform(request)
  }

  const isNotice = (event: ClientEvent) => event.type === 'notice'
  for (const event of options.events) if (!isNotice(event)) applyEvent(event)
  addThreads()
  loadOpenThread()
  // Loading a page removes notes from the thread.
  for (const event of options.events.filter(isNotice)) applyEvent(event)
  guard.enter({
    redraw: () => {
      painter.forgetPosition()
      repaint()
    },
    opening: () => painter.modes.opening(),
    closing: () => painter.modes.closing() + painter.erasure(),
  })
  // Before anything is drawn: the answer comes before the keys of someone who sees the screen.
  if (mayAskName(process.env)) guard.write(NAME_REQUEST)
  repaint()
  for (const event of options.events.filter(isNotice)) painter.printEvent(event)
  listenToTerminalInput(
    keys => {
      for (const key of keys) for (const request of applyKey(key)) perform(request)
      if (keys.length > 0) {
        options.drafts.schedule()
        options.readMarks.scheduleOnce()
        painter.draw()
      }
    },
    repaint,
    quit,
  )
  return event => {
    applyEvent(event)
    loadOpenThread()
    if (event.type === 'message' || event.type === 'read') options.readMarks.scheduleOnce()
    painter.printEvent(event)
    receipts?.handleEvent(event)
    painter.scheduleDraw()
  }
}
