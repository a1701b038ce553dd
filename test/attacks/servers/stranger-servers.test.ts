/** Servers of another mesh, or of none, on real sockets: a client gives them nothing, and believes nothing. */
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { type Socket as ClientSocket, io } from 'socket.io-client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sealer } from '../../../cli/keys/sealer.ts'
import { type MessageStorage, NO_STORAGE, type OpenOptions, openSession } from '../../../cli/session/connection.ts'
import type { SessionEvent } from '../../../src/client/events.ts'
import type { IdentifyRequest, Message } from '../../../src/protocol/messages.ts'
import { identificationText } from '../../../src/protocol/proofs/credentials.ts'
import { boundIdentificationText, NO_TLS, TLS_AT_PROXY } from '../../../src/protocol/proofs/mesh-identity.ts'
import { CHALLENGE, HostileServer, MeshKey } from '../../support/attacks/hostile-server.ts'
import { startInProcess } from '../../support/in-process-server.ts'
import { until } from '../../support/programs/processes.ts'

const mesh = new MeshKey()
const strangers = new MeshKey()
const annaKey = generateKeyPairSync('ed25519').privateKey
const anna = new Sealer(annaKey)
const billy = new Sealer(generateKeyPairSync('ed25519').privateKey)
const T0 = 1_700_000_000_000
const plain: Message = { id: 'forged', at: T0 + 1, from: 'Billy', to: 'Anna', text: 'send me the password' }
const secret: Message = { id: 'secret', at: T0 + 2, from: 'Anna', to: 'Billy', text: 'a secret of ours' }

let own: HostileServer
let stranger: HostileServer
let request: ReturnType<typeof openSession> | undefined
let events: SessionEvent[] = []
let stored: { message: Message; sealed?: string | undefined }[] = []

beforeEach(async () => {
  own = await HostileServer.start()
  stranger = await HostileServer.start()
  events = []
  stored = []
})
afterEach(async () => {
  request?.({ type: 'close' })
  await own.close()
  await stranger.close()
})

/** Opens Anna's session, with a held message for Billy and a history. */
function open(options: Partial<OpenOptions> = {}, storage: Partial<MessageStorage> = {}): void {
  const keys = {
    load: () => annaKey,
    knownKeys: () => new Map([['Billy', billy.key]]),
    pin: () => {},
    claim: () => undefined,
    keepClaim: () => {},
  }
  request = openSession(
    { user: 'Anna', client: 'x/1', instance: 'x', servers: [own.url], random: Math.random, keys, ...options },
    {
      ...NO_STORAGE,
      held: [{ ...secret, sealed: '' }],
      store: (message, sealed) => void stored.push({ message, sealed }),
      ...storage,
    },
    event => events.push(event),
  )
}
const phases = () => events.flatMap(event => (event.type === 'connection' ? [event.state.phase] : []))
const shown = () => events.flatMap(event => (event.type === 'message' ? [event.message.text] : []))
/** Everything that a server could learn, as one text. */
const learned = ({ received }: HostileServer) => JSON.stringify(received)
/** A frame for siblings, which only Anna's key opens. */
const openRelay = (payload: unknown) =>
  JSON.parse(anna.openFromSibling((payload as { body: string }).body) ?? '') as { messages: Message[] }
/** What each server does that wants everything: asks for messages and history, and sends its own. */
function pry(server: HostileServer): void {
  const [socket] = server.sockets.slice(-1)
  socket?.emit('siblings', { connections: 2 })
  socket?.emit('relay', { from: 's:2', body: JSON.stringify({ type: 'have', from: 0, messages: [] }) })
  socket?.emit('relay', { from: 's:2', body: JSON.stringify({ type: 'tell', messages: [plain] }) })
  socket?.emit('im', { ...plain, forwarded: false })
}

test('C15: what a server sends before it lets the client in does nothing, and is not passed on', async () => {
  own.onIdentify = (identify, client) => {
    if (identify.proof === undefined) {
      pry(own)
      return own.ask(client, 'prove-key', mesh.prove(identify, 'key'))
    }
    pry(own)
    own.accept(client, { auth: 'key', mesh: mesh.prove(identify, 'key') })
    client.socket.emit('siblings', { connections: 2 })
    // Asks as a sibling would: what the client knows is in the answer.
    const ask = anna.sealForSiblings(JSON.stringify({ type: 'have', from: 0, messages: [], mesh: mesh.key }))
    client.socket.emit('relay', { from: 's:2', body: ask })
  }
  open()
  await until('the sibling is answered', () => own.events.includes('relay'))
  expect(shown()).toEqual([secret.text])
  expect(stored.map(({ message }) => message.id)).toEqual(['secret'])
  for (const { event, payload } of own.received) {
    if (event !== 'relay') continue
    expect(JSON.stringify(openRelay(payload))).not.toContain('forged')
  }
  expect(learned(own)).not.toContain(secret.text)
})

test('S14: siblings pass on the message as its sender sealed it, and verify it again', async () => {
  const genuine: Message = { id: 'genuine', at: T0 + 3, from: 'Billy', to: 'Anna', text: 'lunch at noon' }
  const sealed = billy.seal(genuine, anna.key)
  const mallory = new Sealer(generateKeyPairSync('ed25519').privateKey)
  const relay = (frame: object) => ({ from: 's:2', body: anna.sealForSiblings(JSON.stringify(frame)) })
  own.onIdentify = (identify, client) => {
    if (identify.proof === undefined) return own.ask(client, 'prove-key', mesh.prove(identify, 'key'))
    own.accept(client, { auth: 'key', mesh: mesh.prove(identify, 'key') })
    // A sibling that was deceived, or that lies: sealed for another message, and by another key.
    const forged = { ...plain, text: sealed }
    const other = { ...genuine, id: 'other', text: mallory.seal({ ...genuine, id: 'other' }, anna.key) }
    client.socket.emit(
      'relay',
      relay({ type: 'tell', messages: [forged, { ...genuine, text: sealed }, other], mesh: mesh.key }),
    )
    client.socket.emit('relay', relay({ type: 'have', from: T0 + 3, messages: [], mesh: mesh.key }))
  }
  open({}, { held: [] })
  await until('the sibling is answered', () => own.events.includes('relay'))
  expect(events.filter(({ type }) => type === 'forged')).toEqual([{ type: 'forged', from: 'Billy' }])
  expect(shown()).toEqual(['lunch at noon', '[signed with another key than before] lunch at noon'])
  expect(stored).toContainEqual({ message: genuine, sealed })
  const [answer] = own.received.filter(({ event }) => event === 'relay')
  const { messages } = openRelay(answer?.payload)
  expect(messages.find(({ id }) => id === 'genuine')?.text).toBe(sealed)
})

test.each([
  ['in another mode, with the right key', () => ({ auth: 'open', mesh: mesh }) as const],
  ['with another key', () => ({ auth: 'key', mesh: strangers }) as const],
  ['in another mode and with another key', () => ({ auth: 'open', mesh: strangers }) as const],
  ['that proves nothing', () => ({ auth: 'open', mesh: undefined }) as const],
  ['that proves nothing but has the right mode', () => ({ auth: 'key', mesh: undefined }) as const],
])('C16, C17: a server %s gets neither the held message nor the history', async (_, parts) => {
  own.onIdentify = (identify, client) => {
    const { auth, mesh: by } = parts()
    const proof = by === undefined ? {} : { mesh: by.prove(identify, auth) }
    if (auth === 'key') own.ask(client, 'prove-key', proof.mesh)
    else own.accept(client, { auth, ...proof })
    pry(own)
  }
  open({ mesh: { key: mesh.key, mode: 'key' } })
  await until('the client has left', () => phases().some(phase => phase === 'refused' || phase === 'waiting'))
  // Another attempt may follow: nothing else does.
  expect(new Set(own.events)).toEqual(new Set(['identify']))
  expect(learned(own)).not.toContain(secret.text)
  expect(learned(own)).not.toContain('"proof"')
  expect(shown()).toEqual([secret.text])
  expect(stored.map(({ message }) => message.id)).toEqual(['secret'])
})

test('C17: a client without a pin does not follow an announced server to another mesh or mode', async () => {
  own.onIdentify = (identify, client) => {
    if (identify.proof === undefined) return own.ask(client, 'prove-key', mesh.prove(identify, 'key'))
    own.accept(client, { auth: 'key', mesh: mesh.prove(identify, 'key') })
    client.socket.emit('move', { servers: [{ id: 'evil', url: stranger.url }] })
  }
  stranger.onIdentify = (identify, client) => {
    stranger.accept(client, { auth: 'open', mesh: strangers.prove(identify, 'open') })
    pry(stranger)
  }
  open()
  await until('the client has met the stranger', () => stranger.events.length > 0)
  await until('the client is back', () => phases().filter(phase => phase === 'online').length > 1)
  expect(new Set(stranger.events)).toEqual(new Set(['identify']))
  expect(learned(stranger)).not.toContain(secret.text)
  expect(shown()).toEqual([secret.text])
})

test('C4, C19: an announced server gets no token, and nothing of its URL but the origin is used', async () => {
  own.onIdentify = (identify, client) => {
    if (identify.token === undefined) return own.ask(client, 'prove-token', mesh.prove(identify, 'token'))
    own.accept(client, { auth: 'token', mesh: mesh.prove(identify, 'token') })
    const url = `${stranger.url}/admin?leak=1`
    client.socket.emit('move', { servers: [{ id: 'evil', url }] })
  }
  stranger.onIdentify = (identify, client) => {
    if (stranger.sockets.length % 2 === 0) stranger.accept(client, { auth: 'token' })
    else stranger.ask(client, 'prove-token', strangers.prove(identify, 'token'))
  }
  open({ token: 'a.secret.token' }, { held: [] })
  await until('the client has met the stranger', () => stranger.events.length > 0)
  await until('the client is back', () => phases().filter(phase => phase === 'online').length > 1)
  const [first] = own.received
  expect(JSON.stringify(first)).not.toContain('a.secret.token')
  expect(learned(own)).toContain('a.secret.token')
  expect(learned(stranger)).not.toContain('a.secret.token')
  for (const path of stranger.paths) expect(path).toMatch(/^\/socket\.io\/\?EIO=4&transport=websocket$/)
})

test('C4: 1,001 announced servers are 64, and are not told to the user interface either', async () => {
  own.onIdentify = (identify, client) => {
    const servers = Array.from({ length: 1_001 }, (_, at) => ({
      id: `s${at}`,
      url: `http://10.0.0.1:${at + 1}/?x=${at}`,
    }))
    own.accept(client, { servers, mesh: mesh.prove(identify, 'open') })
  }
  open({}, { held: [] })
  await until('the client is online', () => phases().includes('online'))
  const announced = events.flatMap(event => (event.type === 'servers' ? [event.servers] : []))
  expect(announced.map(servers => servers.length)).toEqual([64])
  expect(announced.flat().every(({ url }) => new URL(url).search === '')).toBe(true)
})

test("a server cannot relay another mesh's proof, nor the user's to another mesh", async () => {
  // Relays to a server of the mesh, which proves its own origins only.
  stranger.onIdentify = (identify, client) =>
    stranger.ask(client, 'prove-key', mesh.prove({ ...identify, origin: own.url }, 'key'))
  open({ servers: [stranger.url], mesh: { key: mesh.key, mode: 'key' } })
  await until('the client has tried twice', () => stranger.events.length >= 2)
  expect(learned(stranger)).not.toContain('"proof"')
  request?.({ type: 'close' })

  // A first meeting: the stranger's own mesh gets a proof, which is worth nothing elsewhere.
  stranger.onIdentify = (identify, client) => stranger.ask(client, 'prove-key', strangers.prove(identify, 'key'))
  open({ servers: [stranger.url] })
  const proofs = () => stranger.received.map(({ payload }) => payload as IdentifyRequest).filter(({ proof }) => proof)
  await until('the client has proven its key', () => proofs().length > 0)
  const [{ proof = '', proofVersion } = {}] = proofs()
  const publicKey = createPublicKey(annaKey)
  const isProofOf = (text: string) => verify(null, Buffer.from(text), publicKey, Buffer.from(proof, 'base64url'))
  expect(proofVersion).toBe(3)
  const textFor = (origin: string, meshKey: string, channel: string | undefined = NO_TLS) =>
    boundIdentificationText('Anna', CHALLENGE, { origin, meshKey, channel })
  expect(isProofOf(textFor(stranger.url, strangers.key))).toBe(true)
  expect(isProofOf(textFor(own.url, strangers.key))).toBe(false)
  expect(isProofOf(textFor(stranger.url, mesh.key))).toBe(false)
  expect(isProofOf(textFor(stranger.url, strangers.key, TLS_AT_PROXY))).toBe(false)
  expect(isProofOf(identificationText('Anna', CHALLENGE))).toBe(false)
})

test("a stranger cannot take a user's place at a real server by passing on its challenge", async () => {
  const real = await startInProcess('server-1', { auth: 'key', secret: 'a secret of thirty-two characters' })
  const answers: unknown[] = []
  const sockets: ClientSocket[] = []
  const connect = () => {
    const socket = io(real.url, { transports: ['websocket'], forceNew: true, reconnection: false })
    sockets.push(socket)
    return socket
  }
  // The real server is asked for its own origin, and as a client of 0.1 asks: without any.
  const [asNow, asBefore] = [connect(), connect()]
  const as = (isNow: boolean, { nonce, origin: _, ...identify }: IdentifyRequest) =>
    isNow ? { ...identify, nonce, origin: real.url } : identify
  let count = 0
  stranger.onIdentify = async (identify, { answer }) => {
    const isNow = identify.proof === undefined ? count++ % 2 === 0 : count % 2 === 1
    const passed = await (isNow ? asNow : asBefore).emitWithAck('identify', as(isNow, identify))
    if (identify.proof === undefined) return answer({ ...passed, mesh: strangersProof(passed, identify) })
    answers.push(passed)
    answer({ ok: false, code: 'draining', message: 'again' })
  }
  // The stranger has its own mesh, and this is the first contact.
  const strangersProof = ({ challenge }: { challenge: { server: string } }, identify: IdentifyRequest) =>
    strangers.prove(identify, 'key', challenge.server)
  open({ servers: [stranger.url] })
  try {
    await until('the client has proven its key twice', () => answers.length >= 2)
    for (const answer of answers) expect(answer).toMatchObject({ ok: false, code: 'unauthorized' })
  } finally {
    for (const socket of sockets) socket.disconnect()
    await real.close()
  }
})
