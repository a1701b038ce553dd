/** Why connections fail, in words: the errors are those of real sockets. */
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { dialOnce } from '../../../src/programs/checked-socket.ts'
import { connectErrorText, disconnectText } from '../../../src/programs/connection-error.ts'

const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise(resolve => server.close(resolve))
})

async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  return (server.address() as AddressInfo).port
}

/** The words for the failure to connect to a server. */
function failure(url: string): Promise<string> {
  return new Promise(resolve => {
    const socket = dialOnce(url)
    socket.on('connect_error', error => {
      socket.disconnect()
      resolve(connectErrorText(error))
    })
  })
}

test('nothing listens on the port', async () => {
  const server = createServer()
  const port = await listen(server)
  servers.splice(0)
  await new Promise(resolve => server.close(resolve))
  expect(await failure(`http://127.0.0.1:${port}`)).toBe('connection refused')
})

test('a program that closes the connection, such as a server with TLS', async () => {
  const port = await listen(createServer(socket => socket.resume().end()))
  expect(await failure(`http://127.0.0.1:${port}`)).toBe(
    'it closed the connection; with TLS, the address starts with https://',
  )
})

test('a web server', async () => {
  const port = await listen(createHttpServer((_, response) => response.writeHead(404).end()))
  expect(await failure(`http://127.0.0.1:${port}`)).toBe('it is not a mesh-chat server (HTTP status 404)')
})

test('a server without TLS at an https address', async () => {
  const port = await listen(createServer(socket => socket.resume().end('hello, this is no TLS\n')))
  expect(await failure(`https://127.0.0.1:${port}`)).toBe('it does not speak TLS; try http://')
})

test('words of the server, and of unknown errors, stay', () => {
  expect(connectErrorText(new Error('too many connections'))).toBe('too many connections')
  expect(connectErrorText(new Error('timeout'))).toBe('no answer')
  expect(connectErrorText(new Error('websocket error'))).toBe('it cannot be reached')
})

test.each([
  ['transport close', 'the connection was lost'],
  ['ping timeout', 'the server does not answer any more'],
  ['io server disconnect', 'the server closed the connection'],
  ['anything else', 'anything else'],
])('the end of a connection: %s', (reason, text) => {
  expect(disconnectText(reason)).toBe(text)
})
