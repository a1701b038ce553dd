/** The colors of the themes. */
import { expect, test } from 'vitest'
import { THEMES } from '../../../../cli/chat/model/theme.ts'

const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan'] as const
/** The background and the colors 0 to 6 of terminals' palettes. */
const PALETTES = {
  'Tango light': ['#ffffff', '#2e3436', '#cc0000', '#4e9a06', '#c4a000', '#3465a4', '#75507b', '#06989a'],
  'One Half Light': ['#fafafa', '#383a42', '#e45649', '#50a14f', '#c18401', '#0184bc', '#a626a4', '#0997b3'],
  'VS Code light': ['#ffffff', '#000000', '#cd3131', '#107c10', '#949800', '#0451a5', '#bc05bc', '#0598bc'],
  'VS Code dark': ['#1e1e1e', '#000000', '#cd3131', '#0dbc79', '#e5e510', '#2472c8', '#bc3fbc', '#11a8cd'],
} as const

/** The relative luminance of a color (WCAG 2.2). */
function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map(at => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(one: string, other: string): number {
  const [low = 0, high = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (high + 0.05) / (low + 0.05)
}

test.each(Object.entries(PALETTES))('calm and blue can be read in %s', (_, [background, ...colors]) => {
  for (const { names, ...tones } of [THEMES.calm, THEMES.blue]) {
    for (const color of [...names, ...Object.values(tones)])
      expect([color, contrast(colors[COLORS.indexOf(color)] ?? '', background)]).toEqual([
        color,
        expect.toSatisfy(one => one >= 2.9),
      ])
  }
})
