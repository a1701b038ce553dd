/** The questions of the first run on a terminal, when neither a name nor a server is known. */
import { createInterface } from 'node:readline/promises'
import { readLocalConfig } from '../src/programs/config.ts'
import { type ParseResult, parseUserName } from '../src/protocol/names.ts'
import { DEFAULT_SERVER, type ServerArguments } from './options.ts'
import type { SettingsFile } from './settings.ts'
import { loginName } from './trial.ts'

/** The exit code after Ctrl+C, as that of a program that SIGINT ends. */
const INTERRUPTED = 130

/** Asks until the answer is valid; an empty one is the preset. */
type Ask = <T>(question: string, preset: string, parse: (answer: string) => ParseResult<T>) => Promise<T>

interface FirstRunArguments extends ServerArguments {
  user?: string
  json?: boolean
}

/**
 * Adds the answers to the arguments: the name, and the server unless one is known. Asks nothing if a name is known, for
 * programs, or without a terminal. Ctrl+C and the end of the input end the program.
 */
export async function withFirstRunAnswers<Arguments extends FirstRunArguments>(
  args: Arguments,
  file: SettingsFile,
): Promise<Arguments> {
  const { settings, problem } = file
  const isKnown = args.user !== undefined || settings.user !== undefined || problem !== undefined
  if (isKnown || args.json || !process.stdin.isTTY || !process.stdout.isTTY) return args
  const isServerGiven = [args.server, args.host, args.port].some(value => value !== undefined)
  const isServerKnown = isServerGiven || settings.server !== undefined || readLocalConfig() !== undefined
  const { ask, close } = openQuestions()
  const login = parseUserName(loginName())
  const user = await ask('Your name', login.ok ? login.value : '', parseUserName)
  const server = isServerKnown ? undefined : await ask('Server', DEFAULT_SERVER, parseServer)
  close()
  // The next start asks nothing, also if no server answers now: what waits on the disk belongs to these.
  file.save({ user, ...(server === undefined ? {} : { server }) })
  return { ...args, user, ...(server === undefined ? {} : { server: [server] }) }
}

function openQuestions(): { ask: Ask; close: () => void } {
  const { stdin: input, stderr: output } = process
  const lines = createInterface({ input, output })
  let isDone = false
  // Ctrl+C closes the interface, too.
  lines.on('close', () => {
    if (isDone) return
    output.write('\n')
    process.exit(INTERRUPTED)
  })
  const ask: Ask = async (question, preset, parse) => {
    for (;;) {
      const answer = (await lines.question(preset === '' ? `${question}: ` : `${question} [${preset}]: `)).trim()
      const parsed = parse(answer || preset)
      if (parsed.ok) return parsed.value
      output.write(`${parsed.reason}\n`)
    }
  }
  const close = () => {
    isDone = true
    lines.close()
  }
  return { ask, close }
}

/** Parses a server URL; `chat.example:3001` is one too. */
export function parseServer(answer: string): ParseResult<string> {
  const url = /^[a-z]+:\/\//i.test(answer) ? answer : `http://${answer}`
  if (/^https?:\/\/[^/\s]+\/?$/.test(url) && URL.canParse(url)) return { ok: true, value: url }
  return { ok: false, reason: 'a server is a URL: http://HOST:PORT or https://HOST:PORT' }
}
