import { randomBytes } from 'node:crypto'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { io } from 'socket.io-client'
import * as z from 'zod'
import type { AuthMode } from '../../src/protocol/credentials.ts'
import { probeResponseSchema } from '../../src/protocol/frames.ts'
import { PROTOCOL_VERSION } from '../../src/protocol/messages.ts'
import { createProof, isSameProof, type Party, partySchema } from '../links/handshake.ts'

/** What a server's certificate is worth to who dials it. */
export interface Certificate {
  /** The code of what is wrong with it, if something is. */
  fault: string | undefined
  validTo: Date
}

/** What a server says of itself, and how far away it is. */
export interface ProbeResult {
  id: string
  protocol: number
  auth: AuthMode
  /** Whether each holds the other's secret. */
  sameSecret: boolean
  /** Time from question to answer, ms. */
  roundTripMs: number
  /** Its clock minus this machine's, ms; known where the secret is the same. */
  clockMs: number | undefined
}

/** Why an answer is none. */
export const UNKNOWN_ANSWER = 'it answers what this version does not understand'

const answerSchema = z.union([probeResponseSchema, z.object({ ok: z.literal(false), code: z.string() })])

/**
 * Reaches a server's port; with TLS, looks at its certificate.
 * @throws Error where nothing answers within the time
 */
export function reach(url: string, ca: string | undefined, withinMs: number): Promise<Certificate | undefined> {
  const { protocol, hostname, port } = new URL(url)
  const secure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  const where = { host, port: Number(port || (secure ? 443 : 80)) }
  return new Promise((resolve, reject) => {
    const watch = (socket: Socket) => {
      socket.setTimeout(withinMs, () => socket.destroy(new Error(`no answer within ${withinMs / 1_000} s`)))
      socket.once('error', reject)
    }
    if (!secure) {
      const socket = connectTcp(where, () => {
        socket.destroy()
        resolve(undefined)
      })
      return watch(socket)
    }
    const name = isIP(host) === 0 ? { servername: host } : {}
    const trust = ca === undefined ? {} : { ca }
    const socket = connectTls({ ...where, ...name, ...trust, rejectUnauthorized: false }, () => {
      const fault = socket.authorized ? undefined : `${socket.authorizationError}`
      const certificate = { fault, validTo: new Date(socket.getPeerCertificate().valid_to) }
      socket.destroy()
      resolve(certificate)
    })
    watch(socket)
  })
}

/** Who only asks: the mesh does not hear of it. */
export function probeParty(auth: AuthMode): Party {
  const nonce = () => randomBytes(16).toString('base64url')
  return { id: 'check', incarnation: nonce(), protocol: PROTOCOL_VERSION, auth, probe: true, nonce: nonce() }
}

/** A proof to be sent now, and what the answer to it tells: undefined where this version does not understand it. */
export function startProbe(
  secret: string,
  dialler: Party,
  acceptor: Party,
): { proof: string; readAnswer: (payload: unknown) => ProbeResult | undefined } {
  const { id, protocol, auth = 'open' } = acceptor
  const proof = createProof(secret, 'dialler', dialler, acceptor)
  const asked = performance.now()
  const at = Date.now()
  const answered = (payload: unknown) => {
    const roundTripMs = performance.now() - asked
    const answer = answerSchema.safeParse(payload)
    if (!answer.success) return undefined
    const { data } = answer
    const sameSecret = data.ok && isSameProof(createProof(secret, 'acceptor', dialler, acceptor), data.proof)
    const clockMs = data.ok && sameSecret ? data.time - (at + roundTripMs / 2) : undefined
    return { id, protocol, auth, sameSecret, roundTripMs, clockMs }
  }
  return { proof, readAnswer: answered }
}

/**
 * Goes through the handshake of a peer, as one that only asks.
 * @throws Error for what is no server of mesh-chat
 */
export function probe(url: string, secret: string, auth: AuthMode, withinMs: number): Promise<ProbeResult> {
  const dialler = probeParty(auth)
  const socket = io(`${url}/mesh`, {
    auth: dialler,
    transports: ['websocket'],
    reconnection: false,
    forceNew: true,
    // What its certificate is worth is looked at by `reach`; nothing secret is told here.
    rejectUnauthorized: false,
  })
  return new Promise<ProbeResult>((resolve, reject) => {
    const fail = (reason: string) => reject(new Error(reason))
    setTimeout(() => fail(`no answer within ${withinMs / 1_000} s`), withinMs).unref()
    socket.on('connect_error', () => fail('what answers there is no mesh-chat'))
    socket.on('disconnect', () => fail('it hung up; it may be busy, or is no mesh-chat of this version'))
    socket.once('challenge', (payload: unknown) => {
      const challenge = partySchema.safeParse(payload)
      if (!challenge.success) return fail('what answers there is no mesh-chat of this version')
      const { proof, readAnswer: answered } = startProbe(secret, dialler, challenge.data)
      socket.emit('prove', proof, (payload: unknown) => {
        const probed = answered(payload)
        if (probed === undefined) return fail(UNKNOWN_ANSWER)
        resolve(probed)
      })
    })
  }).finally(() => socket.disconnect())
}
