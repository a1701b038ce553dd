#!/usr/bin/env node
/**
 * Draws the picture of the README: starts the lab in tmux, lets Anna and Billy chat, and writes the terminal as
 * docs/screens/lab.svg. With Chromium installed, also writes lab.png.
 *
 * Usage, after a build: node docs/screens/capture.mjs
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CELL, drawScreen, drawText, line, THEMES, writePng, writeSvg } from './svg.mjs'

const SOCKET = `mesh-chat-capture-${process.pid}`
const COLUMNS = 142
const ROWS = 34
const PANES = ['Anna on server-1', 'Anna on server-2', 'Billy on server-3', 'Logs of the servers']

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
  await say(2, 'Hi Anna, is the release out?')
  await say(0, 'Yes, since ten minutes ago')
  await say(1, 'Now from my laptop: same thread')
  await say(2, '✓2: both your terminals have it')
  // The confirmations and the logs follow the messages.
  await new Promise(resolve => setTimeout(resolve, 1_000))
  const title = 'mesh-chat: two terminals of Anna and one of Billy, each on another server, show the same thread'
  const size = writeSvg('docs/screens/lab.svg', { columns: COLUMNS, rows: ROWS, title }, drawPanes())
  writePng('docs/screens/lab.svg', 'docs/screens/lab.png', size)
} finally {
  execFileSync('tmux', ['-L', SOCKET, 'kill-server'])
  rmSync(folder, { recursive: true, force: true })
}

/** Types a message in a pane, and waits until all clients show it. */
async function say(pane, text) {
  tmux('send-keys', '-t', `lab:0.${pane}`, text, 'Enter')
  // Successive messages of one sender have the name once.
  for (const other of [0, 1, 2]) await waitFor(other, new RegExp(`^(?!›).* ${text.slice(0, 12)}`, 'm'))
}

/** Waits until the screen of a pane matches. */
async function waitFor(pane, pattern) {
  const deadline = Date.now() + 20_000
  while (!pattern.test(tmux('capture-pane', '-p', '-t', `lab:0.${pane}`))) {
    if (Date.now() > deadline) throw new Error(`pane ${pane} does not show ${pattern}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

function drawPanes() {
  const parts = []
  const panes = tmux('list-panes', '-t', 'lab', '-F', '#{pane_index} #{pane_left} #{pane_top} #{pane_width}')
  for (const pane of panes.trim().split('\n')) {
    const [index, left, top, columns] = pane.split(' ').map(Number)
    parts.push(...titleBar(PANES[index], left, top - 1, columns))
    const lines = tmux('capture-pane', '-e', '-p', '-t', `lab:0.${index}`).trimEnd().split('\n')
    const x = (left - 0.5) * CELL.width
    if (left > 0) parts.push(line(x, top * CELL.height, x, (top + lines.length) * CELL.height))
    parts.push(...drawScreen(lines, left, top))
  }
  return parts
}

function titleBar(title, left, row, columns) {
  const y = (row + 0.5) * CELL.height
  const from = left * CELL.width
  const textFrom = from + 2 * CELL.width
  const textEnd = textFrom + (title.length + 1) * CELL.width
  return [
    line(from, y, textFrom - CELL.width, y),
    drawText(title, left + 2, row, { color: THEMES.dark.palette[3], bold: true }),
    line(textEnd, y, from + columns * CELL.width, y),
  ]
}

function freePort() {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
