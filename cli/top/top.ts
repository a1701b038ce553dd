import { EXIT, fail } from '../../src/programs/command-line/fail.ts'
import { printLine } from '../../src/programs/command-line/print.ts'
import { sanitizedJson, sanitizeLine } from '../../src/protocol/text.ts'
import { resolveServers, type ServerArguments } from '../options.ts'
import { START_SERVER_HINT } from '../session/go-online.ts'
import { reportSettings, SettingsFile } from '../settings.ts'
import { TerminalGuard } from '../terminal/guard.ts'
import { pollMesh, pollOnce } from './poller.ts'
import { runTopScreen } from './screen.ts'

export interface TopArguments extends ServerArguments {
  json?: boolean
  color: boolean
}

/** Shows the mesh full screen until the user quits, or prints one reading as JSON. Exits the process. */
export async function top(args: TopArguments): Promise<void> {
  const settingsFile = new SettingsFile()
  reportSettings(settingsFile)
  const { servers, ca } = resolveServers(args, settingsFile)
  if (args.json) return printReading(servers, ca)
  if (!process.stdin.isTTY || !process.stdout.isTTY || process.env.TERM === 'dumb') {
    fail(EXIT.usage, 'top needs a terminal with cursor control; for one reading as JSON use: mesh-chat top --json')
  }
  const guard = new TerminalGuard('screen', () => {})
  const colors = args.color && !process.env.NO_COLOR
  const { user, preferences } = settingsFile.settings
  const { theme: ownTheme } = user === undefined ? preferences : settingsFile.preferencesOf(user)
  const theme = colors ? ownTheme : undefined
  const quit = () => {
    guard.leave()
    process.exit(0)
  }
  const handleEvent = runTopScreen({ theme, guard, quit })
  /** Failures before the first reading: one reason per server. */
  const reasons: string[] = []
  let refused = false
  let wasLive = false
  await pollMesh(servers, ca, event => {
    if (event.type === 'reading') wasLive = true
    handleEvent(event)
    if (wasLive) return
    if (event.type === 'lost') reasons.push(`${event.url}: ${event.reason}`)
    // The poller retries a server that gives a `retryAfter`.
    if (event.type === 'refused' && event.refusal.retryAfter === undefined) {
      refused = true
      reasons.push(refusalText(event.url, event.refusal.message))
    }
    if (reasons.length < servers.length) return
    guard.leave()
    failUnavailable(reasons, refused)
  })
}

/** Prints one reading as JSON, from the first server that gives one. */
async function printReading(servers: readonly string[], ca: string | undefined): Promise<void> {
  const reasons: string[] = []
  let refused = false
  for (const server of servers) {
    const answer = await pollOnce(server, ca)
    if (typeof answer === 'string') reasons.push(`${server}: ${answer}`)
    else if (!answer.ok) {
      refused = true
      reasons.push(refusalText(server, answer.message))
    } else {
      printLine(sanitizedJson(answer))
      process.exit(0)
    }
  }
  failUnavailable(reasons, refused)
}

function refusalText(url: string, message: string): string {
  return `${url} rejected the request: ${message}`
}

function failUnavailable(reasons: readonly string[], refused: boolean): never {
  const why = sanitizeLine(reasons.join('; '))
  if (refused) fail(EXIT.general, why)
  fail(EXIT.unavailable, `no server answers (${why}); ${START_SERVER_HINT}`)
}
