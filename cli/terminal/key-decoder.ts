/** Input from the terminal: typed text, a paste, or a key in Emacs notation (`C-a`, `M-enter`, `S-tab`, `pageup`). */
export type Key =
  | { type: 'text'; text: string }
  /** `isCut`: the paste was longer, and the rest is dropped. */
  | { type: 'paste'; text: string; isCut?: true }
  | { type: 'key'; name: string }
  /** The terminal has got or lost the keyboard focus. */
  | { type: 'focus'; isFocused: boolean }
  /** The terminal tells its name and version (XTVERSION), such as `foot(1.16.2)`. */
  | { type: 'terminal'; name: string }
  | MouseEvent

/** A turn of the mouse wheel, or a press of the left button. `column` and `row` count from 0. */
export interface MouseEvent {
  type: 'mouse'
  action: 'press' | 'wheel-up' | 'wheel-down'
  column: number
  row: number
}

const ESC = '\u001b'
const PASTE_START = `${ESC}[200~`
const PASTE_END = `${ESC}[201~`
const INTERRUPT = '\u0003'
/** Longest paste, in UTF-16 units. */
const MAX_PASTE_LENGTH = 1 << 17

/** Start of a string that a terminal sends as a reply: OSC, DCS, APC, PM or SOS (ECMA-48), and its content so far. */
const CONTROL_STRING = /^\u001b([\]P_^X])([^\u0000-\u001f\u007f\u009c]*)/
const STRING_CONTENT = /^[^\u0000-\u001f\u007f\u009c]*/
/**
 * First characters of the replies that terminals send. Without its end, a string that starts otherwise is taken for Alt
 * with a key, followed by text.
 */
const REPLY_START: Record<string, RegExp> = { ']': /^[0-9lLI]/, P: /^[0-9>!?=$+]/, _: /^G/ }
/** Longest text after Alt with a key that may still be a reply. */
const MAX_UNCLEAR_LENGTH = 4_096

/** ECMA-48 control sequence: parameters, intermediate bytes, final byte. */
const CONTROL_SEQUENCE = /^\u001b\[([0-9;:<=>?]*)([ -/]*)([@-~])/
/** SGR mouse report (`?1006`), without its introducer and final byte: button, column and row. */
const MOUSE_REPORT = /^<(\d{1,3});(\d{1,5});(\d{1,5})$/
/** Mouse buttons without modifiers that mean something: left, wheel up, wheel down. */
const MOUSE_ACTIONS: Record<string, MouseEvent['action']> = { 0: 'press', 64: 'wheel-up', 65: 'wheel-down' }
/** Mouse report of terminals that do not know SGR reports: three characters follow. */
const X10_MOUSE_REPORT = /^\u001b\[M([^\u0000-\u001f]{0,3})/
/** F1 to F5 on the Linux console. */
const CONSOLE_FUNCTION_KEY = /^\u001b\[\[([A-E])/

const KEYS_BY_FINAL_BYTE: Record<string, string> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  F: 'end',
  H: 'home',
  P: 'f1',
  Q: 'f2',
  R: 'f3',
  S: 'f4',
  Z: 'S-tab',
  M: 'enter',
}
const KEYS_BY_TILDE_NUMBER: Record<string, string> = {
  1: 'home',
  2: 'insert',
  3: 'delete',
  4: 'end',
  5: 'pageup',
  6: 'pagedown',
  7: 'home',
  8: 'end',
  11: 'f1',
  12: 'f2',
  13: 'f3',
  14: 'f4',
  15: 'f5',
  17: 'f6',
  18: 'f7',
  19: 'f8',
  20: 'f9',
  21: 'f10',
  23: 'f11',
  24: 'f12',
}
const KEYS_BY_CODE_POINT: Record<number, string> = { 9: 'tab', 13: 'enter', 27: 'escape', 127: 'backspace' }

/** Decodes terminal input. A chunk may hold many keys (tmux sends a whole line at once), or only a part of one. */
export class KeyDecoder {
  #pending = ''
  #paste: string | undefined
  /** Whether the paste was too long: its rest is dropped. */
  #isPasteCut = false
  /** Whether the content of a terminal's reply is being dropped. */
  #isInReply = false
  /** Whether the last chunk of a paste was an Escape alone, which is a key unless the end of the paste follows. */
  #isLoneEscape = false

  /** Whether an incomplete sequence is buffered. An Escape may be the key or the start of a sequence: see {@link flush}. */
  get hasPendingEscape(): boolean {
    return this.#pending !== '' && (this.#paste === undefined || this.#isLoneEscape)
  }

  /** Whether a paste or a reply of the terminal has not ended yet: see {@link endInput}. */
  get isInInput(): boolean {
    return this.#paste !== undefined || this.#isInReply
  }

  feed(chunk: string): Key[] {
    const keys: Key[] = []
    // A key that is pressed while a paste lacks its end. A paste itself has no such chunk.
    if (this.#paste !== undefined && chunk === INTERRUPT) keys.push(...this.endInput())
    this.#isLoneEscape = this.#paste !== undefined && chunk === ESC
    let rest = this.#pending + chunk
    this.#pending = ''
    while (rest !== '') {
      const used =
        this.#paste !== undefined
          ? this.#decodePaste(rest, keys)
          : this.#isInReply
            ? this.#skipReply(rest, keys)
            : this.#decodeKey(rest, keys)
      if (used === 0) break
      rest = rest.slice(used)
    }
    this.#pending = rest
    return keys
  }

  /** Decodes the buffered input as complete. Call it when nothing has followed for a while. */
  flush(): Key[] {
    if (!this.hasPendingEscape) return []
    const pending = this.#pending
    if (this.#isLoneEscape) {
      this.#pending = this.#pending.slice(0, -1)
      return [...this.endInput(), { type: 'key', name: 'escape' }]
    }
    this.#isInReply = false
    this.#pending = ''
    if (pending === ESC) return [{ type: 'key', name: 'escape' }]
    // `Esc [` and `Esc O` without the rest of a sequence are Alt+[ and Alt+O.
    if (pending.length === 2) return [{ type: 'key', name: `M-${pending[1]}` }]
    // What could have been a reply is Alt with a key, followed by text.
    if (CONTROL_STRING.test(pending)) {
      const keys: Key[] = [{ type: 'key', name: `M-${pending[1]}` }, ...this.feed(pending.slice(2))]
      return [...keys, ...this.flush()]
    }
    return []
  }

  /** Ends a paste or a reply whose end does not come, so that keys work again. Call it when nothing follows for long. */
  endInput(): Key[] {
    const text = (this.#paste ?? '') + this.#pending
    const keys: Key[] = this.#paste === undefined || this.#isPasteCut ? [] : [{ type: 'paste', text }]
    this.#paste = undefined
    this.#isPasteCut = false
    this.#isInReply = false
    this.#isLoneEscape = false
    this.#pending = ''
    return keys
  }

  /** Decodes one key from the start of `rest`. Returns the number of characters used; 0: more input is needed. */
  #decodeKey(rest: string, keys: Key[]): number {
    const [first = ''] = rest
    if (first === ESC) return this.#decodeEscape(rest, keys)
    const control = controlKey(first)
    if (control !== undefined) {
      keys.push({ type: 'key', name: control })
      return 1
    }
    const [text = ''] = /^[^\u0000-\u001f\u007f]+/.exec(rest) ?? []
    keys.push({ type: 'text', text })
    return text.length
  }

  #decodeEscape(rest: string, keys: Key[]): number {
    if (rest.startsWith(PASTE_START)) {
      this.#paste = ''
      return PASTE_START.length
    }
    if (CONTROL_STRING.test(rest)) return this.#decodeReply(rest, keys)
    const console = CONSOLE_FUNCTION_KEY.exec(rest)
    if (console !== null) {
      keys.push({ type: 'key', name: `f${(console[1] ?? 'A').charCodeAt(0) - 64}` })
      return console[0].length
    }
    const x10Report = X10_MOUSE_REPORT.exec(rest)
    if (x10Report !== null) return x10Report[1]?.length === 3 || x10Report[0] !== rest ? x10Report[0].length : 0
    const sequence = CONTROL_SEQUENCE.exec(rest)
    if (sequence !== null) {
      const report = terminalReport(sequence[1] ?? '', sequence[3] ?? '')
      if (report !== undefined) keys.push(report)
      const name = sequenceKey(sequence[1] ?? '', sequence[3] ?? '')
      if (name !== undefined) keys.push({ type: 'key', name })
      return sequence[0].length
    }
    if (rest === ESC || /^\u001b(\[[0-9;:<=>?[]*[ -/]*|O)$/.test(rest)) return 0
    if (rest[1] === 'O' && KEYS_BY_FINAL_BYTE[rest[2] ?? ''] !== undefined) {
      keys.push({ type: 'key', name: KEYS_BY_FINAL_BYTE[rest[2] ?? ''] ?? '' })
      return 3
    }
    if (rest[1] === ESC) {
      // Some terminals send Alt with an arrow key as an Escape before the sequence of the arrow key.
      const unmodified = new KeyDecoder().feed(rest.slice(1))[0]
      if (unmodified?.type === 'key' && /^\u001b\u001b[[O]/.test(rest)) {
        const length = (/^\u001b(\[[0-9;]*[@-~]|O.)/.exec(rest.slice(1))?.[0].length ?? 0) + 1
        keys.push({ type: 'key', name: `M-${unmodified.name}` })
        return length
      }
      keys.push({ type: 'key', name: 'escape' })
      return 1
    }
    const character = String.fromCodePoint(rest.codePointAt(1) ?? 0)
    keys.push({ type: 'key', name: `M-${controlKey(character) ?? character}` })
    return 1 + character.length
  }

  /** Drops a reply of the terminal, except for its name. One without content is Alt with a key. */
  #decodeReply(rest: string, keys: Key[]): number {
    const [start = '', introducer = '', content = ''] = CONTROL_STRING.exec(rest) ?? []
    const next = rest.slice(start.length, start.length + 2)
    const end = content === '' ? 0 : replyEndLength(next)
    if (end > 0) {
      if (introducer === 'P' && content.startsWith('>|')) keys.push({ type: 'terminal', name: content.slice(2, 100) })
      return start.length + end
    }
    const isReply = REPLY_START[introducer]?.test(content) === true
    const isIncomplete = next === '' || next === ESC
    if (isIncomplete && !isReply && content.length < MAX_UNCLEAR_LENGTH) return 0
    if (isReply) {
      this.#isInReply = isIncomplete
      return start.length
    }
    keys.push({ type: 'key', name: `M-${introducer}` })
    return 2
  }

  /** Drops the rest of a reply. A control character, such as Enter, ends it and is a key. */
  #skipReply(rest: string, keys: Key[]): number {
    const length = STRING_CONTENT.exec(rest)?.[0].length ?? 0
    const next = rest.slice(length, length + 2)
    if (next === '' || next === ESC) return length
    this.#isInReply = false
    return length + (replyEndLength(next) || this.#decodeKey(rest.slice(length), keys))
  }

  #decodePaste(rest: string, keys: Key[]): number {
    const end = rest.indexOf(PASTE_END)
    // The end sequence may be split between chunks: keep the characters that may belong to it.
    const length = end >= 0 ? end : Math.max(0, rest.length - (PASTE_END.length - 1))
    if (!this.#isPasteCut) {
      const text = (this.#paste ?? '') + rest.slice(0, length)
      this.#isPasteCut = text.length > MAX_PASTE_LENGTH
      this.#paste = this.#isPasteCut ? '' : text
      if (this.#isPasteCut) keys.push({ type: 'paste', text: text.slice(0, MAX_PASTE_LENGTH), isCut: true })
      else if (end >= 0) keys.push({ type: 'paste', text })
    }
    if (end < 0) return length
    this.#paste = undefined
    this.#isPasteCut = false
    return end + PASTE_END.length
  }
}

/** The length of the end of a reply: BEL, or the string terminator in its 8-bit or 7-bit form; 0: something else. */
function replyEndLength(next: string): number {
  if (next.startsWith('\u0007') || next.startsWith('\u009c')) return 1
  return next === `${ESC}\\` ? 2 : 0
}

/** Both CR and LF are Enter: keys typed before raw mode was set arrive with LF. */
function controlKey(character: string): string | undefined {
  const code = character.codePointAt(0) ?? 0
  if (character === '\r' || character === '\n') return 'enter'
  if (character === '\t') return 'tab'
  if (code === 0x7f || code === 0x08) return 'backspace'
  if (code === 0) return 'C-space'
  if (code < 27) return `C-${String.fromCharCode(code + 96)}`
  if (code < 32) return `C-${String.fromCharCode(code + 64).toLowerCase()}`
  return undefined
}

/** The focus or mouse event of a control sequence; undefined: it is none, or one that is ignored. */
function terminalReport(parameters: string, final: string): Key | undefined {
  if (parameters === '' && (final === 'I' || final === 'O')) return { type: 'focus', isFocused: final === 'I' }
  if (final !== 'M') return undefined
  const [, button = '', column = '', row = ''] = MOUSE_REPORT.exec(parameters) ?? []
  const action = MOUSE_ACTIONS[button]
  if (action === undefined || Number(column) < 1 || Number(row) < 1) return undefined
  return { type: 'mouse', action, column: Number(column) - 1, row: Number(row) - 1 }
}

function sequenceKey(parameters: string, final: string): string | undefined {
  // A mouse report, also a malformed one.
  if (parameters.startsWith('<')) return undefined
  const [first = '', second = ''] = parameters.split(';')
  const modifierBits = Math.max(0, Number(second.split(':')[0] || '1') - 1)
  const modifiers = `${modifierBits & 4 ? 'C-' : ''}${modifierBits & 2 ? 'M-' : ''}${modifierBits & 1 ? 'S-' : ''}`
  if (final === 'u') {
    const code = Number(first.split(':')[0])
    const name = KEYS_BY_CODE_POINT[code] ?? (code >= 32 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined)
    return name === undefined ? undefined : modifiers + name
  }
  const name = final === '~' ? KEYS_BY_TILDE_NUMBER[first] : KEYS_BY_FINAL_BYTE[final]
  return name === undefined ? undefined : modifiers + name
}
