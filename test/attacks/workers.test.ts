/** Hostile requests to a port that workers share: what one passes on to another is no door around the front. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'

afterAll(stopAll)

let port = 0
/** Where the workers meet. */
let folder = ''
let program: Program
beforeAll(async () => {
  const home = temporaryFolder()
  const file = join(home, 'config.json')
  folder = join(home, 'tmp')
  mkdirSync(folder)
  ;[port = 0] = await freePorts(1)
  writeFileSync(file, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port }] }))
  const args = ['--id', 'server-1', '--config', file, '--log-format', 'text', '--workers', '2']
  program = new Program('daemon', args, { TMPDIR: folder })
  await until('the workers meet', () => program.count('Outbound connection to peer: server-1/') === 2)
})

/** What is answered to these bytes, up to the end of the first answer's headers and some more. */
function answerTo(bytes: string, target: number | string = port): Promise<string> {
  return new Promise(resolve => {
    let heard = ''
    const done = () => {
      socket.destroy()
      resolve(heard)
    }
    const socket = typeof target === 'number' ? connect(target, '127.0.0.1') : connect(target)
    socket.write(bytes)
    socket.on('data', chunk => {
      heard += chunk
      if (/\r\n\r\n.*\S/s.test(heard)) done()
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
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers.map(one => `${one}\r\n`).join('')}\r\n`

test('at the door between workers nothing begins: a client is counted by its address, which only the front sees', async () => {
  const sockets = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.sock'))
  expect(sockets).toHaveLength(2)
  for (const socket of sockets) {
    const door = join(folder, socket)
    for (const path of [`/socket.io/?${QUERY}`, `/socket.io/&sid=1./?${QUERY}`, `/socket.io/?${QUERY}&sid=1.x&sid=`]) {
      expect(await answerTo(request(path), door)).toMatch(/^HTTP\/1.1 400 /)
      expect(await answerTo(request(path.replace('polling', 'websocket'), ...UPGRADE), door)).toBe('')
    }
    for (const sid of ['constructor', '__proto__']) {
      expect(await answerTo(request(`/socket.io/?${QUERY}&sid=${sid}`), door)).toMatch(/^HTTP\/1.1 400 /)
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
])('a request with %s for the session of another worker ends no worker', async (...headers) => {
  // One of the two has to pass it on.
  for (const worker of [1, 2, 1, 2]) {
    const answer = await answerTo(`${request(`/socket.io/?${QUERY}&sid=${worker}.x`, ...headers)}0\r\n\r\n`)
    expect(answer).toMatch(/^(HTTP\/1.1 (400|100) |$)/)
  }
  expect(await answerTo(request(`/socket.io/?${QUERY}`))).toContain('"sid":')
  expect(program.out).not.toMatch(/Worker \d ended/)
})
