/**
 * Program: many clients that identify, send nothing, and reconnect when their connection closes:
 * `node crowd-clients.js PORT FIRST own|other`, as a child process. It answers each message of the parent, a
 * `CrowdRequest`, with a `CrowdState`. Their names are `user-N`, from FIRST on, and their addresses are spread over the
 * loopback network: one address has too few ports.
 */
import { IDENTIFIED, identifyAuth } from './idle-user.ts'
import { RawClient } from './raw-client.ts'

export interface CrowdRequest {
  /** Number of clients to have: those that are missing are opened. */
  clients: number
}

export interface CrowdState {
  identified: number
  /** Identifications that were refused so far. */
  refused: number
  /** Connections that closed, or could not be opened, so far. */
  lost: number
}

/** Clients that connect at the same time. */
const BATCH_SIZE = 100
const CLIENTS_PER_ADDRESS = 5_000
const ANSWER_TIMEOUT_MS = 30_000
/** Like the product's client, each reconnects after a random time, ms. */
const RETRY_MS = [500, 3_000] as const

const [, , port, first, system] = process.argv
const own = system === 'own'
const state: CrowdState = { identified: 0, refused: 0, lost: 0 }
let opened = 0
let opening: Promise<void> = Promise.resolve()

function addressOf(n: number): string {
  return `127.0.1.${1 + Math.floor(n / CLIENTS_PER_ADDRESS)}`
}

/** Resolves when the client is identified. */
async function open(n: number): Promise<void> {
  const user = `user-${n.toString().padStart(6, '0')}`
  let onAnswer: (isIdentified: boolean) => void = () => {}
  const answer = new Promise<boolean>(resolve => {
    onAnswer = resolve
  })
  const start = own ? IDENTIFIED : '3'
  const take = (packet: Buffer) => {
    if (packet.subarray(0, start.length).toString() === start)
      onAnswer(!own || packet.subarray(0, 40).includes('"ok":true'))
    return true
  }
  const client = await RawClient.open(Number(port), own ? identifyAuth(Number(port), user) : '', take, addressOf(n))
  client.onClose = () => onAnswer(false)
  const timer = setTimeout(() => client.close(), ANSWER_TIMEOUT_MS)
  if (!own) client.send(`20["identify",${JSON.stringify(user)}]`)
  const isIdentified = await answer
  clearTimeout(timer)
  if (!isIdentified) {
    if (!client.closed) state.refused++
    client.close()
    throw new Error('not identified')
  }
  state.identified++
  client.onClose = () => {
    state.identified--
    state.lost++
    retry(n)
  }
  if (client.closed) client.onClose()
}

async function openOrRetry(n: number): Promise<void> {
  try {
    await open(n)
  } catch {
    state.lost++
    retry(n)
  }
}

function retry(n: number): void {
  const [least, most] = RETRY_MS
  setTimeout(() => openOrRetry(n), least + Math.random() * (most - least))
}

async function openUpTo(clients: number): Promise<void> {
  while (opened < clients) {
    const batch = Array.from({ length: Math.min(BATCH_SIZE, clients - opened) }, () => Number(first) + opened++)
    await Promise.all(batch.map(openOrRetry))
  }
}

process.on('message', ({ clients }: CrowdRequest) => {
  opening = opening.then(() => openUpTo(clients))
  process.send?.(state)
})
process.on('disconnect', () => process.exit(0))
