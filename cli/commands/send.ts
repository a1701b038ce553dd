import { readFileSync } from 'node:fs'
import { EXIT, fail } from '../../src/programs/fail.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import { History } from '../history/history.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { connectionTarget, parseNameOption, type ServerArguments } from '../options.ts'
import { goOnline } from '../session/go-online.ts'
import { SettingsFile } from '../settings.ts'

interface SendArguments extends ServerArguments {
  user?: string
  to: string
  timeout: string
  keep?: boolean
}

/**
 * Sends one message and ends with what became of it. What was not delivered in time is dropped, so that a script that
 * tries again does not say it twice; `--keep` leaves it to the user's next client.
 */
export function send(textArgument: string, args: SendArguments): void {
  const timeout = Number(args.timeout)
  if (!(timeout > 0)) fail(EXIT.usage, `--timeout ${args.timeout}: give a number of seconds`)
  const to = parseNameOption('--to', args.to)
  const text = textArgument === '-' ? readFileSync(0, 'utf8').replace(/\n$/, '') : textArgument
  if (text === '') fail(EXIT.usage, 'there is no text to send')
  const target = connectionTarget(args, new SettingsFile())
  const history = new History(target.user)
  let message: Message | undefined
  let online = false
  const end = (code: number, line?: string): never => {
    if (code !== 0 && message !== undefined && args.keep) history.hold(message)
    if (line !== undefined) fail(code, line)
    process.exit(code)
  }
  const storage = {
    archive: history.archive,
    // Others may wait in the outbox: they are not this command's business.
    held: [],
    store: (stored: Message) => history.store(stored),
    hold: () => {},
    release: () => {},
  }
  const request = goOnline(
    target,
    storage,
    event => {
      if (event.type === 'connection' && event.state.phase === 'online') online = true
      if (event.type === 'message' && event.origin === 'composed') message = event.message
      if (event.type === 'key' && event.state === 'changed' && event.user === to) {
        end(
          EXIT.general,
          `${to} has another key than before: ${fingerprint(event.key)}; trust it in mesh-chat with: /trust ${to}`,
        )
      }
      if (event.type !== 'progress' || event.id !== message?.id) return
      const { progress } = event
      if (progress.state === 'delivered') end(0)
      if (progress.state === 'refused') end(EXIT.general, `refused: ${sanitizeLine(progress.message)}`)
    },
    end,
  )
  request({ type: 'compose', to, text })
  setTimeout(() => {
    const outcome = args.keep ? 'it waits for the next client' : 'nothing was sent'
    if (!online) end(EXIT.unavailable, `no server was reached within ${timeout} s; ${outcome}`)
    end(EXIT.offline, `${to} was not reached within ${timeout} s; ${args.keep ? outcome : 'the message was dropped'}`)
  }, timeout * 1_000)
}
