import { isLoopbackUrl } from '../common/loopback.ts'
import type { AuthMode } from '../protocol/proofs/credentials.ts'
import {
  type MeshIdentity,
  NO_TLS,
  PUBLIC_MESH_KEY,
  type ServerProof,
  serverProofText,
  successorText,
  TLS_AT_PROXY,
} from '../protocol/proofs/mesh-identity.ts'
import { type Context, emit } from './context.ts'
import type { MeshPin, SessionEvent } from './events.ts'
import type { IdentifyAnswer } from './types.ts'

/** One connection, and what the server must sign for it. */
export interface DialledServer {
  readonly url: string
  /** Of `url`; undefined: not an http URL, so no server can prove it. */
  readonly origin: string | undefined
  readonly nonce: string
  /** The exporter value of the connection's TLS; undefined: no TLS, or none of version 1.3. */
  readonly exporter: string | undefined
  /** Whether the user configured this server; else another server announced it. */
  readonly isConfigured: boolean
}

type MeshEvent = Extract<SessionEvent, { type: 'mesh' }>

/** What a server's answer says about its mesh. `channel`: as in `ServerProof`. */
export type MeshCheck =
  /** The expected mesh. */
  | { result: 'expected'; key: string | undefined; channel: string | undefined }
  /** A mesh that the caller of the session has to accept first. */
  | { result: 'ask'; event: MeshEvent; channel: string | undefined }
  /** No valid proof where one is required: not a server to use. */
  | { result: 'unproven'; reason: string }
  /** Another mesh, or another auth mode, than the expected one. */
  | { result: 'changed'; message: string }

/**
 * Decides which servers belong to this session's mesh. The first mesh that a configured server proves is the session's
 * mesh, unless an earlier run pinned one; each further server must prove the same key and have the same auth mode.
 */
export class MeshTrust {
  readonly #context: Context
  /** The mesh that the caller has accepted in this session. */
  #accepted: { key: string | undefined; mode: AuthMode } | undefined
  /** Waits for the caller to accept it. */
  #proposed: MeshEvent | undefined
  /**
   * The key before the secret was rotated: servers that have not restarted yet prove only this one. Undefined once a
   * server proves only the new one: then the rotation is over.
   */
  #previousKey: string | undefined
  /** A key that servers which were announced have proven besides the expected one; siblings may use it already. */
  #announcedKey: string | undefined

  constructor(context: Context) {
    this.#context = context
  }

  get isAccepted(): boolean {
    return this.#accepted !== undefined
  }

  /** The expected mesh key and auth mode; each undefined until it is known. */
  get expected(): MeshPin {
    const { mesh, auth } = this.#context.options
    const key = this.#accepted === undefined ? mesh?.key : this.#accepted.key
    return { key, mode: this.#accepted?.mode ?? mesh?.mode ?? auth, former: mesh?.former }
  }

  /** Whether a server may be dialled because another one announced it: it must be able to prove something. */
  mayFollowTo(origin: string): boolean {
    const { key } = this.expected
    if (key === undefined) return false
    // Everyone can prove the public key. On this machine that is no worse than the configured address.
    return key !== PUBLIC_MESH_KEY || (this.#context.options.servers.every(isLoopbackUrl) && isLoopbackUrl(origin))
  }

  /**
   * Checks the answer of a server.
   * @param mode the auth mode that the answer shows
   */
  check(server: DialledServer, answer: IdentifyAnswer, mode: AuthMode): MeshCheck {
    const { mesh } = answer
    const { url, isConfigured } = server
    if (mesh === undefined) return this.#checkLegacy(server, mode)
    const proof = this.#verify(server, answer, mesh, mode)
    if (proof === undefined) return { result: 'unproven', reason: describeUnproven(server) }
    const { channel } = proof
    const { expected } = this
    const known = expected.key
    const isSuccessor = known !== undefined && known !== mesh.key && this.#isSuccessor(known, server, mesh, proof)
    // An announced server may be a peer with a stolen secret: it must not change what the client expects of all others.
    const isMoved = isSuccessor && isConfigured
    if (isSuccessor && !isConfigured) this.#announcedKey = mesh.key
    if (known !== mesh.key && !isSuccessor && mesh.key !== this.#previousKey) {
      if (!isConfigured) return { result: 'unproven', reason: `${url} belongs to another mesh` }
      if (expected.former?.includes(mesh.key)) return { result: 'unproven', reason: describeFormer(url) }
      if (known !== undefined) return this.#changed(url, { key: mesh.key, mode })
    }
    if (known === mesh.key && mesh.previous?.key !== this.#previousKey) this.#previousKey = undefined
    if (expected.mode !== undefined && expected.mode !== mode) {
      if (!isConfigured) return { result: 'unproven', reason: `${url} uses another auth mode than this mesh` }
      return this.#changed(url, { key: mesh.key, mode })
    }
    if (this.#accepted !== undefined && !isMoved && known !== undefined)
      return { result: 'expected', key: mesh.key, channel }
    // Only a configured server moves the mesh to its key.
    const key = isSuccessor && !isMoved ? known : mesh.key
    const event: MeshEvent = { type: 'mesh', key, mode, url, isNew: known === undefined }
    return this.#ask(isMoved ? { ...event, movedFrom: known } : event, channel)
  }

  /** The caller has accepted the mesh of the last event. Returns whether one waits. */
  accept(): boolean {
    const proposed = this.#proposed
    if (proposed === undefined) return false
    this.#proposed = undefined
    if (proposed.movedFrom !== undefined && proposed.movedFrom !== PUBLIC_MESH_KEY)
      this.#previousKey = proposed.movedFrom
    this.#accepted = { key: proposed.key, mode: proposed.mode }
    return true
  }

  /** The connection on which the mesh was proven is lost. */
  onDisconnected(): void {
    this.#proposed = undefined
  }

  /** Whether siblings may use this mesh key; a sibling of 0.1 names none. */
  isMeshOfSibling(key: string | undefined): boolean {
    const own = this.#accepted?.key
    return key === undefined || own === undefined || [own, this.#previousKey, this.#announcedKey].includes(key)
  }

  /** A server of 0.1 proves nothing: only a configured one is accepted, and only while no key is known. */
  #checkLegacy({ url, isConfigured }: DialledServer, mode: AuthMode): MeshCheck {
    const { key, mode: expectedMode } = this.expected
    if (!isConfigured || (key !== undefined && key !== PUBLIC_MESH_KEY)) {
      const reason = `${url} does not prove its mesh; it is an impostor, or its version is older than 0.2`
      return { result: 'unproven', reason }
    }
    if (expectedMode !== undefined && expectedMode !== mode) return this.#changed(url, { key: undefined, mode })
    if (this.#accepted !== undefined) return { result: 'expected', key: undefined, channel: undefined }
    return this.#ask({ type: 'mesh', key: undefined, mode, url, isNew: key === undefined }, undefined)
  }

  /** What the server has proven; undefined if the proof is not valid for this connection and this answer. */
  #verify(
    { origin, nonce, exporter }: DialledServer,
    answer: IdentifyAnswer,
    mesh: MeshIdentity,
    mode: AuthMode,
  ): ServerProof | undefined {
    const { auth, server, incarnation, key } = mesh
    if (origin === undefined || auth !== mode) return undefined
    const isSameServer = answer.ok
      ? server === answer.server && incarnation === answer.incarnation
      : answer.challenge === undefined || answer.challenge.server === server
    if (!isSameServer) return undefined
    // Only a server of 0.2.0 signs without a channel: others see by the nonce that this client requires one.
    const channels = [...(origin.startsWith('https:') ? [exporter, TLS_AT_PROXY] : [NO_TLS]), undefined]
    return [...new Set(channels)]
      .map(channel => ({ nonce, origin, auth, server, incarnation, channel }))
      .find(proof => this.#context.options.verify(key, serverProofText(proof, key), mesh.proof, mesh.batch))
  }

  /**
   * Whether the mesh with the key `known` has another key now: a server proves both while the secret is rotated, and a
   * mesh without a secret may get one. In version 1 the signature of `known` does not say which key follows: then anyone
   * who passes on the connection could bring in another key.
   */
  #isSuccessor(known: string, { isConfigured }: DialledServer, mesh: MeshIdentity, proof: ServerProof): boolean {
    const { key, previous } = mesh
    if (key === PUBLIC_MESH_KEY) return false
    if (known === PUBLIC_MESH_KEY) return isConfigured
    if (previous?.key !== known || proof.channel === undefined) return false
    return this.#context.options.verify(known, successorText(proof, known, key), previous.proof)
  }

  #ask(event: MeshEvent, channel: string | undefined): MeshCheck {
    this.#proposed = event
    return { result: 'ask', event, channel }
  }

  #changed(url: string, actual: { key: string | undefined; mode: AuthMode }): MeshCheck {
    const { expected } = this
    emit(this.#context, { type: 'mesh-changed', url, expected, actual })
    return { result: 'changed', message: this.#describeChange(url, expected, actual) }
  }

  #describeChange(url: string, expected: MeshPin, actual: { key: string | undefined; mode: AuthMode }): string {
    const { user, mesh } = this.#context.options
    const wayOut = `if its operator changed this, run: mesh-chat mesh forget ${new URL(url).origin}`
    if (expected.key !== undefined && actual.key !== undefined && expected.key !== actual.key) {
      const keys = `${describeKey(expected.key)} before, ${describeKey(actual.key)} now`
      return `the mesh at ${url} has another key (${keys}): this may be an impostor; ${wayOut}`
    }
    if (mesh?.mode === undefined && !this.isAccepted && expected.mode === 'key') {
      const why = `${url} does not use keys but ${user} has one: this server could read and forge messages`
      return `${why}; to connect anyway, use --insecure`
    }
    return `the mesh at ${url} has another auth mode (${expected.mode} before, ${actual.mode} now); ${wayOut}`
  }
}

function describeUnproven({ url, origin }: DialledServer): string {
  const proxy = origin?.startsWith('https:')
    ? ', or a proxy that decrypts the connection and whose address is not in the names of the servers'
    : ''
  return `${url} gave no valid proof of its mesh; it may be an impostor${proxy}`
}

function describeFormer(url: string): string {
  return `${url} proves only a former key of the mesh: its secret has not been changed yet, or it is an impostor`
}

function describeKey(key: string): string {
  return key === PUBLIC_MESH_KEY ? 'no secret' : key
}
