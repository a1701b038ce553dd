/** `auth: key`: a name that is online belongs to whoever holds its key, and servers cannot read what they carry. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { io, type Socket } from 'socket.io-client'
import { afterAll, describe, expect, test } from 'vitest'
import { fingerprint } from '../../cli/keys/fingerprint.ts'
import { Sealer } from '../../cli/keys/sealer.ts'
import {
  type Challenge,
  formatSealedText,
  identificationText,
  parseSealedText,
  sealedLength,
} from '../../src/protocol/credentials.ts'
import type { PresenceEntry } from '../../src/protocol/frames.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { ServerHarness } from '../support/server-harness.ts'
import { keyNamed, PlainIdentity } from '../support/simulation/plain-identity.ts'
import { SimMesh } from '../support/simulation/sim-mesh.ts'

afterAll(stopAll)

const sealer = () => new Sealer(generateKeyPairSync('ed25519').privateKey)
const ANNA = keyNamed('Anna')
const MALLORY = keyNamed('Mallory')
const keyed = (key: string) => ({ kind: 'key' as const, key })

describe('a sealed message', () => {
  const [anna, billy, mallory] = [sealer(), sealer(), sealer()]
  const plain: Message = { id: 'm1', at: 1_700_000_000_000.5, from: 'Anna', to: 'Billy', text: 'Grüße 👋\nof mine' }
  const sealed = { ...plain, text: anna.seal(plain, billy.key) }

  test('opens with the keys of its sender and its recipient, and with no other', () => {
    expect(billy.open(sealed)).toBe(plain.text)
    expect(anna.open(sealed)).toBe(plain.text)
    expect(mallory.open(sealed)).toBeUndefined()
    expect(sealed.text).not.toContain('mine')
    expect(sealed.text.length).toBeLessThanOrEqual(sealedLength(Buffer.byteLength(plain.text)))
    expect(anna.seal(plain, billy.key)).not.toBe(sealed.text)
    const empty = { ...plain, text: '' }
    expect(billy.open({ ...empty, text: anna.seal(empty, billy.key) })).toBe('')
  })

  test('opens also where its text is not whole Unicode', () => {
    const odd = { ...plain, text: 'half \ud83d of an emoji' }
    expect(billy.open({ ...odd, text: anna.seal(odd, billy.key) })).toBe('half \ufffd of an emoji')
  })

  test('altered in any way, it does not open', () => {
    const { id, at, from, to } = plain
    for (const other of [{ id: 'm2' }, { at: at + 1 }, { from: 'Carla' }, { to: 'Carla' }]) {
      expect(billy.open({ ...sealed, ...other }), JSON.stringify(other)).toBeUndefined()
    }
    const seal = parseSealedText(sealed.text)
    const bytes = Buffer.from(seal?.body ?? '', 'base64url')
    for (let at = 0; at < bytes.length; at++) {
      const altered = Buffer.from(bytes)
      altered[at] = (altered[at] ?? 0) ^ 1
      const text = formatSealedText(anna.key, billy.key, altered.toString('base64url'))
      expect(billy.open({ id, at: plain.at, from, to, text }), `byte ${at}`).toBeUndefined()
    }
    for (const [one, other] of [
      [mallory.key, billy.key],
      [anna.key, mallory.key],
      [billy.key, anna.key],
    ] as const) {
      expect(billy.open({ ...sealed, text: formatSealedText(one, other, seal?.body ?? '') })).toBeUndefined()
    }
    for (const text of [
      '',
      'plain',
      'sealed1.',
      sealed.text.slice(0, 100),
      `sealed1.${'A'.repeat(43)}.${'A'.repeat(43)}.`,
    ]) {
      expect(billy.open({ ...plain, text })).toBeUndefined()
    }
  })

  test('its recipient, who shares the secret, cannot write in the name of its sender', () => {
    // What Billy seals is signed by Billy, whatever key he puts in front.
    const forged = billy.seal({ ...plain, text: 'I owe Billy 1,000' }, anna.key)
    const body = parseSealedText(forged)?.body ?? ''
    expect(anna.open({ ...plain, text: formatSealedText(anna.key, billy.key, body) })).toBeUndefined()
  })

  test('a key taken over to the curve of agreement is a pair there', () => {
    const seed = Buffer.alloc(32, 7)
    const montgomery = ed25519.utils.toMontgomery(ed25519.getPublicKey(seed))
    expect(x25519.getPublicKey(ed25519.utils.toMontgomerySecret(seed))).toEqual(montgomery)
  })

  test("what siblings tell each other opens with the user's own key only", () => {
    const body = anna.sealForSiblings('{"type":"compare"}')
    expect(anna.openFromSibling(body)).toBe('{"type":"compare"}')
    expect(billy.openFromSibling(body)).toBeUndefined()
    expect(anna.openFromSibling('{"type":"compare"}')).toBeUndefined()
  })

  test('a key in words: nine of them, the same everywhere', () => {
    expect(fingerprint('A'.repeat(43))).toMatch(/^[a-z]+( [a-z]+){8}$/)
    expect(fingerprint('A'.repeat(43))).toBe(fingerprint('A'.repeat(43)))
    expect(fingerprint(anna.key)).not.toBe(fingerprint(billy.key))
  })
})

describe('a server', () => {
  function setUp() {
    const harness = new ServerHarness({}, { auth: 'key' })
    const link = harness.acceptLink('server-2', 'key')
    let seq = 0
    /** What a peer tells of its users. */
    const told = (...changes: PresenceEntry[]) => {
      const incarnation = 'server-2#1'
      const payload =
        seq === 0
          ? { type: 'snapshot' as const, incarnation, seq: ++seq, users: changes, more: false }
          : { type: 'delta' as const, incarnation, seq: ++seq, changes }
      harness.step({ type: 'frame', link, frame: { event: 'presence', payload } })
    }
    const join = (user: string, key: string) => {
      const connection = harness.connect()
      return { connection, answer: harness.identify(connection, user, 2, keyed(key)) }
    }
    return { harness, told, join, link }
  }

  test('gives a name that is online to its key only, here and on peers', () => {
    const { harness, told, join } = setUp()
    const anna = join('Anna', ANNA)
    expect(anna.answer).toMatchObject({ ok: true, auth: 'key' })
    expect(join('Anna', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
    expect(join('Anna', ANNA).answer).toMatchObject({ ok: true })
    told(['Billy', 1, keyNamed('Billy'), 1])
    expect(join('Billy', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
    expect(join('Billy', keyNamed('Billy')).answer).toMatchObject({ ok: true })
    const stranger = harness.connect()
    expect(harness.identify(stranger, 'Carla')).toMatchObject({ ok: false, code: 'unauthorized' })
    expect(harness.identify(stranger, 'Carla', 1)).toMatchObject({ ok: false, code: 'unauthorized' })
  })

  test('frees it when its last connection is gone', () => {
    const { harness, told, join } = setUp()
    const { connection } = join('Anna', ANNA)
    harness.step({ type: 'disconnected', connection })
    expect(join('Anna', MALLORY).answer).toMatchObject({ ok: true })
    told(['Billy', 1, keyNamed('Billy'), 1])
    told(['Billy', 0])
    expect(join('Billy', MALLORY).answer).toMatchObject({ ok: true })
  })

  test('holds a name through the grace period of a peer that is out of sight', () => {
    const { harness, told, join, link } = setUp()
    told(['Billy', 1, keyNamed('Billy'), 1])
    harness.step({ type: 'link-closed', link, reason: 'cut' })
    harness.advance(4_000)
    expect(join('Billy', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
    harness.advance(2_000)
    expect(join('Billy', MALLORY).answer).toMatchObject({ ok: true })
  })

  test('settles two holders by the older claim, and tells the younger why', () => {
    const { harness, told, join } = setUp()
    const { connection } = join('Anna', MALLORY)
    told(['Anna', 1, ANNA, harness.wallOffset + harness.now + 1_000])
    expect(harness.closed.size).toBe(0)
    told(['Anna', 1, ANNA, harness.wallOffset])
    expect([...harness.closed.keys()]).toEqual([connection])
    expect(harness.refusalCodes(connection)).toEqual(['name-taken'])
  })

  test('takes over no time that a peer invents for a key: who holds the name here is not younger for it', () => {
    const { harness, told, join } = setUp()
    told(['Anna', 1, ANNA, Number.MAX_SAFE_INTEGER])
    const { connection } = join('Anna', ANNA)
    // The peer goes on, and a thief takes the name there, a little later than she did here.
    told(['Anna', 1, MALLORY, harness.wallOffset + harness.now + 1_000])
    expect(harness.closed.has(connection)).toBe(false)
    expect(join('Anna', MALLORY).answer).toMatchObject({ ok: false, code: 'name-taken' })
  })

  test('a name that passes to another key in one turn of its server has passed here, too', () => {
    const { harness, told, join } = setUp()
    const asker = join('Billy', keyNamed('Billy')).connection
    const holder = () => {
      harness.step({ type: 'key', connection: asker, user: 'Anna', call: 900 })
      return harness.answers.get(900)
    }
    told(['Anna', 1, ANNA, 1])
    expect(holder()).toEqual({ ok: true, key: ANNA })
    told(['Anna', 1, MALLORY, 2])
    expect(holder()).toEqual({ ok: true, key: MALLORY })
    told(['Anna', 0])
    expect(holder()).toEqual({ ok: true })
  })

  test('takes only what its sender has sealed, and gives it only to the key for which it is', () => {
    const { harness, join } = setUp()
    const anna = join('Anna', ANNA).connection
    const billy = join('Billy', keyNamed('Billy')).connection
    const message = (to: string) =>
      new PlainIdentity('Anna').seal({ id: 'x', at: 1, from: 'Anna', to: 'Billy', text: 'hi' }, to)
    const told = () =>
      harness.effects.splice(0).flatMap(one => (one.type === 'emit' && one.message.event === 'im' ? [...one.to] : []))
    expect(harness.im(anna, 'Billy', 'hi')).toMatchObject({ ok: false, code: 'not-sealed' })
    expect(harness.im(billy, 'Anna', message(ANNA))).toMatchObject({ ok: false, code: 'not-sealed' })
    told()
    expect(harness.im(anna, 'Billy', message(MALLORY))).toEqual({ ok: true, delivered: 0 })
    expect(told()).toEqual([anna])
    harness.im(anna, 'Billy', message(keyNamed('Billy')))
    expect(told()).toEqual([billy, anna])
  })
})

describe('in a mesh', () => {
  function three() {
    const mesh = new SimMesh(7, 3, { auth: 'key' })
    const [one, two, last] = mesh.servers
    if (one === undefined || two === undefined || last === undefined) throw new Error('a mesh of three')
    return { mesh, one, two, last }
  }
  const texts = (client: { shown: readonly Message[] }) => client.shown.map(({ text }) => text)
  const phase = (client: { events: readonly { type: string }[] }) =>
    (client.events.filter(event => event.type === 'connection').at(-1) as unknown as { state: { phase: string } }).state

  test('whoever steals a name during a partition loses it when it heals, on all servers, and reads nothing', () => {
    const { mesh, one, two, last } = three()
    const anna = mesh.join('a', 'Anna', one)
    const billy = mesh.join('b', 'Billy', last)
    mesh.advance(3_000)
    mesh.send(billy, 'Anna', 'before')
    mesh.advance(1_000)
    mesh.cut('server-1', 'server-2')
    mesh.cut('server-1', 'server-3')
    mesh.advance(15_000)
    const thief = mesh.join('m', 'Anna', two, 'Mallory')
    mesh.advance(3_000)
    // Billy knows Anna's key: what he writes waits for her.
    mesh.send(billy, 'Anna', 'for Anna only')
    mesh.send(thief, 'Billy', 'it is me, Anna')
    mesh.advance(3_000)
    expect(phase(thief)).toMatchObject({ phase: 'online' })
    expect(texts(thief)).toEqual(['it is me, Anna'])
    expect(texts(billy)).toContain('[signed with another key than before] it is me, Anna')
    expect(billy.events).toContainEqual(expect.objectContaining({ type: 'key', user: 'Anna', state: 'changed' }))
    mesh.heal()
    mesh.advance(30_000)
    expect(phase(thief)).toMatchObject({ phase: 'refused', code: 'name-taken' })
    expect(phase(anna)).toMatchObject({ phase: 'online' })
    expect(texts(anna)).toEqual(['before', 'for Anna only'])
    expect(billy.session?.pendingMessages).toEqual([])
  })

  test('a key that has changed is not written to until the person trusts it', () => {
    const { mesh, one, last } = three()
    const anna = mesh.join('a', 'Anna', one)
    const billy = mesh.join('b', 'Billy', last)
    mesh.advance(3_000)
    mesh.send(billy, 'Anna', 'hello')
    mesh.advance(1_000)
    anna.quit()
    mesh.advance(3_000)
    const again = mesh.join('a2', 'Anna', one, 'a new laptop')
    mesh.advance(3_000)
    mesh.send(billy, 'Anna', 'is it you?')
    mesh.advance(10_000)
    expect(texts(again)).toEqual([])
    expect(billy.events.filter(event => event.type === 'progress').at(-1)).toMatchObject({
      progress: { reason: 'key-changed' },
    })
    billy.step({ type: 'request', request: { type: 'trust', user: 'Anna' } })
    mesh.advance(3_000)
    expect(texts(again)).toEqual(['is it you?'])
    expect(billy.keys.get('Anna')).toBe(keyNamed('a new laptop'))
  })

  test("a message that its sender's key did not seal is dropped, and said to be", () => {
    const { mesh, one } = three()
    const anna = mesh.join('a', 'Anna', one)
    mesh.advance(3_000)
    const forge = (text: string) =>
      anna.step({
        type: 'im',
        dial: 1,
        message: { id: text, at: mesh.now, from: 'Billy', to: 'Anna', text, forwarded: false },
      })
    forge('plain')
    forge(formatSealedText(keyNamed('Billy'), ANNA, 'of another message'))
    expect(texts(anna)).toEqual([])
    expect(anna.events.filter(event => event.type === 'forged')).toHaveLength(2)
  })

  test('a server that does without keys is left alone by who has one', () => {
    const { mesh, one } = three()
    const anna = mesh.join('a', 'Anna', one)
    mesh.advance(3_000)
    const { session } = anna
    anna.step({ type: 'closed', dial: 1, reason: 'cut' })
    const roster = { version: 1, users: ['Anna'] }
    mesh.advance(0)
    const effects = session?.step({ type: 'tick' }, mesh.now + 10_000, mesh.now) ?? []
    const dialled = effects.find(effect => effect.type === 'dial')
    const answer = {
      ok: true as const,
      server: 'evil',
      incarnation: 'i',
      connection: 'evil:1',
      roster,
      time: 0,
      servers: [],
    }
    const after = session?.step({ type: 'identified', dial: dialled?.dial ?? 0, answer }, mesh.now + 10_000, 0) ?? []
    expect(after).toContainEqual(
      expect.objectContaining({
        event: expect.objectContaining({ state: expect.objectContaining({ phase: 'refused' }) }),
      }),
    )
  })
})

describe('for real', () => {
  async function mesh() {
    const folder = temporaryFolder()
    const ports = await freePorts(2)
    const file = join(folder, 'config.json')
    const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
    writeFileSync(file, JSON.stringify({ servers, auth: 'key' }))
    const logs = servers.map(
      ({ id }) => new Program('daemon', ['--id', id, '--config', file, '--log-format', 'text', '--log-text']),
    )
    await until('the servers meet', () => logs.every(one => one.out.includes('Inbound connection from peer')))
    const home = (name: string) => ({ XDG_STATE_HOME: join(folder, name), XDG_CONFIG_HOME: join(folder, name) })
    const client = (user: string, port: number, at = user, ...more: string[]) =>
      new Program('cli', ['--user', user, '--port', `${ports[port]}`, '--plain', ...more], home(at))
    const identity = (at: string, ...args: string[]) => new Program('cli', ['identity', ...args], home(at))
    return { folder, ports, logs, client, identity, home }
  }

  test('messages reach all clients of both, and no server can read one', { timeout: 60_000 }, async () => {
    const { folder, client, identity, logs } = await mesh()
    const anna = client('Anna', 0, 'Anna', '--to', 'Billy')
    const billy = client('Billy', 1, 'Billy', '--to', 'Anna')
    await until(
      'both are online',
      () => anna.out.includes('online: Anna, Billy') && billy.out.includes('online: Anna, Billy'),
    )
    // The same key on a second machine.
    const exported = identity('Anna', 'export', '--user', 'Anna')
    await exported.waitForExit()
    writeFileSync(join(folder, 'anna.pem'), exported.out)
    const imported = identity('laptop', 'import', join(folder, 'anna.pem'), '--user', 'Anna')
    await imported.waitForExit()
    billy.child.stdin?.write('/key\n/key Carla\n')
    await until('the words are shown', () => /\* the key of Billy: [a-z]+( [a-z]+){8}\n/.test(billy.out))
    await until('and that there are none', () => billy.out.includes('* the key of Carla: not known yet'))
    const shown = identity('Anna', 'show', '--user', 'Anna')
    await shown.waitForExit()
    expect(imported.out).toBe(shown.out)
    expect(shown.out).toMatch(/^Anna\n[a-z]+( [a-z]+){8}\n[A-Za-z0-9_-]{43}\n$/)
    const laptop = client('Anna', 1, 'laptop')
    await until('it is online', () => laptop.out.includes('online at'))
    anna.child.stdin?.write('a secret of ours\n')
    billy.child.stdin?.write('I keep it\n')
    await until('all have all', () =>
      [anna, billy, laptop].every(one => one.out.includes('a secret of ours') && one.out.includes('I keep it')),
    )
    for (const { out } of logs) {
      expect(out).toContain('IM from Anna to Billy: sealed1.')
      expect(out).not.toMatch(/secret of ours|keep it/)
    }
    expect(readFileSync(join(folder, 'Anna/mesh-chat/Anna.known-keys'), 'utf8')).toContain('"user":"Billy"')
  })

  test('a thief of a name is turned away, and an import never takes the place of a key unasked', async () => {
    const { client, identity, folder } = await mesh()
    const anna = client('Anna', 0)
    await until('she is online', () => anna.out.includes('online at'))
    const thief = client('Anna', 1, 'thief')
    await thief.waitForExit()
    expect(thief.exitStatus?.code).toBe(1)
    expect(thief.out).toBe('mesh-chat: Anna is online with another key; choose another name\n')
    const exported = identity('Anna', 'export', '--user', 'Anna')
    await exported.waitForExit()
    writeFileSync(join(folder, 'anna.pem'), exported.out)
    const imported = identity('thief', 'import', join(folder, 'anna.pem'), '--user', 'Anna')
    await imported.waitForExit()
    expect(imported.exitStatus?.code).toBe(1)
    expect(imported.out).toContain('--replace')
  })

  test('a proof is of use for its key, its name, its server and its connection, once', async () => {
    const { ports } = await mesh()
    const pair = generateKeyPairSync('ed25519')
    const me = new Sealer(pair.privateKey)
    const hello = (socket: Socket, more: object = {}, user = 'Anna') =>
      socket.timeout(5_000).emitWithAck('identify', { user, client: 'test/1', protocol: 2, ...more })
    const connect = (n: number) =>
      io(`http://127.0.0.1:${ports[n]}`, { transports: ['websocket'], forceNew: true, reconnection: false })
    const prove = (challenge: Challenge, user = 'Anna', key = me) => ({
      key: key.key,
      proof: key.sign(identificationText(user, challenge)),
    })
    const [one, other, elsewhere] = [connect(0), connect(0), connect(1)]
    const { challenge } = await hello(one)
    expect(challenge).toMatchObject({ server: 'server-1' })
    const proven = prove(challenge)
    for (const socket of [other, elsewhere]) {
      await hello(socket)
      expect(await hello(socket, proven)).toMatchObject({ ok: false, code: 'unauthorized' })
    }
    const wrong = [
      { key: sealer().key, proof: proven.proof },
      { key: 'A'.repeat(43), proof: proven.proof },
      { key: me.key, proof: '' },
      prove(challenge, 'Billy'),
    ]
    for (const shown of wrong) {
      const { challenge: fresh } = await hello(one)
      expect(fresh.nonce).not.toBe(challenge.nonce)
      expect(await hello(one, shown)).toMatchObject({ ok: false, code: 'unauthorized' })
    }
    // Its time has passed: others were given since.
    expect(await hello(one, proven)).toMatchObject({ ok: false, code: 'unauthorized' })
    const { challenge: last } = await hello(one)
    expect(await hello(one, prove(last))).toMatchObject({ ok: true, auth: 'key' })
    expect(createPublicKey(pair.privateKey as KeyObject).export({ format: 'jwk' }).x).toBe(me.key)
    for (const socket of [one, other, elsewhere]) socket.disconnect()
  })
})
