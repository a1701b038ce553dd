#!/usr/bin/env node
/**
 * Draws the picture of the README: starts the lab in tmux, lets Anna and Billy chat, and writes the terminal as
 * docs/screens/lab.svg. With Chromium installed, also writes lab.png.
 *
 * Usage, after a build: node docs/screens/capture.mjs
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import width from 'string-width'

const SOCKET = `mesh-chat-capture-${process.pid}`
const COLUMNS = 142
const ROWS = 34
const CELL = { width: 8, height: 18 }
const BASELINE = 13
const PADDING = 12
const FONT =
  "ui-monospace, 'SF Mono', SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
const BACKGROUND = '#1c1f26'
const FOREGROUND = '#c8ccd4'
const BORDER = '#4b5263'
/** The colors 0 to 7 of the terminal. */
const PALETTE = ['#1c1f26', '#e06c75', '#98c379', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', '#c8ccd4']
const PANES = ['Anna on server-1', 'Anna on server-2', 'Billy on server-3', 'Logs of the servers']
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

const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-'))
const env = { ...process.env, XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder, TMUX: '' }
const tmux = (...args) => execFileSync('tmux', ['-L', SOCKET, ...args], { encoding: 'utf8', env })

const ports = await Promise.all([1, 2, 3].map(freePort))
const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
const config = join(folder, 'config.json')
writeFileSync(config, JSON.stringify({ servers }))
try {
  // The first session starts the tmux server with default settings.
  tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'init', '-x', `${COLUMNS}`, '-y', `${ROWS}`, 'sleep 600')
  execFileSync('node', ['dist/cli/main.js', 'lab', '--detach', '--socket', SOCKET, '--config', config], { env })
  tmux('resize-window', '-t', 'lab', '-x', `${COLUMNS}`, '-y', `${ROWS}`)
  tmux('set-option', '-w', '-t', 'lab', 'pane-border-status', 'top')
  tmux('select-layout', '-t', 'lab', 'tiled')
  for (const pane of [0, 1, 2]) await waitFor(pane, / 2 online/)
  await say(2, 'Billy', 'Hi Anna, is the release out?')
  await say(0, 'Anna', 'Yes, since ten minutes ago')
  await say(1, 'Anna', 'Now from my laptop: same thread')
  await say(2, 'Billy', '✓2: both your terminals have it')
  // The confirmations and the logs follow the messages.
  await new Promise(resolve => setTimeout(resolve, 1_000))
  writeSvg('docs/screens/lab.svg')
  writePng('docs/screens/lab.svg', 'docs/screens/lab.png')
} finally {
  execFileSync('tmux', ['-L', SOCKET, 'kill-server'])
  rmSync(folder, { recursive: true, force: true })
}

/** Types a message in a pane, and waits until all clients show it. */
async function say(pane, user, text) {
  tmux('send-keys', '-t', `lab:0.${pane}`, text, 'Enter')
  for (const other of [0, 1, 2]) await waitFor(other, new RegExp(`${user} +${text.slice(0, 12)}`))
}

/** Waits until the screen of a pane matches. */
async function waitFor(pane, pattern) {
  const deadline = Date.now() + 20_000
  while (!pattern.test(tmux('capture-pane', '-p', '-t', `lab:0.${pane}`))) {
    if (Date.now() > deadline) throw new Error(`pane ${pane} does not show ${pattern}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

function writeSvg(file) {
  const parts = []
  const panes = tmux('list-panes', '-t', 'lab', '-F', '#{pane_index} #{pane_left} #{pane_top} #{pane_width}')
  for (const pane of panes.trim().split('\n')) {
    const [index, left, top, columns] = pane.split(' ').map(Number)
    parts.push(...titleBar(PANES[index], left, top - 1, columns))
    const lines = tmux('capture-pane', '-e', '-p', '-t', `lab:0.${index}`).trimEnd().split('\n')
    if (left > 0)
      parts.push(
        line(
          (left - 0.5) * CELL.width,
          top * CELL.height,
          (left - 0.5) * CELL.width,
          (top + lines.length) * CELL.height,
        ),
      )
    for (const [row, text] of lines.entries()) {
      for (const run of runs(text)) parts.push(...drawRun(run, left + run.column, top + row))
    }
  }
  const size = { width: COLUMNS * CELL.width + 2 * PADDING, height: ROWS * CELL.height + 2 * PADDING }
  const box = `${-PADDING} ${-PADDING} ${size.width} ${size.height}`
  const root = `xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" viewBox="${box}"`
  const background = `<rect x="${-PADDING}" y="${-PADDING}" width="${size.width}" height="${size.height}" rx="8" fill="${BACKGROUND}"/>`
  writeFileSync(
    file,
    `${[
      `<svg ${root} role="img" font-family="${FONT}" font-size="13">`,
      '<title>mesh-chat: two terminals of Anna and one of Billy, each on another server, show the same thread</title>',
      background,
      ...parts,
      '</svg>',
    ].join('\n')}\n`,
  )
  console.log(`${file}: ${statSync(file).size} bytes`)
}

/** Renders the SVG in headless Chromium, to check it and for viewers without SVG. */
function writePng(svg, png) {
  const size = `${COLUMNS * CELL.width + 2 * PADDING},${ROWS * CELL.height + 2 * PADDING}`
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--hide-scrollbars',
    '--default-background-color=00000000',
  ]
  const { error } = spawnSync('chromium', [...flags, `--window-size=${size}`, `--screenshot=${png}`, svg])
  console.log(error === undefined ? `${png}: ${statSync(png).size} bytes` : `${png}: not written: ${error.message}`)
}

function titleBar(title, left, row, columns) {
  const y = (row + 0.5) * CELL.height
  const from = left * CELL.width
  const textFrom = from + 2 * CELL.width
  const textEnd = textFrom + (title.length + 1) * CELL.width
  return [
    line(from, y, textFrom - CELL.width, y),
    drawText(title, left + 2, row, { color: PALETTE[3], bold: true }),
    line(textEnd, y, from + columns * CELL.width, y),
  ]
}

/** The parts of a line with one style, from tmux's SGR sequences. */
function* runs(line) {
  let style = {}
  let column = 0
  for (const [, codes, text] of line.matchAll(/(?:\u001b\[([0-9;]*)m)|([^\u001b]+)/g)) {
    if (text === undefined) for (const code of (codes || '0').split(';').map(Number)) style = applySgr(style, code)
    else {
      yield { text, column, style }
      column += width(text)
    }
  }
}

function applySgr(style, code) {
  if (code === 0) return {}
  if (code === 1) return { ...style, bold: true }
  if (code === 2) return { ...style, dim: true }
  if (code === 7) return { ...style, inverse: true }
  if (code === 22) return { ...style, bold: false, dim: false }
  if (code === 27) return { ...style, inverse: false }
  if (code === 39) return { ...style, color: undefined }
  if (code >= 30 && code <= 37) return { ...style, color: PALETTE[code - 30] }
  return style
}

/**
 * Draws each word, or words with single spaces between them, as an own text at its column. A text with spaces at its
 * ends or several inside would be collapsed by some viewers, which then stretch the rest.
 */
function* drawRun({ text, style }, column, row) {
  if (style.inverse) {
    const [x, y] = [column * CELL.width, row * CELL.height]
    yield `<rect x="${x}" y="${y}" width="${width(text) * CELL.width}" height="${CELL.height}" fill="${FOREGROUND}"/>`
  }
  for (const { 0: part, index } of text.matchAll(/─+|[│┌┐└┘├┤┬┴┼]|[^\s─│┌┐└┘├┤┬┴┼]+(?: [^\s─│┌┐└┘├┤┬┴┼]+)*/g)) {
    const at = column + width(text.slice(0, index))
    if (part[0] in BOXES) yield* drawBox(part, at, row, style)
    else yield drawText(part, at, row, style)
  }
}

function drawText(text, column, row, style) {
  const x = column * CELL.width
  const y = row * CELL.height + BASELINE
  const fill = style.inverse ? BACKGROUND : (style.color ?? FOREGROUND)
  const weight = style.bold ? ' font-weight="bold"' : ''
  const opacity = style.dim ? ' opacity="0.6"' : ''
  const length = `textLength="${width(text) * CELL.width}" lengthAdjust="spacingAndGlyphs"`
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `<text x="${x}" y="${y}" ${length} fill="${fill}"${weight}${opacity}>${escaped}</text>`
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

function line(x1, y1, x2, y2, { color = BORDER } = {}) {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}"/>`
}

function freePort() {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
