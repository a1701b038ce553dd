/** `auth: key` with real processes: sealed messages, identities on several machines, and proofs of keys. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io, type Socket } from 'socket.io-client'
import { afterAll, expect, test } from 'vitest'
import { Sealer } from '../../../cli/keys/sealer.ts'
import { encodeFileName } from '../../../cli/storage/user-folder.ts'
import { type Challenge, identificationText } from '../../../src/protocol/proofs/credentials.ts'
import {
  freePorts,
  Program,
  stopAll,
  temporaryFolder,
  until,
  untilToldOnline,
} from '../../support/programs/processes.ts'

afterAll(stopAll)

const sealer = () => new Sealer(generateKeyPairSync('ed25519').privateKey)

async function startMesh() {
  const folder = temporaryFolder()
  const ports = await freePorts(2)
  const file = join(folder, 'config.json')
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(file, JSON.stringify({ servers, auth: 'key' }))
  const logs = servers.map(
    ({ id }) => new Program('daemon', ['--id', id, '--config', file, '--log-format', 'text', '--log-text']),
  )
  await until('the servers are linked', () => logs.every(one => one.out.includes('Inbound connection from peer')))
  const home = (name: string) => ({ XDG_STATE_HOME: join(folder, name), XDG_CONFIG_HOME: join(folder, name) })
  const client = (user: string, port: number, at = user, ...more: string[]) =>
    new Program('cli', ['--user', user, '--port', `${ports[port]}`, '--plain', ...more], home(at))
  const identity = (at: string, ...args: string[]) => new Program('cli', ['identity', ...args], home(at))
  return { folder, ports, logs, client, identity, home }
}

test('messages reach all clients of both users, and no server log contains a text', async () => {
  const { folder, client, identity, logs } = await startMesh()
  const anna = client('Anna', 0, 'Anna', '--to', 'Billy')
  const billy = client('Billy', 1, 'Billy', '--to', 'Anna')
  await untilToldOnline([anna, 'Billy'], [billy, 'Anna'])
  // Copies the key to a second machine.
  const exported = identity('Anna', 'export', '--user', 'Anna')
  await exported.waitForExit()
  writeFileSync(join(folder, 'anna.pem'), exported.out)
  const imported = identity('laptop', 'import', join(folder, 'anna.pem'), '--user', 'Anna')
  await imported.waitForExit()
  billy.child.stdin?.write('/key\n/key Carla\n')
  await until('the fingerprint is shown', () => /\* the key of Billy: [a-z]+( [a-z]+){8}\n/.test(billy.out))
  await until('an unknown key is reported', () => /\* the key of Carla: not \w+ yet/.test(billy.out))
  const shown = identity('Anna', 'show', '--user', 'Anna')
  await shown.waitForExit()
  expect(imported.out).toBe(shown.out)
  expect(shown.out).toMatch(/^Anna\n[a-z]+( [a-z]+){8}\n[A-Za-z0-9_-]{43}\n$/)
  const laptop = client('Anna', 1, 'laptop')
  await until('the laptop is online', () => laptop.out.includes('online at'))
  anna.child.stdin?.write('a secret of ours\n')
  billy.child.stdin?.write('I keep it\n')
  await until('all clients show both messages', () =>
    [anna, billy, laptop].every(one => one.out.includes('a secret of ours') && one.out.includes('I keep it')),
  )
  // Edits and reactions are sealed like texts.
  anna.child.stdin?.write('/edit a better secret\n/react 👍\n')
  await until('all clients show the edit and the reaction', () =>
    [anna, billy, laptop].every(
      one => one.out.includes('(edited) a better secret') && one.out.includes('👍 to "I keep it"'),
    ),
  )
  await until('the servers have logged it', () =>
    logs.every(one => one.out.includes('IM from Anna to Billy: sealed1.')),
  )
  for (const { out } of logs) {
    expect(out).not.toMatch(/secret of ours|keep it|better secret|👍|⟦/)
  }
  const [{ folder: mesh }] = JSON.parse(readFileSync(join(folder, 'Anna/mesh-chat/known-meshes.json'), 'utf8'))
  const knownKeys = join(folder, 'Anna/mesh-chat/meshes', mesh, 'users', encodeFileName('Anna'), 'known-keys.jsonl')
  expect(readFileSync(knownKeys, 'utf8')).toContain('"user":"Billy"')
})

test('another key cannot use a name that is online, and an import does not replace a key without --replace', async () => {
  const { client, identity, folder } = await startMesh()
  const anna = client('Anna', 0)
  await until('Anna is online', () => anna.out.includes('online at'))
  const thief = client('Anna', 1, 'thief')
  const warning = '* not connected (Anna is online with another key; choose another name); retrying'
  await until('the thief is refused', () => thief.out.includes(warning))
  expect(thief.out).not.toContain('online at')
  thief.child.kill('SIGTERM')
  const exported = identity('Anna', 'export', '--user', 'Anna')
  await exported.waitForExit()
  writeFileSync(join(folder, 'anna.pem'), exported.out)
  const imported = identity('thief', 'import', join(folder, 'anna.pem'), '--user', 'Anna')
  await imported.waitForExit()
  expect(imported.exitStatus?.code).toBe(1)
  expect(imported.out).toContain('--replace')
})

test('a proof is valid once, for its key, its name, its server and its connection', async () => {
  const { ports } = await startMesh()
  const pair = generateKeyPairSync('ed25519')
  const me = new Sealer(pair.privateKey)
  const identify = (socket: Socket, more: object = {}, user = 'Anna') =>
    socket.timeout(60_000).emitWithAck('identify', { user, client: 'test/1', protocol: 2, ...more })
  const connect = (n: number) =>
    io(`http://127.0.0.1:${ports[n]}`, { transports: ['websocket'], forceNew: true, reconnection: false })
  const prove = (challenge: Challenge, user = 'Anna', key = me) => ({
    key: key.key,
    proof: key.sign(identificationText(user, challenge)),
  })
  const [one, other, elsewhere] = [connect(0), connect(0), connect(1)]
  const { challenge } = await identify(one)
  expect(challenge).toMatchObject({ server: 'server-1' })
  const proven = prove(challenge)
  for (const socket of [other, elsewhere]) {
    await identify(socket)
    expect(await identify(socket, proven)).toMatchObject({ ok: false, code: 'unauthorized' })
  }
  const wrong = [
    { key: sealer().key, proof: proven.proof },
    { key: me.key, proof: '' },
    { key: me.key, proof: `${proven.proof.slice(0, -1)}B` },
    { key: me.key, proof: `${proven.proof}==` },
    prove(challenge, 'Billy'),
  ]
  for (const shown of wrong) {
    const { challenge: fresh } = await identify(one)
    expect(fresh.nonce).not.toBe(challenge.nonce)
    expect(await identify(one, shown)).toMatchObject({ ok: false, code: 'unauthorized' })
  }
  // Whoever knows no secret could sign for the neutral point.
  const neutral = Buffer.from([1, ...Array(31).fill(0)]).toString('base64url')
  await identify(one)
  expect(await identify(one, { key: neutral, proof: proven.proof })).toMatchObject({ ok: false, code: 'bad-payload' })
  // Newer challenges have replaced this one.
  expect(await identify(one, proven)).toMatchObject({ ok: false, code: 'unauthorized' })
  const { challenge: last } = await identify(one)
  expect(await identify(one, prove(last))).toMatchObject({ ok: true, auth: 'key' })
  expect(createPublicKey(pair.privateKey as KeyObject).export({ format: 'jwk' }).x).toBe(me.key)
  for (const socket of [one, other, elsewhere]) socket.disconnect()
})
