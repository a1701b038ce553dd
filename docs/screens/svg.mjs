/** Draws terminal screens, as tmux captures them with styles, as SVG. */
import { spawnSync } from 'node:child_process'
import { statSync, writeFileSync } from 'node:fs'
import width from 'string-width'

export const CELL = { width: 8, height: 18 }
const BASELINE = 13
const PADDING = 12
const FONT =
  "ui-monospace, 'SF Mono', SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
/** Colors of terminals, with the colors 0 to 7 of the palette. */
export const THEMES = {
  dark: {
    background: '#1c1f26',
    foreground: '#c8ccd4',
    border: '#4b5263',
    palette: ['#1c1f26', '#e06c75', '#98c379', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', '#c8ccd4'],
  },
  light: {
    background: '#fafafa',
    foreground: '#383a42',
    border: '#a0a1a7',
    palette: ['#383a42', '#e45649', '#50a14f', '#986801', '#4078f2', '#a626a4', '#0184bc', '#fafafa'],
  },
}
/** Box drawing characters: the lines from the center of the cell, as left, right, up, down. */
const BOXES = {
  '─': 'lr',
  '│': 'ud',
  '┌': 'rd',
  '┐': 'ld',
  '└': 'ru',
  '┘': 'lu',
  '├': 'rud',
  '┤': 'lud',
  '┬': 'lrd',
  '┴': 'lru',
  '┼': 'lrud',
}

/** Writes a screen of `columns` and `rows` cells with these parts. */
export function writeSvg(file, { columns, rows, title, theme = THEMES.dark }, parts) {
  const size = { width: columns * CELL.width + 2 * PADDING, height: rows * CELL.height + 2 * PADDING }
  const box = `${-PADDING} ${-PADDING} ${size.width} ${size.height}`
  const root = `xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" viewBox="${box}"`
  const background = `<rect x="${-PADDING}" y="${-PADDING}" width="${size.width}" height="${size.height}" rx="8" fill="${theme.background}"/>`
  writeFileSync(
    file,
    `${[
      `<svg ${root} role="img" font-family="${FONT}" font-size="13">`,
      `<title>${title}</title>`,
      background,
      ...parts,
      '</svg>',
    ].join('\n')}\n`,
  )
  console.log(`${file}: ${statSync(file).size} bytes`)
  return size
}

/** Renders an SVG in headless Chromium, to check it and for viewers without SVG. */
export function writePng(svg, png, size) {
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--hide-scrollbars',
    '--default-background-color=00000000',
  ]
  const { error } = spawnSync('chromium', [
    ...flags,
    `--window-size=${size.width},${size.height}`,
    `--screenshot=${png}`,
    svg,
  ])
  console.log(error === undefined ? `${png}: ${statSync(png).size} bytes` : `${png}: not written: ${error.message}`)
}

/** Draws the lines of a screen, with their styles, at a cell. */
export function drawScreen(lines, left, top, theme = THEMES.dark) {
  const pen = { style: {} }
  return lines.flatMap((text, row) =>
    [...runs(text, theme, pen)].flatMap(run => [...drawRun(run, left + run.column, top + row, theme)]),
  )
}

/** The parts of a line with one style, from tmux's SGR sequences. A style can last until a later line. */
function* runs(line, theme, pen) {
  let column = 0
  for (const [, codes, text] of line.matchAll(/(?:\u001b\[([0-9;]*)m)|([^\u001b]+)/g)) {
    if (text === undefined)
      for (const code of (codes || '0').split(';').map(Number)) pen.style = applySgr(pen.style, code, theme)
    else {
      yield { text, column, style: pen.style }
      column += width(text)
    }
  }
}

function applySgr(style, code, theme) {
  if (code === 0) return {}
  if (code === 1) return { ...style, bold: true }
  if (code === 2) return { ...style, dim: true }
  if (code === 3) return { ...style, italic: true }
  if (code === 23) return { ...style, italic: false }
  if (code === 7) return { ...style, inverse: true }
  if (code === 22) return { ...style, bold: false, dim: false }
  if (code === 27) return { ...style, inverse: false }
  if (code === 39) return { ...style, color: undefined }
  if (code >= 30 && code <= 37) return { ...style, color: theme.palette[code - 30] }
  return style
}

/**
 * Draws each word, or words with single spaces between them, as an own text at its column. A text with spaces at its
 * ends or several inside would be collapsed by some viewers, which then stretch the rest.
 */
function* drawRun({ text, style }, column, row, theme) {
  if (style.inverse) {
    const [x, y] = [column * CELL.width, row * CELL.height]
    yield `<rect x="${x}" y="${y}" width="${width(text) * CELL.width}" height="${CELL.height}" fill="${style.color ?? theme.foreground}"/>`
  }
  for (const { 0: part, index } of text.matchAll(/─+|[│┌┐└┘├┤┬┴┼]|[^\s─│┌┐└┘├┤┬┴┼]+(?: [^\s─│┌┐└┘├┤┬┴┼]+)*/g)) {
    const at = column + width(text.slice(0, index))
    if (part[0] in BOXES) yield* drawBox(part, at, row, { color: theme.border, ...style })
    else yield drawText(part, at, row, style, theme)
  }
}

export function drawText(text, column, row, style, theme = THEMES.dark) {
  const x = column * CELL.width
  const y = row * CELL.height + BASELINE
  const fill = style.inverse ? theme.background : (style.color ?? theme.foreground)
  const weight = style.bold ? ' font-weight="bold"' : ''
  const italic = style.italic ? ' font-style="italic"' : ''
  const opacity = style.dim ? ' opacity="0.6"' : ''
  const length = `textLength="${width(text) * CELL.width}" lengthAdjust="spacingAndGlyphs"`
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `<text x="${x}" y="${y}" ${length} fill="${fill}"${weight}${italic}${opacity}>${escaped}</text>`
}

/** Draws box characters as lines, so that those of adjacent cells connect. */
function* drawBox(text, column, row, style) {
  const top = row * CELL.height
  const middle = top + CELL.height / 2
  if (text[0] === '─')
    return yield line(column * CELL.width, middle, (column + text.length) * CELL.width, middle, style)
  const left = column * CELL.width
  const center = left + CELL.width / 2
  const arms = BOXES[text]
  if (arms.includes('l')) yield line(left, middle, center, middle, style)
  if (arms.includes('r')) yield line(center, middle, left + CELL.width, middle, style)
  if (arms.includes('u')) yield line(center, top, center, middle, style)
  if (arms.includes('d')) yield line(center, middle, center, top + CELL.height, style)
}

export function line(x1, y1, x2, y2, { color = THEMES.dark.border } = {}) {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}"/>`
}
