import type { SessionRequest } from '../../src/client/events.ts'
import { EXIT, fail } from '../../src/programs/command-line/fail.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { ClientEvent, Notice } from '../common/client-events.ts'
import { exitAfterOutput } from '../io/exit.ts'
import { Stdout } from '../io/stdout.ts'
import { JsonMode } from '../modes/json/json-mode.ts'
import { LineMode } from '../modes/line/line-mode.ts'
import { type ConnectionTarget, goOnline } from '../session/go-online.ts'
import { settingsNotice } from '../session/mesh-notices.ts'
import { MessageLookup } from '../session/message-lookup.ts'
import { StateKeeper } from '../session/state-keeper.ts'
import type { SettingsFile } from '../settings.ts'
import { TerminalGuard } from '../terminal/guard.ts'
import { openLink } from '../terminal/opener.ts'

/** What the program that runs the chat can do to it. */
export interface ChatControls {
  showNotice: (notice: Notice) => void
  /** Restores the terminal, prints the message, and exits with the code. */
  end: (code: number, message: string) => void
}

export interface ChatOptions extends ConnectionTarget {
  /** The user or room to write to; the client joins the room. */
  to: string | undefined
  settings: SettingsFile
  /** Whether to store messages on disk. */
  history: boolean
  /** Line mode with JSON lines, for programs. */
  json?: boolean
  /** With `json`: whether to print typing notices. */
  typing?: boolean
  /** `whole`: full screen. `inline`: below the terminal's scrollback. Undefined: line mode. */
  screen: 'whole' | 'inline' | undefined
  /** Called at the start with what a caller can do to the running chat. */
  onStart?: (controls: ChatControls) => void
  /** Called before the process exits, except on a crash. */
  onExit?: () => void
}

/** @param share indexed part of the history, 0 to 1 */
function showIndexingProgress(share: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\rIndexing the message history: ${Math.round(share * 100)} % `)
}

/** What to say if something could not be stored until the end. */
function lostText({ message }: Error): string {
  return sanitizeLine(`some messages could not be stored: ${message}; what you wrote since then is not sent`)
}

/** Runs the chat until the user quits, then exits the process. */
export async function chat(options: ChatOptions): Promise<void> {
  const { user, settings } = options
  // Events that arrive before the screen or the line mode is ready.
  const earlyEvents: ClientEvent[] = []
  if (settings.problem !== undefined) earlyEvents.push(settingsNotice(settings.problem))
  let listener = (event: ClientEvent): void => {
    earlyEvents.push(event)
  }
  let hasEnded = false
  const end = (code: number, message?: string): void => {
    if (hasEnded) return
    hasEnded = true
    if (output instanceof TerminalGuard) output.leave()
    drafts.flush()
    readMarks.flush()
    const problem = session.closeFiles()
    options.onExit?.()
    if (problem !== undefined && code === 0) [code, message] = [EXIT.general, lostText(problem)]
    if (output instanceof Stdout) return void exitAfterOutput(output, code, message)
    if (message !== undefined) fail(code, message)
    process.exit(code)
  }
  const closeFiles = () => {
    drafts.flush()
    readMarks.flush()
    session.closeFiles()
    options.onExit?.()
  }
  const output =
    options.screen === undefined
      ? new Stdout(end)
      : new TerminalGuard(options.screen === 'inline' ? 'inline' : 'screen', closeFiles)
  const session = goOnline(
    options,
    {
      history: options.history,
      // A screen shows them unless its user has turned them off, which may change.
      typing: options.json ? options.typing === true : options.screen !== undefined,
      progress: showIndexingProgress,
      startsOffline: true,
      views: options.json !== true,
    },
    event => {
      if (event.type === 'connection' && event.state.phase === 'online') {
        settings.save({ user, server: event.state.url })
      }
      listener(event)
    },
    end,
  )
  const drafts = new StateKeeper(() => session.drafts)
  const readMarks = new StateKeeper(() => session.readMarks)
  options.onStart?.({ showNotice: notice => listener(notice), end })
  const request = (request: SessionRequest) => session.request(request)
  const start = () => {
    session.start()
    if (options.to !== undefined && isRoom(options.to)) request({ type: 'join', room: options.to })
  }
  const leave = () => {
    request({ type: 'close' })
    end(0)
  }
  const isWholeScreen = options.screen === 'whole'
  if (!isWholeScreen) start()
  if (output instanceof Stdout) {
    const correspondents = session.history?.threads().map(({ name }) => name) ?? []
    const mode = options.json
      ? new JsonMode(user, correspondents, text => output.write(text), new MessageLookup(user, () => session.history))
      : new LineMode(user, correspondents, output.asConsole(), undefined, undefined, {
          history: () => session.history,
          isOperator: (room, name) => session.isOperator(room, name),
          openLink: (url, onError) => openLink(url, settings.preferencesOf(user).opener, onError),
          asks: process.stdin.isTTY === true,
          preferences: () => settings.preferencesOf(user),
          savePreferences: preferences =>
            settings.save({ userPreferences: settings.withPreferences(user, preferences) }),
          terminal: process.stderr.isTTY
            ? { write: text => process.stderr.write(text), hasEscapes: process.env.TERM !== 'dumb' }
            : undefined,
        })
    for (const event of earlyEvents) mode.handleEvent(event)
    listener = event => mode.handleEvent(event)
    const close = (code: number, message?: string) => {
      request({ type: 'close' })
      end(code, message)
    }
    if (mode instanceof JsonMode) mode.readStdin(request, close)
    else mode.readStdin(options.to, request, close)
    return
  }
  // Ink draws nothing when CI is set, and React records timings of every frame unless NODE_ENV is production. Both read
  // the environment on import.
  delete process.env.CI
  delete process.env.CONTINUOUS_INTEGRATION
  process.env.NODE_ENV = 'production'
  const { runScreen } = await import('../modes/screen/full-screen.tsx')
  listener = runScreen({
    user,
    to: options.to ?? settings.lastThread(user),
    preferences: settings.preferencesOf(user),
    colors: !process.env.NO_COLOR,
    inline: options.screen === 'inline',
    guard: output,
    send: request,
    history: () => session.history,
    drafts,
    readMarks,
    events: isWholeScreen ? [...earlyEvents, ...session.roomEvents] : earlyEvents,
    save: ({ preferences, to }) => {
      const userPreferences = settings.withPreferences(user, preferences)
      settings.save({ userPreferences, threads: settings.withLastThread(user, to) })
    },
    quit: leave,
  })
  // The whole screen first shows what is on disk: with a long history, the start takes a tenth of a second.
  if (isWholeScreen) start()
}
