/** One line of a plot. */
export interface Series {
  name: string
  points: readonly (readonly [x: number, y: number])[]
}

const WIDTH = 760
const HEIGHT = 420
const LEFT = 70
const RIGHT = 210
const TOP = 40
const BOTTOM = 50
/** Distinct on a light and on a dark background. */
const COLOURS = ['#2f81f7', '#d29922', '#2da44e', '#cf4a9e', '#8250df']

/** Draws a plot with logarithmic axes as an SVG that is readable on a light and on a dark background. */
export function plot(title: string, xName: string, lines: readonly Series[]): string {
  const points = lines.flatMap(line => line.points)
  const xs = points.map(([x]) => x)
  const ys = points.map(([, y]) => y)
  const [x0, x1] = [Math.log10(Math.min(...xs)), Math.log10(Math.max(...xs))]
  const [y0, y1] = [Math.floor(Math.log10(Math.min(...ys))), Math.ceil(Math.log10(Math.max(...ys)))]
  const toX = (x: number) => LEFT + ((Math.log10(x) - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT)
  const toY = (y: number) => HEIGHT - BOTTOM - ((Math.log10(y) - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM)
  const parts: string[] = [text(LEFT, 22, title, 'font-weight="bold"')]
  for (let power = y0; power <= y1; power++) {
    const y = toY(10 ** power)
    parts.push(
      gridLine(LEFT, y, WIDTH - RIGHT, y),
      text(LEFT - 8, y + 4, formatAmount(10 ** power), 'text-anchor="end"'),
    )
  }
  for (const x of [...new Set(xs)].sort((a, b) => a - b)) {
    const at = toX(x)
    parts.push(
      gridLine(at, TOP, at, HEIGHT - BOTTOM),
      text(at, HEIGHT - BOTTOM + 18, formatAmount(x), 'text-anchor="middle"'),
    )
  }
  parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, xName, 'text-anchor="middle"'))
  // Moves labels down that would overlap.
  let labelY = Number.NEGATIVE_INFINITY
  const ends = lines.map(({ points }, at) => ({ at, y: toY(points.at(-1)?.[1] ?? 1) })).sort((a, b) => a.y - b.y)
  for (const { at, y } of ends) {
    const { name, points } = lines[at] ?? { name: '', points: [] }
    const colour = COLOURS[at % COLOURS.length]
    const path = points.map(([x, y]) => `${toX(x).toFixed(1)},${toY(y).toFixed(1)}`).join(' ')
    labelY = Math.max(y + 4, labelY + 16)
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`)
    for (const [x, y] of points)
      parts.push(`<circle cx="${toX(x).toFixed(1)}" cy="${toY(y).toFixed(1)}" r="3" fill="${colour}"/>`)
    parts.push(`<text x="${WIDTH - RIGHT + 10}" y="${labelY.toFixed(1)}" fill="${colour}">${name}</text>`)
  }
  const style = 'font-family="ui-sans-serif, system-ui, sans-serif" font-size="12"'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ${style} role="img">\n<title>${title}</title>\n${parts.join('\n')}\n</svg>\n`
}

function gridLine(x1: number, y1: number, x2: number, y2: number): string {
  const ends = [x1, y1, x2, y2].map(at => at.toFixed(1))
  return `<line x1="${ends[0]}" y1="${ends[1]}" x2="${ends[2]}" y2="${ends[3]}" stroke="#888" stroke-opacity="0.3"/>`
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="#888" ${attributes}>${content}</text>`
}

/** Formats 10,000,000 as `10 M`. */
function formatAmount(value: number): string {
  if (value >= 1e9) return `${value / 1e9} G`
  if (value >= 1e6) return `${value / 1e6} M`
  if (value >= 1e3) return `${value / 1e3} k`
  return `${value}`
}
