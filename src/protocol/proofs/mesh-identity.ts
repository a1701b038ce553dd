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

/**
 * Starts the nonce of a client that requires the proof of version 2. It is part of the nonce, which the server signs: a
 * relay between the two cannot ask for the earlier version.
 */
export const NONCE_PREFIX = 'mesh2-'
/** The label of the exporter value of a TLS connection (RFC 9266): 32 bytes, with an empty context. */
export const TLS_EXPORTER_LABEL = 'EXPORTER-Channel-Binding'
/** The channel of a connection that the client dialled without TLS. */
export const NO_TLS = 'none'
/** The channel of a connection whose TLS ends at a proxy: the server cannot see it. */
export const TLS_AT_PROXY = 'proxy'

/** A client's random number for one connection attempt; the server signs it. */
export const clientNonceSchema = z.string().regex(/^[A-Za-z0-9_-]{22,64}$/, 'is not a nonce')

/** Longest origin, in characters: the longest host name with a scheme and a port. */
const MAX_ORIGIN_LENGTH = 300
/** The last text that was an origin: the clients of a server send the same few. */
let knownOrigin = ''
/** An origin in its canonical form: see `toOrigin`. */
export const originSchema = z
  .string()
  .max(MAX_ORIGIN_LENGTH)
  .refine(isOrigin, 'is not an origin such as https://chat.example.com or http://10.0.0.1:3000')

function isOrigin(text: string): boolean {
  if (text === knownOrigin) return true
  if (toOrigin(text) !== text) return false
  knownOrigin = text
  return true
}

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

/** Most texts that one signature covers. */
export const MAX_BATCH_SIZE = 1_024

/** Of SHA-256: 32 bytes. The last character has 2 unused bits, which are 0. */
const hashSchema = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'is not a hash')

/** Where a text is in a batch that is signed at once: see `signBatch`. */
export const batchPathSchema = z
  .object({
    /** Its place among the texts; bit n: whether it is to the right of `path[n]`. */
    index: z.int().min(0),
    /** The sibling's hash on each level, from the leaf up. */
    path: z.array(hashSchema).min(1).max(Math.log2(MAX_BATCH_SIZE)),
  })
  .refine(({ index, path }) => index < 2 ** path.length, 'the index is not in a tree of this height')
export type BatchPath = z.infer<typeof batchPathSchema>

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
  /** Present if `proof` signs a batch: where the text is in it. Only for a client that identified with `batched`. */
  batch: batchPathSchema.optional(),
  /** While the secret of the mesh is rotated: the previous secret's signature of `successorText`; in version 1, as `proof`. */
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
  /**
   * The TLS connection on which the client waits: its exporter value (RFC 9266) in base64url, `NO_TLS` or `TLS_AT_PROXY`.
   * Undefined: version 1, for a client of 0.2.0.
   */
  channel?: string | undefined
}

/** The text that the mesh key `key` signs. */
export function serverProofText(proof: ServerProof, key: string): string {
  const { nonce, origin, auth, server, incarnation, channel } = proof
  if (channel === undefined)
    return JSON.stringify(['mesh-chat server 1', nonce, origin, auth, server, incarnation, key])
  return JSON.stringify(['mesh-chat server 2', nonce, origin, channel, auth, server, incarnation, key])
}

/**
 * The text that the previous mesh key signs while the secret is rotated: it names the key that follows, so that
 * others cannot use the signature to bring in another one.
 */
export function successorText(proof: ServerProof, previousKey: string, key: string): string {
  const { nonce, origin, auth, server, incarnation, channel } = proof
  if (channel === undefined) return serverProofText(proof, previousKey)
  return JSON.stringify(['mesh-chat successor 2', nonce, origin, channel, auth, server, incarnation, previousKey, key])
}

/** What a user's proof is valid for, besides the server's connection: a proof for one is not valid for another. */
export interface ProofBinding {
  /** The origin that the client dialled. */
  readonly origin: string
  /** `mesh.key` of the server's answer. */
  readonly meshKey: string
  /** As in `ServerProof`. */
  readonly channel: string | undefined
}

/** The `proofVersion` of a user's proof with this binding. */
export function proofVersionOf({ channel }: ProofBinding): 2 | 3 {
  return channel === undefined ? 2 : 3
}

/** The text that a user's key signs to identify at a server that has proven its mesh. */
export function boundIdentificationText(
  user: string,
  { server, connection, nonce }: Challenge,
  { origin, meshKey, channel }: ProofBinding,
): string {
  if (channel === undefined)
    return JSON.stringify(['mesh-chat identify 2', user, server, connection, nonce, origin, meshKey])
  return JSON.stringify(['mesh-chat identify 3', user, server, connection, nonce, origin, channel, meshKey])
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
