/** Desktop notifications: by an escape sequence of the terminal, or by a command of the user. */
import { spawn } from 'node:child_process'
import { TokenBucket } from '../../src/common/token-bucket.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import { detectNotifications, isInTmux, type NotificationKind } from './terminal-features.ts'
import { fitToColumns } from './width.ts'

/** Longest texts, in columns. */
const MAX_TITLE_COLUMNS = 60
const MAX_BODY_COLUMNS = 200
/** Characters of a message that are looked at: it may be much longer than what is shown. */
const MAX_READ_LENGTH = 1_000
/** Notifications at once, and per second on average. The rest is dropped: the counts on the screen have all messages. */
const BURST = 5
const PER_SECOND = 0.5
/** Commands that may run at the same time, and how long each may run, ms. */
const MAX_RUNNING_COMMANDS = 5
const COMMAND_TIMEOUT_MS = 10_000

const ESC = '\u001b'
const BEL = '\u0007'

export interface NotificationSettings {
  notify: 'auto' | 'off' | NotificationKind
  notifyCommand: readonly string[]
}

export class Notifier {
  readonly #write: (text: string) => void
  readonly #onError: (text: string) => void
  readonly #bucket = new TokenBucket(PER_SECOND, BURST, performance.now())
  #running = 0
  #hasFailed = false
  /** The name and version that the terminal has told. */
  terminalName: string | undefined

  /**
   * @param write writes to the terminal
   * @param onError called once, when the user's command fails
   */
  constructor(write: (text: string) => void, onError: (text: string) => void) {
    this.#write = write
    this.#onError = onError
  }

  notify(title: string, body: string, { notify, notifyCommand }: NotificationSettings): void {
    if (notify === 'off') return
    const kind = notify === 'auto' ? detectNotifications(process.env, this.terminalName) : notify
    if (notifyCommand.length === 0 && kind === undefined) return
    if (this.#bucket.take(performance.now()) > 0) return
    const [shownTitle, shownBody] = [cut(title, MAX_TITLE_COLUMNS), cut(body, MAX_BODY_COLUMNS)]
    if (notifyCommand.length > 0) this.#run(commandArguments(notifyCommand, shownTitle, shownBody))
    else if (kind !== undefined) this.#write(notificationSequence(kind, shownTitle, shownBody, isInTmux(process.env)))
  }

  #run([command = '', ...args]: string[]): void {
    if (this.#running >= MAX_RUNNING_COMMANDS) return
    this.#running++
    const child = spawn(command, args, { stdio: 'ignore', timeout: COMMAND_TIMEOUT_MS, killSignal: 'SIGKILL' })
    child.unref()
    let hasEnded = false
    const end = (reason?: string) => {
      if (!hasEnded) this.#running--
      hasEnded = true
      if (reason === undefined || this.#hasFailed) return
      this.#hasFailed = true
      this.#onError(`notifyCommand ${command} fails: ${reason}; correct it in the settings file`)
    }
    child.on('error', ({ message }) => end(message))
    child.on('exit', (code, signal) => end(code === 0 ? undefined : `it ended with ${signal ?? `exit code ${code}`}`))
  }
}

/** The command with the texts in place of `%t` and `%m`. A text that starts with a dash must not become an option. */
export function commandArguments(command: readonly string[], title: string, body: string): string[] {
  const texts: Record<string, string> = { '%t': title, '%m': body }
  return command.map(argument =>
    argument.replace(/%[tm]/g, (placeholder, at: number) => {
      const text = texts[placeholder] ?? ''
      return at === 0 && text.startsWith('-') ? ` ${text}` : text
    }),
  )
}

/** The escape sequence of a notification. The texts have no control characters. */
export function notificationSequence(kind: NotificationKind, title: string, body: string, inTmux: boolean): string {
  // A semicolon separates the fields of the sequence.
  const name = title.replaceAll(';', ',')
  const sequence = {
    osc9: () => `${ESC}]9;${name}: ${body}${BEL}`,
    osc777: () => `${ESC}]777;notify;${name};${body}${BEL}`,
    osc99: () => `${ESC}]99;i=mesh-chat:d=0;${name}${ESC}\\${ESC}]99;i=mesh-chat:p=body;${body}${ESC}\\`,
  }[kind]()
  return inTmux ? passThroughTmux(sequence) : sequence
}

/** tmux passes a sequence on to its terminal if the option `allow-passthrough` is on. */
function passThroughTmux(sequence: string): string {
  return `${ESC}Ptmux;${sequence.replaceAll(ESC, ESC + ESC)}${ESC}\\`
}

function cut(text: string, columns: number): string {
  return fitToColumns(sanitizeLine(text.slice(0, MAX_READ_LENGTH).replace(/\s+/g, ' ')), columns).trimEnd()
}
