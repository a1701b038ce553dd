/** What the terminal can do, by the name that it tells, else by the environment variables that it sets. */

type Env = Readonly<Record<string, string | undefined>>

/** The escape sequences of desktop notifications: of iTerm2, of urxvt, of kitty. */
export type NotificationKind = 'osc9' | 'osc777' | 'osc99'

/** Asks the terminal for its name and version (XTVERSION). The environment does not have it, for example, over SSH. */
export const NAME_REQUEST = '\u001b[>q'

/** Terminals by the start of the name that they tell, with their notifications. All have hyperlinks. */
const KNOWN_NAMES: readonly [name: RegExp, notifications: NotificationKind | undefined][] = [
  [/^kitty\b/i, 'osc99'],
  [/^(?:foot|ghostty|wezterm)\b/i, 'osc777'],
  [/^(?:iterm2|windows terminal)\b/i, 'osc9'],
  [/^(?:konsole|contour|mintty|rio)\b/i, undefined],
]

/** Whether to send {@link NAME_REQUEST}: the Linux console and GNU screen may show it. */
export function mayAskName({ TERM = '', STY = '' }: Env): boolean {
  return TERM !== 'linux' && TERM !== 'dumb' && STY === ''
}

export function isInTmux({ TMUX }: Env): boolean {
  return TMUX !== undefined && TMUX !== ''
}

/**
 * Whether the terminal is known to have hyperlinks (OSC 8). tmux passes them on from 3.4.
 * @param name the name and version that the terminal has told
 */
export function hasHyperlinks(env: Env, name = ''): boolean {
  const [, toldTmux] = /^tmux (\S+)/.exec(name) ?? []
  if (toldTmux !== undefined) return tmuxHasHyperlinks(toldTmux)
  const [, vteVersion] = /^VTE\((\d+)\)/.exec(name) ?? []
  if (vteVersion !== undefined) return Number(vteVersion) >= 5_000
  if (KNOWN_NAMES.some(([known]) => known.test(name))) return true
  const { TERM = '', TERM_PROGRAM = '', TERM_PROGRAM_VERSION = '', VTE_VERSION = '', STY = '' } = env
  const { WT_SESSION, KONSOLE_VERSION, KITTY_WINDOW_ID } = env
  if (TERM === 'linux' || TERM === 'dumb' || STY !== '') return false
  if (isInTmux(env)) return TERM_PROGRAM === 'tmux' && tmuxHasHyperlinks(TERM_PROGRAM_VERSION)
  if (/^(foot|alacritty|contour|wezterm|xterm-kitty|xterm-ghostty)/.test(TERM)) return true
  if (['iTerm.app', 'WezTerm', 'vscode', 'ghostty', 'mintty', 'rio', 'kitty'].includes(TERM_PROGRAM)) return true
  return Number(VTE_VERSION) >= 5_000 || [WT_SESSION, KONSOLE_VERSION, KITTY_WINDOW_ID].some(Boolean)
}

/**
 * Whether a version of tmux has hyperlinks: `3.4`, `3.5a`, `next-3.4` (built from its repository before 3.4), and the tmux of
 * OpenBSD, which has the version of the system. tmux leaves them out for terminals without the feature `hyperlinks`.
 */
function tmuxHasHyperlinks(version: string): boolean {
  if (version === 'master') return true
  const [, system, major = '', minor = ''] = /^(openbsd-|next-)?(\d+)\.(\d+)/.exec(version) ?? []
  const [firstMajor, firstMinor] = system === 'openbsd-' ? [7, 5] : [3, 4]
  return Number(major) > firstMajor || (Number(major) === firstMajor && Number(minor) >= firstMinor)
}

/**
 * The notifications of the terminal; undefined: it is not known to have any. In tmux, those of the terminal around it.
 * @param name the name and version that the terminal has told
 */
export function detectNotifications(env: Env, name = ''): NotificationKind | undefined {
  const told = KNOWN_NAMES.find(([known]) => known.test(name))
  if (told !== undefined) return told[1]
  const { TERM = '', TERM_PROGRAM = '', LC_TERMINAL = '' } = env
  const has = (name: string) => env[name] !== undefined && env[name] !== ''
  if (TERM === 'xterm-kitty' || has('KITTY_WINDOW_ID')) return 'osc99'
  if (/^(foot|rxvt|xterm-ghostty)/.test(TERM) || TERM_PROGRAM === 'ghostty' || has('GHOSTTY_RESOURCES_DIR'))
    return 'osc777'
  if (TERM_PROGRAM === 'WezTerm' || has('WEZTERM_PANE')) return 'osc777'
  if (TERM_PROGRAM === 'iTerm.app' || has('ITERM_SESSION_ID') || LC_TERMINAL === 'iTerm2') return 'osc9'
  return has('WT_SESSION') ? 'osc9' : undefined
}
