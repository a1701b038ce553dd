/** The chat on a terminal, on the whole screen or inline: connects model, session, history and terminal. */
import type { SessionRequest } from '../../src/client/events.ts'
import { addStoredThreads, loadPage, searchThread } from '../chat/history-pages.ts'
import { handleKey } from '../chat/model/handle-key.ts'
import { Model, type ScreenRequest } from '../chat/model/model.ts'
import type { Preferences } from '../chat/model/preferences.ts'
import { requestInitialPage, update } from '../chat/model/update.ts'
import { eventRows } from '../chat/views/inline.ts'
import type { ClientEvent } from '../client-events.ts'
import type { History } from '../history/history.ts'
import type { TerminalGuard } from '../terminal/guard.ts'
import { listenToTerminalInput } from '../terminal/terminal-input.ts'
import { ScreenPainter } from './screen-painter.tsx'

/** Delay of the bell: another client of the user may read the message in this time, ms. */
const BELL_DELAY_MS = 600
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
  const save = () => options.save({ preferences: model.preferences, to: model.current?.name })
  if (options.to !== undefined) {
    model.openThread(options.to)
    save()
  }
  const painter = new ScreenPainter(model, options.colors, text => guard.write(text))
  let activeSearch: Generator | undefined

  const repaint = () => {
    model.resize(stdout.columns || 80, stdout.rows || 24)
    painter.repaint()
  }
  const ringBell = (thread: string) => {
    if (!model.preferences.bell) return
    setTimeout(() => {
      if ((model.threads.get(thread)?.unreadCount ?? 0) > 0) guard.write('\u0007')
    }, BELL_DELAY_MS)
  }
  /** Searches in slices so that keys are handled in between. A new search replaces the current one. */
  const startSearch = (text: string, older: boolean) => {
    activeSearch = undefined
    const thread = model.current
    if (thread === undefined) return
    const search = searchThread(model, thread, options.history(), text, older)
    activeSearch = search
    const runSlice = () => {
      if (activeSearch !== search) return
      const deadline = performance.now() + SEARCH_SLICE_MS
      while (performance.now() < deadline) if (search.next().done) return painter.draw()
      setImmediate(runSlice)
    }
    runSlice()
  }
  const perform = (request: ScreenRequest) => {
    switch (request.type) {
      case 'send':
        return send({ type: 'compose', to: request.to, text: request.text })
      case 'quit':
        return quit()
      case 'suspend':
        return guard.suspend()
      case 'redraw':
        return repaint()
      case 'bell':
        return ringBell(request.thread)
      case 'read':
        return send({ type: 'read', thread: request.thread, at: request.at })
      case 'trust':
      case 'join':
      case 'part':
      case 'list-rooms':
        return send(request)
      case 'page':
        return loadPage(model, options.history(), request.part)
      case 'search':
        return startSearch(request.text, request.older)
      case 'save':
        return save()
    }
  }
  const addThreads = () => {
    const history = options.history()
    if (history !== undefined) addStoredThreads(model, history)
  }
  const applyEvent = (event: ClientEvent) => {
    if (event.type === 'storage') return addThreads()
    for (const request of update(model, event, Date.now())) perform(request)
  }
  const loadOpenThread = () => {
    for (const request of requestInitialPage(model)) perform(request)
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
    closing: () => painter.erasure(),
  })
  repaint()
  listenToTerminalInput(
    keys => {
      for (const key of keys) for (const request of handleKey(model, key)) perform(request)
      if (keys.length > 0) painter.draw()
    },
    repaint,
    quit,
  )
  return event => {
    applyEvent(event)
    loadOpenThread()
    if (model.isInline) painter.print(eventRows(model, event))
    painter.scheduleDraw()
  }
}
