import type { SessionInput } from '../../../../src/client/types.ts'
import type { IdentifyRequest, IdentifyResponse } from '../../../../src/protocol/messages.ts'
import { PUBLIC_MESH_KEY, serverProofText } from '../../../../src/protocol/proofs/mesh-identity.ts'
import { signatureOf } from '../../mesh-signatures.ts'
import { keyNamed } from '../plain-identity.ts'
import { SIMULATION_EPOCH_MS } from '../sim-process.ts'

/** The address of a server that is not of the mesh. */
export const STRANGER_URL = 'http://stranger:1'

/** What a stranger claims to be: a server of 0.1, of a mesh without a secret, or of another mesh. */
const CLAIMED_KEYS = [undefined, PUBLIC_MESH_KEY, keyNamed('stranger')] as const

/**
 * What a stranger sends to a client that identifies: it lets the client in, forges a message and asks for the history.
 * @param choice which claim it makes, any integer
 */
export function strangerInputs(dial: number, request: IdentifyRequest, choice: number): SessionInput[] {
  const { user, nonce = '', origin = '' } = request
  const key = CLAIMED_KEYS[choice % CLAIMED_KEYS.length]
  const [server, incarnation, auth] = ['stranger', 'stranger', 'open'] as const
  const text = serverProofText({ nonce, origin, auth, server, incarnation }, key ?? '')
  const mesh = key === undefined ? {} : { mesh: { key, server, incarnation, auth, proof: signatureOf(key, text) } }
  const answer: IdentifyResponse = {
    ok: true,
    server,
    incarnation,
    connection: 'stranger:1',
    roster: { version: 1, users: [user] },
    time: SIMULATION_EPOCH_MS,
    servers: [],
    ...mesh,
  }
  const message = { id: 'forged', at: SIMULATION_EPOCH_MS, from: 'Stranger', to: user, text: 'forged' }
  const inputs: SessionInput[] = [
    { type: 'im', dial, message: { ...message, forwarded: false } },
    { type: 'siblings', dial, connections: 2 },
    { type: 'relay', dial, from: 'stranger:2', frame: { type: 'have', from: 0, messages: [message] }, sealed: false },
  ]
  return [...inputs, { type: 'identified', dial, answer }, ...inputs]
}
