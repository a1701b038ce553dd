/** What the terminal can do, by the environment variables that it sets. */

type Env = Readonly<Record<string, string | undefined>>

/** The escape sequences of desktop notifications: of iTerm2, of urxvt, of kitty. */
export type NotificationKind = 'osc9' | 'osc777' | 'osc99'

export function isInTmux({ TMUX }: Env): boolean {
  return TMUX !== undefined && TMUX !== ''
}

/** Whether the terminal is known to have hyperlinks (OSC 8). tmux passes them on from 3.4. */
export function hasHyperlinks(env: Env): boolean {
  const { TERM = '', TERM_PROGRAM = '', TERM_PROGRAM_VERSION = '', VTE_VERSION = '', STY = '' } = env
  const { WT_SESSION, KONSOLE_VERSION, KITTY_WINDOW_ID } = env
  if (TERM === 'linux' || TERM === 'dumb' || STY !== '') return false
  if (isInTmux(env)) {
    const [major = 0, minor = 0] = TERM_PROGRAM_VERSION.split('.').map(part => Number.parseInt(part, 10))
    return TERM_PROGRAM === 'tmux' && (major > 3 || (major === 3 && minor >= 4))
  }
  if (/^(foot|alacritty|contour|wezterm|xterm-kitty|xterm-ghostty)/.test(TERM)) return true
  if (['iTerm.app', 'WezTerm', 'vscode', 'ghostty', 'mintty', 'rio', 'kitty'].includes(TERM_PROGRAM)) return true
  return Number(VTE_VERSION) >= 5_000 || [WT_SESSION, KONSOLE_VERSION, KITTY_WINDOW_ID].some(Boolean)
}

/** The notifications of the terminal; undefined: it is not known to have any. In tmux, those of the terminal around it. */
export function detectNotifications(env: Env): NotificationKind | undefined {
  const { TERM = '', TERM_PROGRAM = '', LC_TERMINAL = '' } = env
  const has = (name: string) => env[name] !== undefined && env[name] !== ''
  if (TERM === 'xterm-kitty' || has('KITTY_WINDOW_ID')) return 'osc99'
  if (/^(foot|rxvt|xterm-ghostty)/.test(TERM) || TERM_PROGRAM === 'ghostty' || has('GHOSTTY_RESOURCES_DIR'))
    return 'osc777'
  if (TERM_PROGRAM === 'WezTerm' || has('WEZTERM_PANE')) return 'osc777'
  if (TERM_PROGRAM === 'iTerm.app' || has('ITERM_SESSION_ID') || LC_TERMINAL === 'iTerm2') return 'osc9'
  return has('WT_SESSION') ? 'osc9' : undefined
}
