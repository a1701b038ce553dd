/** Malformed payloads of clients and peers are dropped, counted and logged with a limited rate; other users notice nothing. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, expect, test } from 'vitest'
import { FakePeer } from '../support/attacks/fake-peer.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { RealClient } from '../support/programs/real-client.ts'

afterAll(stopAll)

test('malformed payloads are dropped and answered, and logged at a limited rate', async () => {
  const [port = 0, far = 0] = await freePorts(2)
  const servers = [
    { id: 'server-1', ip: '127.0.0.1', port },
    { id: 'far', ip: '127.0.0.1', port: far },
  ]
  const config = join(temporaryFolder(), 'config.json')
  writeFileSync(config, JSON.stringify({ servers }))
  const program = new Program('daemon', ['--id', 'server-1', '--config', config, '--log-format', 'text'])
  await until('it listens', () => program.out.includes('Listening'))
  const peer = new FakePeer('far')
  const url = `http://127.0.0.1:${port}`
  await peer.start(far, url)
  await until('both links are up', () => peer.isLinked)
  const anna = new RealClient('Anna', [url])
  const hostile = io(url, { transports: ['websocket'], reconnection: false, forceNew: true })
  try {
    const refused: unknown[] = []
    const since = performance.now()
    hostile.on('refused', payload => refused.push(payload))
    await until('the hostile client is connected', () => hostile.connected)
    for (let n = 0; n < 50; n++) hostile.emit('im', { to: 5, text: [] })
    for (let n = 0; n < 50; n++) hostile.emit('identify', { user: 'x', protocol: 7 })
    await until('each is answered', () => refused.length === 100)
    expect(refused[0]).toMatchObject({ ok: false, code: 'bad-payload', event: 'im' })

    for (let n = 0; n < 50; n++) peer.send('presence', { type: 'delta', incarnation: 'far#1', seq: 'x', changes: [] })
    const users = [['Faye', 1]]
    peer.send('presence', { type: 'snapshot', incarnation: 'far#1', seq: 1, users, more: false })
    await until('a valid frame is handled', () => anna.roster.join() === 'Anna,Faye')
    expect(peer.isLinked).toBe(true)

    const logged = () => program.out.split('\n').filter(line => line.startsWith('Dropped a malformed'))
    await until('both are logged', () => logged().some(line => line.includes('presence')))
    // One line in five seconds for each of the two kinds of senders.
    const most = 2 * (1 + Math.floor((performance.now() - since) / 5_000))
    expect(logged().length).toBeLessThanOrEqual(most)
    const [first, ...others] = logged()
    expect(first).toMatch(/^Dropped a malformed im from connection \d+ \(1 from it, 1 in total\)\.$/)
    expect(others).toContainEqual(
      expect.stringMatching(/^Dropped a malformed presence from peer: far \(1 from it, 1 in total\)\.$/),
    )
    expect(anna.departures).toEqual([])
  } finally {
    hostile.disconnect()
    anna.close()
    program.child.kill('SIGKILL')
    await peer.close()
  }
})
