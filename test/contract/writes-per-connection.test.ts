/** Connecting costs a server two writes: see docs/decisions/transport-shortcuts.md. */
import { Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { RawWebSocket } from '../support/attacks/raw-web-socket.ts'
import { type InProcessServer, startInProcess } from '../support/in-process-server.ts'
import { until } from '../support/programs/processes.ts'

let server: InProcessServer | undefined
afterEach(async () => {
  vi.restoreAllMocks()
  await server?.close()
})

test('a client that identifies while it connects costs two writes: its upgrade and session, then all answers', async () => {
  server = await startInProcess('server-1')
  const port = Number(server.lines.flatMap(line => /connections on port: (\d+)/.exec(line)?.[1] ?? [])[0])
  const writes: Socket[] = []
  for (const method of ['_write', '_writev'] as const) {
    const original = Socket.prototype[method] as (...args: unknown[]) => void
    vi.spyOn(Socket.prototype, method).mockImplementation(function (this: Socket, ...args: unknown[]) {
      if (this.localPort === port) writes.push(this)
      original.apply(this, args)
    })
  }
  const client = await RawWebSocket.open(port)
  client.send(`40${JSON.stringify({ identify: { user: 'Anna', client: 'x/1', protocol: 2 } })}`)
  await until('the client is identified', () => client.received.includes('42["identified"'))
  expect(writes).toHaveLength(2)
  client.close()
})
