/** The cluster status of real processes, with peers that do not answer or answer nonsense. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, expect, test } from 'vitest'
import { type ClusterStatus, clusterStatusSchema } from '../../../src/protocol/status.ts'
import { FakePeer } from '../../support/attacks/fake-peer.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

afterAll(stopAll)

test('a peer of an older version that does not answer, and one that answers nonsense, only lack a status', async () => {
  const ports = await freePorts(4)
  const file = join(temporaryFolder(), 'config.json')
  const ids = ['server-1', 'server-2', 'older', 'invalid']
  const servers = ids.map((id, at) => ({ id, ip: '127.0.0.1', port: ports[at] ?? 0 }))
  writeFileSync(file, JSON.stringify({ servers }))
  const url = `http://127.0.0.1:${ports[0]}`
  const args = ['--config', file, '--log-format', 'text']
  const programs = ['server-1', 'server-2'].map(id => new Program('daemon', ['--id', id, ...args]))
  await until('both servers listen', () => programs.every(({ out }) => out.includes('Listening')))
  const older = new FakePeer('older')
  const invalidPeer = new FakePeer('invalid')
  const invalid: unknown[] = [null, 5, {}, { status: { server: 'invalid' } }, { server: 'server-2', links: [{}] }]
  invalidPeer.answerSurvey = ({ number }) => ({ number, status: invalid[number % invalid.length] })
  await older.start(ports[2] ?? 0, url)
  await invalidPeer.start(ports[3] ?? 0, url)
  const out = () => programs[0]?.out ?? ''
  await until('server-1 has links to all others', () =>
    ids.slice(1).every(id => out().includes(`Outbound connection to peer: ${id}\n`)),
  )

  // A new connection for each request: those of one connection are rate-limited.
  const requestStatus = async (): Promise<ClusterStatus> => {
    const client = io(url, { transports: ['websocket'], forceNew: true })
    const answer = await client.timeout(60_000).emitWithAck('survey')
    client.disconnect()
    return clusterStatusSchema.parse(answer)
  }
  for (let n = 0; n < invalid.length; n++) {
    let reported: string[] = []
    // A server that is busy for a second does not answer in time.
    await until('both servers of this version report', async () => {
      const status = await requestStatus()
      expect(status.servers.map(({ id }) => id)).toEqual(ids)
      expect(status.servers[1]?.url).toBe(`http://127.0.0.1:${ports[1]}`)
      reported = status.servers.flatMap(({ status }) => (status === undefined ? [] : [status.server]))
      return reported.length >= 2
    })
    expect(reported).toEqual(ids.slice(0, 2))
  }
  await until('it is logged', () => out().includes('Dropped a malformed status from peer: invalid'))
  await older.close()
  await invalidPeer.close()
})
