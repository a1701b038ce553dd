/** The cluster status of real processes, with peers that do not answer or answer nonsense. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, expect, test } from 'vitest'
import type { Refusal } from '../../../src/protocol/messages.ts'
import { type ClusterStatus, clusterStatusSchema } from '../../../src/protocol/status.ts'
import { FakePeer } from '../../support/attacks/fake-peer.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

afterAll(stopAll)

test('for real: an older peer, which knows no such question, and one that answers nonsense, hurt nobody', {
  timeout: 60_000,
}, async () => {
  const ports = await freePorts(4)
  const file = join(temporaryFolder(), 'config.json')
  const ids = ['server-1', 'server-2', 'older', 'liar']
  const servers = ids.map((id, at) => ({ id, ip: '127.0.0.1', port: ports[at] ?? 0 }))
  writeFileSync(file, JSON.stringify({ servers }))
  const url = `http://127.0.0.1:${ports[0]}`
  const args = ['--config', file, '--log-format', 'text']
  const programs = ['server-1', 'server-2'].map(id => new Program('daemon', ['--id', id, ...args]))
  await until('both listen', () => programs.every(({ out }) => out.includes('Listening')))
  const older = new FakePeer('older')
  const liar = new FakePeer('liar')
  const lies: unknown[] = [null, 5, {}, { status: { server: 'liar' } }, { server: 'server-2', links: [{}] }]
  liar.answerSurvey = ({ number }) => ({ number, status: lies[number % lies.length] })
  await older.start(ports[2] ?? 0, url)
  await liar.start(ports[3] ?? 0, url)
  const out = () => programs[0]?.out ?? ''
  await until('all are linked', () => ids.slice(1).every(id => out().includes(`Outbound connection to peer: ${id}\n`)))

  const stranger = io(url, { transports: ['websocket'], forceNew: true })
  const survey = async (): Promise<ClusterStatus> => {
    const told: ClusterStatus | Refusal = await stranger.timeout(5_000).emitWithAck('survey')
    if (told.ok) return clusterStatusSchema.parse(told)
    await new Promise(resolve => setTimeout(resolve, told.retryAfter))
    return survey()
  }
  for (let n = 0; n < lies.length; n++) {
    const since = performance.now()
    const told = await survey()
    // The two are waited for.
    expect(performance.now() - since).toBeGreaterThan(900)
    expect(told.servers.map(({ id }) => id)).toEqual(ids)
    expect(told.servers.flatMap(({ status }) => (status === undefined ? [] : [status.server]))).toEqual(ids.slice(0, 2))
    expect(told.servers[1]?.url).toBe(`http://127.0.0.1:${ports[1]}`)
  }
  expect(out()).toContain('Dropped a malformed status from peer: liar')
  stranger.disconnect()
  await older.close()
  await liar.close()
})
