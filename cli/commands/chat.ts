import type { SessionEvent } from '../../src/client/events.ts'
import { fail } from '../../src/programs/fail.ts'
import { History } from '../history/history.ts'
import { JsonMode } from '../modes/json-mode.ts'
import { LineMode } from '../modes/line-mode.ts'
import { NO_STORAGE } from '../session/connection.ts'
import { type ConnectionTarget, goOnline } from '../session/go-online.ts'
import type { SettingsFile } from '../settings.ts'
import { TerminalGuard } from '../terminal/guard.ts'

export interface ChatOptions extends ConnectionTarget {
  to: string | undefined
  settings: SettingsFile
  /** Whether to keep what is said on disk. */
  history: boolean
  /** Events and requests as JSON lines, instead of lines for people. */
  json?: boolean
  /** Whether to take the whole terminal, or its end only, keeping its scrollback; else line by line. */
  screen: 'whole' | 'inline' | undefined
  /** Called once before the program ends, but by a crash. */
  onExit?: () => void
}

/** Shows how far the index of a long history is, where somebody looks. */
function showIndexingProgress(share: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\rReading the history: ${Math.round(share * 100)} % `)
}

/** Chats until the user leaves: full screen or line by line. Ends the process. */
export async function chat(options: ChatOptions): Promise<void> {
  const { user, settings } = options
  settings.save({ user })
  let listener: (event: SessionEvent) => void = () => {}
  const earlyEvents: SessionEvent[] = []
  const bufferEvent = (event: SessionEvent) => {
    earlyEvents.push(event)
  }
  listener = bufferEvent
  const guard =
    options.screen === undefined
      ? undefined
      : new TerminalGuard(options.screen === 'inline' ? 'inline' : 'screen', () => {
          history?.close()
          options.onExit?.()
        })
  const history = options.history ? new History(user, showIndexingProgress) : undefined
  const end = (code: number, message?: string): never => {
    guard?.leave()
    history?.close()
    options.onExit?.()
    if (message !== undefined) fail(code, message)
    process.exit(code)
  }
  const request = goOnline(
    options,
    history ?? NO_STORAGE,
    event => {
      if (event.type === 'connection' && event.state.phase === 'online') settings.save({ server: event.state.url })
      listener(event)
    },
    end,
  )
  const leave = () => {
    request({ type: 'close' })
    end(0)
  }
  if (guard === undefined) {
    const mode = options.json ? new JsonMode() : new LineMode(user)
    for (const event of earlyEvents) mode.handleEvent(event)
    listener = event => mode.handleEvent(event)
    // Whoever read this has gone.
    process.stdout.on('error', () => end(0))
    if (mode instanceof JsonMode) mode.readStdin(request, leave)
    else mode.readStdin(options.to, request, leave)
    return
  }
  // Ink shows nothing under CI, and React keeps timings of every frame outside production: both are decided on import.
  delete process.env.CI
  delete process.env.CONTINUOUS_INTEGRATION
  process.env.NODE_ENV = 'production'
  const { runScreen } = await import('../modes/full-screen.tsx')
  listener = runScreen({
    user,
    to: options.to ?? settings.settings.threads[user],
    preferences: settings.settings.preferences,
    colors: !process.env.NO_COLOR,
    inline: options.screen === 'inline',
    guard,
    send: request,
    history,
    events: earlyEvents,
    save: ({ preferences, to }) => {
      const threads = { ...settings.settings.threads }
      if (to === undefined) delete threads[user]
      else threads[user] = to
      settings.save({ preferences, threads })
    },
    quit: leave,
  })
}
