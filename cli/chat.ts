import { randomBytes } from 'node:crypto'
import type { SessionEvent } from '../src/client/events.ts'
import { visibleLine } from '../src/protocol/text.ts'
import { connect } from './connection.ts'
import { EXIT, fail } from './fail.ts'
import { History } from './history.ts'
import { line, readLines } from './line-mode.ts'
import { VERSION } from './package.ts'
import type { SettingsFile } from './settings.ts'
import { TerminalGuard } from './terminal/guard.ts'

export interface ChatOptions {
  user: string
  to: string | undefined
  /** URLs of servers, in the order in which to try them. */
  servers: readonly string[]
  settings: SettingsFile
  /** Who vouches for the servers' certificates, as PEM; else those whom Node trusts. */
  ca?: string | undefined
  /** Whether to take the whole terminal, or its end only, keeping its scrollback; else line by line. */
  screen: 'whole' | 'inline' | undefined
  /** Called once before the program ends, but by a crash. */
  ending?: () => void
}

/** Chats until the user leaves: full screen or line by line. Ends the process. */
export async function chat(options: ChatOptions): Promise<void> {
  const { user, settings, servers } = options
  settings.save({ user })
  let listener: (event: SessionEvent) => void = () => {}
  const early: SessionEvent[] = []
  const listen = (event: SessionEvent) => {
    early.push(event)
  }
  listener = listen
  let wasOnline = false
  let failures = 0
  const end = (code: number, message?: string): never => {
    options.ending?.()
    if (message !== undefined) fail(code, message)
    process.exit(code)
  }
  const guard =
    options.screen === undefined
      ? undefined
      : new TerminalGuard(options.screen === 'inline' ? 'inline' : 'screen', () => options.ending?.())
  const request = connect(
    {
      user,
      client: `mesh-chat/${VERSION}`,
      instance: randomBytes(12).toString('base64url'),
      servers,
      ca: options.ca,
      random: Math.random,
    },
    new History(user),
    event => {
      if (event.type === 'connection') {
        const { state } = event
        if (state.phase === 'online') {
          wasOnline = true
          settings.save({ server: state.url })
        }
        if (state.phase === 'refused') {
          guard?.leave()
          end(EXIT.general, visibleLine(state.message))
        }
        if (state.phase === 'waiting' && !wasOnline && ++failures >= servers.length) {
          guard?.leave()
          const reason = visibleLine(state.reason)
          end(
            EXIT.unavailable,
            `no server answers at ${servers.join(', ')} (${reason}); start one with: mesh-chatd --id server-1`,
          )
        }
      }
      listener(event)
    },
  )
  const leave = () => {
    request({ type: 'close' })
    guard?.leave()
    end(0)
  }
  if (guard === undefined) {
    listener = event => {
      const text = line(event, user)
      if (text !== undefined) (event.type === 'message' ? console.log : console.error)(text)
    }
    for (const event of early) listener(event)
    readLines(options.to, request, leave)
    return
  }
  // Ink shows nothing under CI, and React keeps timings of every frame outside production: both are decided on import.
  delete process.env.CI
  delete process.env.CONTINUOUS_INTEGRATION
  process.env.NODE_ENV = 'production'
  const { runScreen } = await import('./screen.tsx')
  listener = runScreen({
    user,
    to: options.to ?? settings.settings.threads[user],
    preferences: settings.settings.preferences,
    colors: !process.env.NO_COLOR,
    inline: options.screen === 'inline',
    guard,
    send: request,
    events: early,
    save: ({ preferences, to }) => {
      const threads = { ...settings.settings.threads }
      if (to === undefined) delete threads[user]
      else threads[user] = to
      settings.save({ preferences, threads })
    },
    quit: leave,
  })
}
