import { randomBytes } from 'node:crypto'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import * as z from 'zod'
import { dialOnce } from '../../src/programs/checked-socket.ts'
import { probeResponseSchema } from '../../src/protocol/frames.ts'
import type { AuthMode } from '../../src/protocol/proofs/credentials.ts'
import { OWN_PROTOCOLS } from '../../src/protocol/versions.ts'
import { createProof, isSameProof, type Party, partySchema } from '../links/handshake.ts'

/** The certificate of a server, as this machine sees it. */
export interface Certificate {
  /** The error code of the verification; undefined if it is trusted. */
  fault: string | undefined
  validTo: Date
}

/** A server's identity, latency and clock. */
export interface ProbeResult {
  id: string
  protocol: number
  newestProtocol?: number | undefined
  auth: AuthMode
  /** Whether both sides have the same secret. */
  sameSecret: boolean
  /** Whether that is the one before a rotation. */
  isPreviousSecret?: boolean
  /** Time from request to response, ms. */
  roundTripMs: number
  /** Its clock minus this machine's, ms; undefined if the secret differs. */
  clockMs: number | undefined
}

/** The error for a response that does not parse. */
export const UNKNOWN_ANSWER = 'it sent an unknown response; install the same mesh-chat version on both'

const answerSchema = z.union([probeResponseSchema, z.object({ ok: z.literal(false), code: z.string() })])

/**
 * Connects to a server's port; returns its certificate with TLS.
 * @throws Error if it does not answer in time
 */
export function reach(url: string, ca: string | undefined, withinMs: number): Promise<Certificate | undefined> {
  const { protocol, hostname, port } = new URL(url)
  const secure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  const where = { host, port: Number(port || (secure ? 443 : 80)) }
  return new Promise((resolve, reject) => {
    const watch = (socket: Socket) => {
      const text = `no answer within ${withinMs / 1_000} s`
      socket.setTimeout(withinMs, () => socket.destroy(Object.assign(new Error(text), { code: 'ETIMEDOUT' })))
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

/** The identity of a probe, which does not become a peer. */
export function probeParty(auth: AuthMode): Party {
  const nonce = () => randomBytes(16).toString('base64url')
  return { id: 'check', incarnation: nonce(), ...OWN_PROTOCOLS, auth, probe: true, nonce: nonce() }
}

/** Creates the proof to send now, and a function that parses the response; undefined if it does not parse. */
export function startProbe(
  secret: string,
  dialler: Party,
  acceptor: Party,
): { proof: string; readAnswer: (payload: unknown) => ProbeResult | undefined } {
  const { id, protocol, newestProtocol, auth = 'open' } = acceptor
  const proof = createProof(secret, 'dialler', dialler, acceptor)
  const asked = performance.now()
  const at = Date.now()
  const readAnswer = (payload: unknown) => {
    const roundTripMs = performance.now() - asked
    const answer = answerSchema.safeParse(payload)
    if (!answer.success) return undefined
    const { data } = answer
    const sameSecret = data.ok && isSameProof(createProof(secret, 'acceptor', dialler, acceptor), data.proof)
    const clockMs = data.ok && sameSecret ? data.time - (at + roundTripMs / 2) : undefined
    return { id, protocol, newestProtocol, auth, sameSecret, roundTripMs, clockMs }
  }
  return { proof, readAnswer }
}

/** Probes a server with the mesh's secret and, if it has another one during a rotation, with the previous one. */
export async function probeInRotation(
  { secret, previousSecret }: { secret: string; previousSecret: string | undefined },
  probeWith: (secret: string) => Promise<ProbeResult>,
): Promise<ProbeResult> {
  const probed = await probeWith(secret)
  if (probed.sameSecret || previousSecret === undefined) return probed
  const again = await probeWith(previousSecret)
  return again.sameSecret ? { ...again, isPreviousSecret: true } : probed
}

/**
 * Runs the handshake of a peer as a probe.
 * @throws Error if the program at `url` is not a mesh-chat server
 */
export function probe(url: string, secret: string, auth: AuthMode, withinMs: number): Promise<ProbeResult> {
  const dialler = probeParty(auth)
  const socket = dialOnce(`${url}/mesh`, {
    auth: dialler,
    // `reach` verifies the certificate; the probe sends nothing secret.
    rejectUnauthorized: false,
  })
  return new Promise<ProbeResult>((resolve, reject) => {
    const fail = (reason: string) => reject(new Error(reason))
    setTimeout(() => fail(`no answer within ${withinMs / 1_000} s`), withinMs).unref()
    socket.on('connect_error', () => fail('the program at this address is not mesh-chat'))
    socket.on('disconnect', () => fail('it closed the connection; it may be busy, or another version of mesh-chat'))
    socket.once('challenge', (payload: unknown) => {
      const challenge = partySchema.safeParse(payload)
      if (!challenge.success) return fail('the program at this address is not this version of mesh-chat')
      const { proof, readAnswer } = startProbe(secret, dialler, challenge.data)
      socket.emit('prove', proof, (payload: unknown) => {
        const probed = readAnswer(payload)
        if (probed === undefined) return fail(UNKNOWN_ANSWER)
        resolve(probed)
      })
    })
  }).finally(() => socket.disconnect())
}
