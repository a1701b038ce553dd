/** The client port of a worker, here without other workers: while it is paused, connections are refused. */
import { lookup } from 'node:dns/promises'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SharedPort } from '../../../daemon/transport/shared-port.ts'
import { until } from '../../support/programs/processes.ts'

let http: Server
let port: SharedPort
const never = () => false

beforeEach(async () => {
  http = createServer((_, response) => response.end('hello'))
  port = await SharedPort.open(http, { port: 0, host: 'localhost' }, () => {})
  // The same port is opened again after a pause.
  const { port: number } = port
  await port.close()
  port = await SharedPort.open(http, { port: number, host: 'localhost' }, () => {})
})

afterEach(async () => {
  http.closeAllConnections()
  await port.close()
})

function isAccepted(number: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(number, 'localhost')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

test('accepts connections for the HTTP server, not while it is paused, and again after that', async () => {
  const { port: number } = port
  expect(await (await fetch(`http://localhost:${number}/`)).text()).toBe('hello')
  port.setPaused(true, never)
  await until('it is paused', async () => !(await isAccepted(number)))
  port.setPaused(false, never)
  await until('it accepts', () => isAccepted(number))
})

test('during a pause it looks for connections that wait', async () => {
  const { port: number } = port
  port.setPaused(true, () => true)
  await until('it is paused', async () => !(await isAccepted(number)))
  await until('it takes one', () => isAccepted(number))
})

test('it does not look while it may not', async () => {
  const { port: number } = port
  let asked = 0
  port.setPaused(true, () => {
    asked++
    return false
  })
  await until('it is paused', async () => !(await isAccepted(number)))
  while (asked < 3) expect(await isAccepted(number)).toBe(false)
})

test('a port that is closed while it opens after a pause does not open', async () => {
  const { port: number } = port
  port.setPaused(true, never)
  await until('it is paused', async () => !(await isAccepted(number)))
  port.setPaused(false, never)
  await port.close()
  // Node looks the host up before it listens.
  for (let n = 0; n < 5; n++) await lookup('localhost')
  expect(await isAccepted(number)).toBe(false)
})
