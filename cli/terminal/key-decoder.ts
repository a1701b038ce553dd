/**
 * What hands do, decoded from a terminal's bytes: text, a paste, or a key by its name as Emacs writes it (`C-a`,
 * `M-enter`, `S-tab`, `pageup`). Chunks may hold many keys (tmux sends a whole line at once), or a part of one.
 */
export type Key = { type: 'text' | 'paste'; text: string } | { type: 'key'; name: string }

const ESC = '\u001b'
const PASTE_START = `${ESC}[200~`
const PASTE_END = `${ESC}[201~`

/** ECMA-48 control sequence: parameters, intermediates, final. */
const CONTROL_SEQUENCE = /^\u001b\[([0-9;:<=>?]*)([ -/]*)([@-~])/
/** The function keys of the Linux console. */
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

/** Turns a terminal's input into keys, whatever the cuts between chunks. */
export class KeyDecoder {
  #pending = ''
  #paste: string | undefined

  /** Whether an Escape waits that may be a key of its own or the beginning of a longer one: `flush` decides. */
  get hasPendingEscape(): boolean {
    return this.#pending !== '' && this.#paste === undefined
  }

  feed(chunk: string): Key[] {
    const keys: Key[] = []
    let rest = this.#pending + chunk
    this.#pending = ''
    while (rest !== '') {
      const used = this.#paste === undefined ? this.#decodeKey(rest, keys) : this.#decodePaste(rest, keys)
      if (used === 0) break
      rest = rest.slice(used)
    }
    this.#pending = rest
    return keys
  }

  /** Nothing followed for a while: what waits is what was typed. */
  flush(): Key[] {
    if (!this.hasPendingEscape) return []
    const pending = this.#pending
    this.#pending = ''
    if (pending === ESC) return [{ type: 'key', name: 'escape' }]
    // The beginning of a sequence that never came: M-[ and M-O, typed by hand.
    return pending.length === 2 ? [{ type: 'key', name: `M-${pending[1]}` }] : []
  }

  /** Takes one key off the beginning; 0 when more is needed. */
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
    const console = CONSOLE_FUNCTION_KEY.exec(rest)
    if (console !== null) {
      keys.push({ type: 'key', name: `f${(console[1] ?? 'A').charCodeAt(0) - 64}` })
      return console[0].length
    }
    const sequence = CONTROL_SEQUENCE.exec(rest)
    if (sequence !== null) {
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
      // Some terminals send Meta with an arrow as Escape and the arrow's own sequence.
      const after = new KeyDecoder().feed(rest.slice(1))[0]
      if (after?.type === 'key' && /^\u001b\u001b[[O]/.test(rest)) {
        const length = (/^\u001b(\[[0-9;]*[@-~]|O.)/.exec(rest.slice(1))?.[0].length ?? 0) + 1
        keys.push({ type: 'key', name: `M-${after.name}` })
        return length
      }
      keys.push({ type: 'key', name: 'escape' })
      return 1
    }
    const character = String.fromCodePoint(rest.codePointAt(1) ?? 0)
    keys.push({ type: 'key', name: `M-${controlKey(character) ?? character}` })
    return 1 + character.length
  }

  #decodePaste(rest: string, keys: Key[]): number {
    const end = rest.indexOf(PASTE_END)
    if (end >= 0) {
      keys.push({ type: 'paste', text: (this.#paste ?? '') + rest.slice(0, end) })
      this.#paste = undefined
      return end + PASTE_END.length
    }
    // The end's own sequence may be cut: keep what could begin it.
    const safe = rest.length - (PASTE_END.length - 1)
    if (safe <= 0) return 0
    this.#paste += rest.slice(0, safe)
    return safe
  }
}

/** Both CR and LF are Enter: keys typed before the terminal was raw come as LF. */
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

function sequenceKey(parameters: string, final: string): string | undefined {
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
