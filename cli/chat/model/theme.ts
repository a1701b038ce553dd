/** The meaning of a text on the screen. A theme maps it to a color. */
export type Tone = 'accent' | 'good' | 'warn' | 'bad' | 'code' | 'name'

type Color = 'cyan' | 'green' | 'yellow' | 'blue' | 'magenta' | 'red'

interface Theme {
  accent?: Color
  good?: Color
  warn?: Color
  bad?: Color
  code?: Color
  /** Colors of user names; each name always has the same one. */
  names: readonly Color[]
}

/**
 * Only the colors of the terminal's palette, which suit its background, dark or light. Yellow is too pale in many palettes for
 * light backgrounds: only `amber`, which is for dark ones, has it.
 */
export const THEMES = {
  calm: {
    accent: 'cyan',
    good: 'green',
    warn: 'magenta',
    bad: 'red',
    code: 'cyan',
    names: ['green', 'blue', 'magenta', 'cyan'],
  },
  blue: {
    accent: 'blue',
    good: 'green',
    warn: 'magenta',
    bad: 'red',
    code: 'cyan',
    names: ['cyan', 'magenta', 'green'],
  },
  amber: { accent: 'yellow', good: 'yellow', warn: 'red', bad: 'red', code: 'green', names: ['yellow'] },
  mono: { names: [] },
} as const satisfies Record<string, Theme>

export type ThemeName = keyof typeof THEMES

/** The color of a tone. For the tone `name`, it depends on the user only. */
export function toneColor(theme: ThemeName, tone: Tone, user = ''): Color | undefined {
  const { names, ...tones }: Theme = THEMES[theme]
  if (tone !== 'name') return tones[tone]
  let hash = 0
  for (const character of user) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) | 0
  return names[Math.abs(hash) % Math.max(1, names.length)]
}
