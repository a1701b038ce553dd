/** Hostile requests to a port that workers share: the sockets between workers do not bypass the checks of the port. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'

afterAll(stopAll)

let port = 0
/** Folder of the sockets between the workers. */
let folder = ''

let program: Program
let pidsAtStart: string[] = []
beforeAll(async () => {
  const home = temporaryFolder()
  const file = join(home, 'config.json')
  folder = join(home, 'tmp')
  mkdirSync(folder)
  ;[port = 0] = await freePorts(1)
  writeFileSync(file, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port }] }))
  const args = ['--id', 'server-1', '--config', file, '--log-format', 'text', '--workers', '2']
  program = new Program('daemon', args, { TMPDIR: folder })
  await until('the workers are linked', () => program.count('Outbound connection to peer: server-1/') === 2)
  pidsAtStart = workerPids()
  expect(pidsAtStart).toHaveLength(2)
})

/** The processes that the server has started: its workers. */
function workerPids(): string[] {
  const { pid } = program.child
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
}

/** Sends these bytes. Returns the answer up to the first bytes of its body, or all of it if the connection ends before. */
function answerTo(bytes: string, target: number | string = port): Promise<string> {
  return new Promise(resolve => {
    let received = ''
    const done = () => {
      socket.destroy()
      resolve(received)
    }
    const socket = typeof target === 'number' ? connect(target, '127.0.0.1') : connect(target)
    socket.write(bytes)
    socket.on('data', chunk => {
      received += chunk
      if (/\r\n\r\n.*\S/s.test(received)) done()
    })
    socket.on('error', done)
    socket.on('close', done)
  })
}

const QUERY = 'EIO=4&transport=polling'
const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
const request = (path: string, ...headers: string[]) =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${headers.map(one => `${one}\r\n`).join('')}\r\n`

test('the sockets between workers accept no new session: only the shared port sees the address that limits count', async () => {
  const sockets = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.sock'))
  expect(sockets).toHaveLength(2)
  for (const socket of sockets) {
    const path = join(folder, socket)
    for (const url of [`/socket.io/?${QUERY}`, `/socket.io/&sid=1./?${QUERY}`, `/socket.io/?${QUERY}&sid=1.x&sid=`]) {
      expect(await answerTo(request(url), path)).toMatch(/^HTTP\/1.1 400 /)
      expect(await answerTo(request(url.replace('polling', 'websocket'), ...UPGRADE), path)).toBe('')
    }
    for (const sid of ['constructor', '__proto__']) {
      expect(await answerTo(request(`/socket.io/?${QUERY}&sid=${sid}`), path)).toMatch(/^HTTP\/1.1 400 /)
    }
  }
})

test.each([
  ['Trailer: x'],
  ['Trailer: x', 'Expect: 100-continue'],
  ['Trailer: x', 'Transfer-Encoding: chunked'],
  ['TE: trailers', 'Connection: close, te'],
  ['Content-Length: 5'],
  UPGRADE,
  ['Upgrade: h2c', 'Connection: Upgrade'],
])('a request with %s for the session of another worker does not crash a worker', async (...headers) => {
  // Whichever worker accepts it, one of the two forwards it.
  for (const worker of [1, 2, 1, 2]) {
    const answer = await answerTo(`${request(`/socket.io/?${QUERY}&sid=${worker}.x`, ...headers)}0\r\n\r\n`)
    expect(answer).toMatch(/^(HTTP\/1.1 (400|100) |$)/)
  }
  expect(await answerTo(request(`/socket.io/?${QUERY}`))).toContain('"sid":')
  expect(workerPids()).toEqual(pidsAtStart)
})
