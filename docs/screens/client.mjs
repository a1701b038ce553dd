#!/usr/bin/env node
/**
 * Draws the pictures of docs/CLIENT.md: starts a server, Anna's client in tmux and her colleagues' clients, and writes the screen
 * as docs/screens/client-dark.svg and client-light.svg.
 *
 * With a folder, writes all screens to it instead, as SVG and PNG: a room, a thread, the finder and the help, in three sizes,
 * light and dark.
 *
 * Usage, after a build: node docs/screens/client.mjs [FOLDER]
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drawScreen, THEMES, writePng, writeSvg } from './svg.mjs'

const SOCKET = `mesh-chat-screens-${process.pid}`
const SIZES = [
  [80, 24],
  [100, 30],
  [200, 50],
]
const [, , outputFolder] = process.argv

const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-'))
const environment = user => ({
  ...process.env,
  XDG_STATE_HOME: join(folder, user),
  XDG_CONFIG_HOME: join(folder, user),
  TMUX: '',
})
const tmux = (...args) =>
  execFileSync('tmux', ['-L', SOCKET, '-f', '/dev/null', ...args], { encoding: 'utf8', env: environment('Anna') })
const children = []

const port = await freePort()
const config = join(folder, 'config.json')
writeFileSync(config, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port }] }))
try {
  start('server', ['dist/daemon/main.js', '--id', 'server-1', '--config', config])
  await serverAnswers()
  const program = `${process.execPath} dist/cli/main.js --user Anna --port ${port} --to Billy`
  tmux('new-session', '-d', '-s', 'anna', '-x', '100', '-y', '30', `env -u CI -u NO_COLOR ${program}; sleep 600`)
  await waitFor(/server-1/)
  const billy = connect('Billy')
  const carla = connect('Carla')
  for (const user of ['Dora', 'Emil', 'Farid']) connect(user)
  await waitFor(/6 online/)
  for (const client of [billy, carla]) client({ type: 'join', room: '#release' })
  type('/join release')
  await waitFor(/3 members/)
  await say(billy, '#release', 'Morning! The *release candidate* is out, please test it', /test it/)
  await say(billy, '#release', 'install it with `npm install -g mesh-chat@next`', /@next/)
  type('on it')
  await waitFor(/Anna +on it/)
  await say(
    carla,
    '#release',
    'how do I roll back?\n```sh\nfor host in a b; do\n    ssh $host mesh-chat --version\ndone\n```',
    /roll back/,
  )
  await say(carla, '#release', '_never mind_, found it in docs/OPERATING.md', /never mind/)
  await say(billy, '#release', '@Anna can you write the announcement?', /announcement/)
  await say(billy, 'Anna', 'Hi Anna, lunch at 12?', /Billy +1/)
  await say(carla, 'Anna', 'the Farsi texts look right now: می‌خواهم', /Carla +1/)
  type('yes, with *pictures*')
  await waitFor(/✓.*with pictures/)

  if (outputFolder === undefined) {
    for (const name of Object.keys(THEMES)) write(`docs/screens/client-${name}.svg`, 100, 30, name)
  } else {
    mkdirSync(outputFolder, { recursive: true })
    await writeAll('room', () => {}, /#release/)
    await writeAll('help', () => press('?'), /closes the help/)
    press('C-g')
    await writeAll('finder', () => press('C-o'), /Enter select/)
    press('C-g')
    type('/query Billy')
    await writeAll('thread', () => {}, /lunch/)
  }
} finally {
  for (const child of children) child.kill('SIGKILL')
  execFileSync('tmux', ['-L', SOCKET, 'kill-server'])
  rmSync(folder, { recursive: true, force: true })
}

/** Writes a screen in each size and theme. */
async function writeAll(name, open, pattern) {
  open()
  for (const [columns, rows] of SIZES) {
    tmux('resize-window', '-t', 'anna', '-x', `${columns}`, '-y', `${rows}`)
    await waitFor(pattern, rows)
    for (const theme of Object.keys(THEMES)) {
      const file = join(outputFolder, `${name}-${columns}x${rows}-${theme}`)
      writePng(`${file}.svg`, `${file}.png`, write(`${file}.svg`, columns, rows, theme))
    }
  }
}

function write(file, columns, rows, name) {
  const theme = THEMES[name]
  const lines = tmux('capture-pane', '-e', '-N', '-p', '-t', 'anna')
    .split('\n')
    .slice(0, rows - 1)
  const title = `mesh-chat: the terminal client, ${columns} columns and ${rows} rows, ${name}`
  return writeSvg(file, { columns, rows: rows - 1, title, theme }, drawScreen(lines, 0, 0, theme))
}

function start(user, args) {
  const child = spawn(process.execPath, args, { env: environment(user), stdio: ['pipe', 'ignore', 'inherit'] })
  children.push(child)
  return child
}

/** Starts a client in JSON mode. Returns what sends it a request. */
function connect(user) {
  const child = start(user, ['dist/cli/main.js', '--json', '--user', user, '--server', `http://127.0.0.1:${port}`])
  return request => child.stdin.write(`${JSON.stringify(request)}\n`)
}

/** Sends a message to a user or room, and waits until the screen matches. */
async function say(client, to, text, shown) {
  client({ to, text })
  await waitFor(shown)
}

function type(text) {
  tmux('send-keys', '-t', 'anna', '-l', text)
  press('Enter')
}

function press(key) {
  tmux('send-keys', '-t', 'anna', key)
}

/** Waits until the screen matches, and its input line is on the row before the last one. */
async function waitFor(pattern, rows) {
  const deadline = Date.now() + 20_000
  for (;;) {
    const screen = tmux('capture-pane', '-p', '-t', 'anna')
    const isPlaced = rows === undefined || screen.split('\n')[rows - 2]?.startsWith('›')
    if (isPlaced && pattern.test(screen)) return
    if (Date.now() > deadline) throw new Error(`the screen does not show ${pattern}:\n${screen}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** Waits until the server accepts connections. */
async function serverAnswers() {
  for (let n = 0; n < 300; n++) {
    const accepted = await new Promise(resolve => {
      const socket = createConnection(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.end())
    })
    if (accepted) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error('the server does not answer')
}

function freePort() {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address()
      server.close(() => resolve(free))
    })
  })
}
