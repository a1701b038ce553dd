/** The modes of the terminal that the chat turns on: focus reports, mouse and title. */

const ESC = '\u001b'
const FOCUS_ON = `${ESC}[?1004h`
const FOCUS_OFF = `${ESC}[?1004l`
/** Presses and the wheel, as SGR reports. Shift with the mouse still selects text: terminals keep that for themselves. */
const MOUSE_ON = `${ESC}[?1000h${ESC}[?1006h`
const MOUSE_OFF = `${ESC}[?1000l${ESC}[?1006l`
/**
 * Without a mouse mode, many terminals turn the wheel into Up and Down keys on the alternate screen: save that mode, and
 * turn it off.
 */
const WHEEL_KEYS_OFF = `${ESC}[?1007s${ESC}[?1007l`
const WHEEL_KEYS_RESTORE = `${ESC}[?1007r`
const TITLE_SAVE = `${ESC}[22;0t`
const TITLE_RESTORE = `${ESC}[23;0t`

export interface WantedModes {
  /** Undefined: the mouse is the terminal's, as on its main screen. */
  mouse: boolean | undefined
  /** The title without control characters; undefined: the terminal's own. */
  title: string | undefined
}

/** Follows what the chat wants, and what the terminal has been told. */
export class TerminalModes {
  readonly #write: (text: string) => void
  #wanted: WantedModes = { mouse: undefined, title: undefined }
  #isOpen = false
  #isTitleSaved = false
  #areWheelKeysOff = false

  /** @param write writes to the terminal */
  constructor(write: (text: string) => void) {
    this.#write = write
  }

  /** Tells the terminal what has changed. */
  set(wanted: WantedModes): void {
    const before = this.#wanted
    this.#wanted = wanted
    if (!this.#isOpen) return
    const mouse = wanted.mouse === before.mouse ? '' : this.#mouseSequence()
    const title = wanted.title === before.title ? '' : this.#titleSequence()
    if (mouse + title !== '') this.#write(mouse + title)
  }

  /** What turns the modes on, at the start and after the terminal was given away. */
  opening(): string {
    this.#isOpen = true
    return FOCUS_ON + this.#mouseSequence() + this.#titleSequence()
  }

  /** What restores the terminal. */
  closing(): string {
    const wheelKeys = this.#areWheelKeysOff ? WHEEL_KEYS_RESTORE : ''
    const title = this.#isTitleSaved ? TITLE_RESTORE : ''
    this.#isOpen = false
    this.#areWheelKeysOff = false
    this.#isTitleSaved = false
    return FOCUS_OFF + MOUSE_OFF + wheelKeys + title
  }

  #mouseSequence(): string {
    if (this.#wanted.mouse === undefined) return ''
    if (this.#wanted.mouse) return MOUSE_ON
    const wheelKeys = this.#areWheelKeysOff ? '' : WHEEL_KEYS_OFF
    this.#areWheelKeysOff = true
    return MOUSE_OFF + wheelKeys
  }

  #titleSequence(): string {
    const { title } = this.#wanted
    const wasSaved = this.#isTitleSaved
    this.#isTitleSaved = title !== undefined
    if (title === undefined) return wasSaved ? TITLE_RESTORE : ''
    return `${wasSaved ? '' : TITLE_SAVE}${ESC}]2;${title}\u0007`
  }
}
