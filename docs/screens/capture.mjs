#!/usr/bin/env node
/**
 * Makes the pictures of the README: runs the lab in tmux, lets Anna and Billy chat, and draws what stands on the
 * terminal as SVG. Run by hand, after a build: node docs/screens/capture.mjs
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SOCKET = `mesh-chat-capture-${process.pid}`
const COLUMNS = 150
const ROWS = 36
const CELL = { width: 8.4, height: 17 }
const COLORS = ['#1c1f26', '#e06c75', '#98c379', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', '#c8ccd4']
const INK = '#c8ccd4'

const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-'))
const env = { ...process.env, XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder, TMUX: '' }
const tmux = (...args) => execFileSync('tmux', ['-L', SOCKET, ...args], { encoding: 'utf8', env })

const ports = await Promise.all([1, 2, 3].map(freePort))
const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
const config = join(folder, 'config.json')
writeFileSync(config, JSON.stringify({ servers }))
try {
  tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'room', '-x', `${COLUMNS}`, '-y', `${ROWS}`, 'sleep 600')
  execFileSync('node', ['dist/cli/main.js', 'lab', '--detach', '--socket', SOCKET, '--config', config], { env })
  tmux('resize-window', '-t', 'lab', '-x', `${COLUMNS}`, '-y', `${ROWS}`)
  for (const pane of [0, 1, 2]) await shows(pane, / 2 online/)
  await say(2, 'Billy', 'Hi Anna, where are you connected?')
  await say(0, 'Anna', 'on server-1 here, and on server-2 next door')
  await say(1, 'Anna', 'and here is the other one: both show the same')
  await say(2, 'Billy', '×2, as the roster says. One message, two confirmations: ✓2')
  await new Promise(resolve => setTimeout(resolve, 1_000))
  draw('lab', 'docs/screens/lab.svg')
} finally {
  execFileSync('tmux', ['-L', SOCKET, 'kill-server'])
  rmSync(folder, { recursive: true, force: true })
}

async function say(pane, user, text) {
  tmux('send-keys', '-t', `lab:0.${pane}`, text, 'Enter')
  for (const other of [0, 1, 2]) await shows(other, new RegExp(`${user} +${text.slice(0, 12)}`))
}

/** Waits until a pane shows something. */
async function shows(pane, pattern) {
  const deadline = Date.now() + 20_000
  while (!pattern.test(tmux('capture-pane', '-p', '-t', `lab:0.${pane}`))) {
    if (Date.now() > deadline) throw new Error(`pane ${pane} never showed ${pattern}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** Draws all panes of a window, with the borders between them. */
function draw(window, file) {
  const parts = [`<rect width="100%" height="100%" rx="6" fill="${COLORS[0]}"/>`]
  const panes = tmux(
    'list-panes',
    '-t',
    window,
    '-F',
    '#{pane_index} #{pane_left} #{pane_top} #{pane_width} #{pane_height}',
  )
  for (const line of panes.trim().split('\n')) {
    const [index, left, top, width, height] = line.split(' ').map(Number)
    tmux('capture-pane', '-e', '-p', '-t', `${window}:0.${index}`)
      .split('\n')
      .forEach((text, row) => {
        for (const run of runs(text)) parts.push(cell(run, left + run.column, top + row))
      })
    if (left > 0) parts.push(border(left - 0.5, top, left - 0.5, top + height))
    if (top > 0) parts.push(border(left, top - 0.5, left + width, top - 0.5))
  }
  const size = `${Math.ceil(COLUMNS * CELL.width) + 16} ${Math.ceil(ROWS * CELL.height) + 16}`
  const font = 'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14"'
  writeFileSync(
    file,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 ${size}" ${font} xml:space="preserve">\n<title>mesh-chat: two clients of Anna, one of Billy, and the log of their servers</title>\n${parts.join('\n')}\n</svg>\n`,
  )
  console.log(`${file}: ${readFileSync(file).length} bytes`)
}

/** Parts of a line in one style, by tmux's SGR sequences. */
function* runs(line) {
  let style = {}
  let column = 0
  for (const [, codes, text] of line.matchAll(/(?:\u001b\[([0-9;]*)m)|([^\u001b]+)/g)) {
    if (text === undefined) for (const code of (codes || '0').split(';').map(Number)) style = styled(style, code)
    else {
      if (text.trim() !== '' || style.inverse) yield { text, column, style }
      column += [...text].length
    }
  }
}

function styled(style, code) {
  if (code === 0) return {}
  if (code === 1) return { ...style, bold: true }
  if (code === 2) return { ...style, dim: true }
  if (code === 7) return { ...style, inverse: true }
  if (code === 22) return { ...style, bold: false, dim: false }
  if (code === 27) return { ...style, inverse: false }
  if (code === 39) return { ...style, color: undefined }
  if (code >= 30 && code <= 37) return { ...style, color: COLORS[code - 30] }
  return style
}

function cell({ text, style }, column, row) {
  const x = column * CELL.width
  const y = row * CELL.height
  const width = [...text].length * CELL.width
  const fill = style.inverse ? COLORS[0] : (style.color ?? INK)
  const weight = style.bold ? ' font-weight="bold"' : ''
  const opacity = style.dim ? ' opacity="0.55"' : ''
  const back = style.inverse ? `<rect x="${x}" y="${y}" width="${width}" height="${CELL.height}" fill="${INK}"/>` : ''
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `${back}<text x="${x}" y="${y + 13}" textLength="${width.toFixed(1)}" fill="${fill}"${weight}${opacity}>${escaped}</text>`
}

function border(x1, y1, x2, y2) {
  const [a, b, c, d] = [x1 * CELL.width, y1 * CELL.height, x2 * CELL.width, y2 * CELL.height].map(n => n.toFixed(1))
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="#4b5263"/>`
}

function freePort() {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
