/**
 * How a server proves to clients which mesh it belongs to, and to peers which process it is: the fields on the wire and
 * the texts that are signed. All signatures are Ed25519 (RFC 8032); keys and signatures are base64url without padding.
 */
import * as z from 'zod'
import { AUTH_MODES, type AuthMode, type Challenge, keySchema } from './credentials.ts'

/**
 * The mesh key is the Ed25519 key pair with the seed HKDF-SHA-256 (RFC 5869) of the mesh's secret in UTF-8, without salt,
 * with this info, 32 bytes. Its public key is the identity of the mesh.
 */
export const MESH_KEY_INFO = 'mesh-chat mesh key 1'
/** The secret from which a mesh without a secret derives its key. */
export const NO_SECRET = 'mesh-chat without a secret'
/** The mesh key of every mesh without a secret: everyone can sign with it, so it proves nothing. */
export const PUBLIC_MESH_KEY = 'T4aynrqvjt-GwlDEh0Owd-zhDnBgT1DA1dXALx8h_k8'

/** A signature: 64 bytes. The last character has 4 unused bits, which are 0: a signature has one spelling. */
export const signatureSchema = z.string().regex(/^[A-Za-z0-9_-]{85}[AQgw]$/, 'is not a signature')

/** A client's random number for one connection attempt; the server signs it. */
export const clientNonceSchema = z.string().regex(/^[A-Za-z0-9_-]{22,64}$/, 'is not a nonce')

/** Longest origin, in characters: the longest host name with a scheme and a port. */
const MAX_ORIGIN_LENGTH = 300
/** An origin in its canonical form: see `toOrigin`. */
export const originSchema = z
  .string()
  .max(MAX_ORIGIN_LENGTH)
  .refine(text => toOrigin(text) === text, 'is not an origin such as https://chat.example.com or http://10.0.0.1:3000')

/**
 * The origin of a URL: scheme, host and port, without the scheme's default port, as `new URL(url).origin`. Undefined for
 * a text that is not an http or https URL.
 */
export function toOrigin(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined
  const { protocol, origin } = new URL(url)
  return protocol === 'http:' || protocol === 'https:' ? origin : undefined
}

/**
 * The origin of a server's URL, in its canonical form. Undefined if the URL has a user, a path, a query or a fragment:
 * a server is a scheme, a host and a port.
 */
export function parseServerOrigin(url: string): string | undefined {
  const origin = toOrigin(url)
  if (origin === undefined) return undefined
  const { username, password, pathname, search, hash } = new URL(url)
  return `${username}${password}${search}${hash}` === '' && pathname === '/' ? origin : undefined
}

/** A public key of the mesh and the signature of `serverProofText` by its private key. */
const meshProofSchema = z.object({ key: keySchema, proof: signatureSchema })

/**
 * Proves that the server belongs to the mesh. It is part of the answer to `identify` (accepted, `prove-key` or
 * `prove-token`), if the request has `nonce` and `origin`. A refusal does not have the server's id, incarnation and mode
 * otherwise; here they are always present, and signed.
 */
export const meshIdentitySchema = meshProofSchema.extend({
  server: z.string().max(64),
  incarnation: z.string().max(64),
  auth: z.enum(AUTH_MODES),
  /** While the secret of the mesh is rotated: the same for the previous secret. */
  previous: meshProofSchema.optional(),
})
export type MeshIdentity = z.infer<typeof meshIdentitySchema>

/** What a server signs with the mesh key for one connection of a client. */
export interface ServerProof {
  /** The client's nonce. */
  nonce: string
  /** The origin that the client dialled. */
  origin: string
  auth: AuthMode
  /** The server's id. */
  server: string
  incarnation: string
}

/** The text that the mesh key `key` signs. */
export function serverProofText({ nonce, origin, auth, server, incarnation }: ServerProof, key: string): string {
  return JSON.stringify(['mesh-chat server 1', nonce, origin, auth, server, incarnation, key])
}

/**
 * The text that a user's key signs to identify at a server that has proven its mesh (`proofVersion: 2`): a proof for one
 * origin and mesh is not valid for another.
 * @param meshKey `mesh.key` of the server's answer
 */
export function boundIdentificationText(
  user: string,
  { server, connection, nonce }: Challenge,
  origin: string,
  meshKey: string,
): string {
  return JSON.stringify(['mesh-chat identify 2', user, server, connection, nonce, origin, meshKey])
}

/**
 * Whether an incarnation is the public key of its server process, which signs that server's handshakes. Servers of 0.1
 * have 32 hexadecimal digits instead.
 */
export function isProcessKey(incarnation: string): boolean {
  return keySchema.safeParse(incarnation).success
}

/** The text that a process key signs in a handshake between servers. `transcript`: both sides, see `createProof`. */
export function linkProofText(role: 'dialler' | 'acceptor', transcript: unknown): string {
  return JSON.stringify(['mesh-chat link 1', role, transcript])
}
