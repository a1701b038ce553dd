import { isLoopbackUrl } from '../common/loopback.ts'
import type { AuthMode } from '../protocol/credentials.ts'
import { type MeshIdentity, PUBLIC_MESH_KEY, serverProofText } from '../protocol/mesh-identity.ts'
import type { IdentifyResponse } from '../protocol/messages.ts'
import { type Context, emit } from './context.ts'
import type { MeshPin, SessionEvent } from './events.ts'

/** One connection, and what the server must sign for it. */
export interface DialledServer {
  readonly url: string
  /** Of `url`; undefined: not an http URL, so no server can prove it. */
  readonly origin: string | undefined
  readonly nonce: string
  /** Whether the user configured this server; else another server announced it. */
  readonly isConfigured: boolean
}

type MeshEvent = Extract<SessionEvent, { type: 'mesh' }>

/** What a server's answer says about its mesh. */
export type MeshCheck =
  /** The expected mesh. */
  | { result: 'expected'; key: string | undefined }
  /** A mesh that the caller of the session has to accept first. */
  | { result: 'ask'; event: MeshEvent }
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
  /** The key before the secret was rotated: servers that have not restarted yet prove only this one. */
  #previousKey: string | undefined

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
    return { key, mode: this.#accepted?.mode ?? mesh?.mode ?? auth }
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
  check(server: DialledServer, answer: IdentifyResponse, mode: AuthMode): MeshCheck {
    const { mesh } = answer
    const { url, isConfigured } = server
    if (mesh === undefined) return this.#checkLegacy(server, mode)
    if (!this.#isProven(server, answer, mesh, mode)) {
      return { result: 'unproven', reason: `${url} gave no valid proof of its mesh; it may be an impostor` }
    }
    const { expected } = this
    const known = expected.key
    const isMoved = known !== undefined && known !== mesh.key && this.#isMove(known, server, mesh)
    if (known !== mesh.key && !isMoved && mesh.key !== this.#previousKey) {
      if (!isConfigured) return { result: 'unproven', reason: `${url} belongs to another mesh` }
      if (known !== undefined) return this.#changed(url, { key: mesh.key, mode })
    }
    if (expected.mode !== undefined && expected.mode !== mode) {
      if (!isConfigured) return { result: 'unproven', reason: `${url} uses another auth mode than this mesh` }
      return this.#changed(url, { key: mesh.key, mode })
    }
    if (this.#accepted !== undefined && !isMoved && known !== undefined) return { result: 'expected', key: mesh.key }
    const event: MeshEvent = { type: 'mesh', key: mesh.key, mode, url, isNew: known === undefined }
    return this.#ask(isMoved ? { ...event, movedFrom: known } : event)
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
    return key === undefined || own === undefined || key === own || key === this.#previousKey
  }

  /** A server of 0.1 proves nothing: only a configured one is accepted, and only while no key is known. */
  #checkLegacy({ url, isConfigured }: DialledServer, mode: AuthMode): MeshCheck {
    const { key, mode: expectedMode } = this.expected
    if (!isConfigured || (key !== undefined && key !== PUBLIC_MESH_KEY)) {
      const reason = `${url} does not prove its mesh; it is an impostor, or its version is older than 0.2`
      return { result: 'unproven', reason }
    }
    if (expectedMode !== undefined && expectedMode !== mode) return this.#changed(url, { key: undefined, mode })
    if (this.#accepted !== undefined) return { result: 'expected', key: undefined }
    return this.#ask({ type: 'mesh', key: undefined, mode, url, isNew: key === undefined })
  }

  #isProven(server: DialledServer, answer: IdentifyResponse, mesh: MeshIdentity, mode: AuthMode): boolean {
    if (mesh.auth !== mode) return false
    const isSameServer = answer.ok
      ? mesh.server === answer.server && mesh.incarnation === answer.incarnation
      : answer.challenge === undefined || answer.challenge.server === mesh.server
    return isSameServer && this.#isSigned(server, mesh, mesh)
  }

  #isSigned({ origin, nonce }: DialledServer, mesh: MeshIdentity, { key, proof }: { key: string; proof: string }) {
    if (origin === undefined) return false
    const { auth, server, incarnation } = mesh
    return this.#context.options.verify(key, serverProofText({ nonce, origin, auth, server, incarnation }, key), proof)
  }

  /**
   * Whether the mesh with the key `known` has another key now: a server proves both while the secret is rotated, and a
   * mesh without a secret may get one.
   */
  #isMove(known: string, server: DialledServer, mesh: MeshIdentity): boolean {
    if (mesh.key === PUBLIC_MESH_KEY) return false
    if (known === PUBLIC_MESH_KEY) return server.isConfigured
    return mesh.previous?.key === known && this.#isSigned(server, mesh, mesh.previous)
  }

  #ask(event: MeshEvent): MeshCheck {
    this.#proposed = event
    return { result: 'ask', event }
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

function describeKey(key: string): string {
  return key === PUBLIC_MESH_KEY ? 'no secret' : key
}
