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

/** What is written, by one call or by several in one: a chunk or a list of them. */
function textOf(written: unknown): string {
  const chunks = Array.isArray(written) ? (written as { chunk: unknown }[]).map(({ chunk }) => chunk) : [written]
  return chunks.map(chunk => `${chunk}`).join('')
}

test('a client that identifies while it connects costs two writes: its upgrade and session, then all answers', async () => {
  server = await startInProcess('server-1')
  const port = Number(server.lines.flatMap(line => /connections on port: (\d+)/.exec(line)?.[1] ?? [])[0])
  const writes: string[] = []
  for (const method of ['_write', '_writev'] as const) {
    const original = Socket.prototype[method] as (...args: unknown[]) => void
    vi.spyOn(Socket.prototype, method).mockImplementation(function (this: Socket, ...args: unknown[]) {
      if (this.localPort === port) writes.push(textOf(args[0]))
      original.apply(this, args)
    })
  }
  const client = await RawWebSocket.open(port)
  client.send(`40${JSON.stringify({ identify: { user: 'Anna', client: 'x/1', protocol: 2 } })}`)
  await until('the client is identified', () => client.received.includes('42["identified"'))
  // The new roster follows a moment later, when the answers have been written.
  const answered = writes.findIndex(text => text.includes('"identified"'))
  expect(answered).toBe(1)
  expect(writes.slice(2).every(text => text.includes('"roster"'))).toBe(true)
  client.close()
})
