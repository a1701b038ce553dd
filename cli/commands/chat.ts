import type { SessionRequest } from '../../src/client/events.ts'
import { EXIT, fail } from '../../src/programs/fail.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { ClientEvent } from '../client-events.ts'
import { JsonMode } from '../modes/json-mode.ts'
import { LineMode } from '../modes/line-mode.ts'
import { type ConnectionTarget, goOnline } from '../session/go-online.ts'
import type { SettingsFile } from '../settings.ts'
import { TerminalGuard } from '../terminal/guard.ts'

export interface ChatOptions extends ConnectionTarget {
  to: string | undefined
  settings: SettingsFile
  /** Whether to store messages on disk. */
  history: boolean
  /** Line mode with JSON lines, for programs. */
  json?: boolean
  /** `whole`: full screen. `inline`: below the terminal's scrollback. Undefined: line mode. */
  screen: 'whole' | 'inline' | undefined
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
  settings.save({ user })
  // Events that arrive before the screen or the line mode is ready.
  const earlyEvents: ClientEvent[] = []
  let listener = (event: ClientEvent): void => {
    earlyEvents.push(event)
  }
  const guard =
    options.screen === undefined
      ? undefined
      : new TerminalGuard(options.screen === 'inline' ? 'inline' : 'screen', () => {
          const problem = session.closeFiles()
          options.onExit?.()
          if (problem !== undefined) process.stderr.write(`mesh-chat: ${lostText(problem)}\n`)
        })
  const end = (code: number, message?: string): never => {
    guard?.leave()
    const problem = session.closeFiles()
    options.onExit?.()
    if (problem !== undefined && code === 0) fail(EXIT.general, lostText(problem))
    if (message !== undefined) fail(code, message)
    process.exit(code)
  }
  const session = goOnline(
    options,
    { history: options.history, progress: showIndexingProgress },
    event => {
      if (event.type === 'connection' && event.state.phase === 'online') settings.save({ server: event.state.url })
      listener(event)
    },
    end,
  )
  const request = (request: SessionRequest) => session.request(request)
  session.start()
  const leave = () => {
    request({ type: 'close' })
    end(0)
  }
  if (guard === undefined) {
    const correspondents = session.history?.threads().map(({ name }) => name)
    const mode = options.json ? new JsonMode(user, correspondents) : new LineMode(user, correspondents)
    for (const event of earlyEvents) mode.handleEvent(event)
    listener = event => mode.handleEvent(event)
    // The reader closed the pipe.
    process.stdout.on('error', () => end(0))
    if (mode instanceof JsonMode) mode.readStdin(request, leave)
    else mode.readStdin(options.to, request, leave)
    return
  }
  // Ink draws nothing when CI is set, and React records timings of every frame unless NODE_ENV is production. Both read
  // the environment on import.
  delete process.env.CI
  delete process.env.CONTINUOUS_INTEGRATION
  process.env.NODE_ENV = 'production'
  const { runScreen } = await import('../modes/full-screen.tsx')
  listener = runScreen({
    user,
    to: options.to ?? settings.lastThread(user),
    preferences: settings.settings.preferences,
    colors: !process.env.NO_COLOR,
    inline: options.screen === 'inline',
    guard,
    send: request,
    history: () => session.history,
    events: earlyEvents,
    save: ({ preferences, to }) => {
      settings.save({ preferences, threads: settings.withLastThread(user, to) })
    },
    quit: leave,
  })
}
