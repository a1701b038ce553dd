import { EXIT, fail } from '../../src/programs/command-line/fail.ts'
import { printLine, printLines } from '../../src/programs/command-line/print.ts'
import { toOrigin } from '../../src/protocol/proofs/mesh-identity.ts'
import { sanitizedJson, sanitizeLine } from '../../src/protocol/text.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { KnownMeshes } from '../session/known-meshes.ts'
import type { KnownMesh } from '../session/mesh-list.ts'
import { describeKey } from '../session/mesh-notices.ts'

/** Prints the meshes that this client knows. */
export function listMeshes(args: { json?: boolean }): void {
  const pins = KnownMeshes.onDisk()
  if (pins.problem !== undefined) console.error(sanitizeLine(`mesh-chat: ${pins.problem}`))
  printLines(
    pins.meshes.flatMap(mesh => (args.json ? sanitizedJson(meshJson(mesh)) : meshLines(mesh).map(sanitizeLine))),
  )
}

/**
 * Forgets which mesh a server belongs to, so that the client accepts another one there.
 * @param args.keepHistory the next mesh that is met there gets the messages of the forgotten one
 */
export function forgetMesh(address: string, args: { keepHistory?: boolean }): void {
  const origin = toOrigin(address)
  if (origin === undefined) {
    return fail(EXIT.usage, `${sanitizeLine(address)} is not a server URL; give http://HOST:PORT or https://HOST:PORT`)
  }
  const pins = KnownMeshes.onDisk()
  const mesh = pins.forget(origin, args.keepHistory === true)
  if (pins.problem !== undefined) return fail(EXIT.general, sanitizeLine(`nothing was changed: ${pins.problem}`))
  if (mesh === undefined)
    return fail(EXIT.general, `no mesh is known at ${origin}; list them with: mesh-chat mesh list`)
  printLine(
    args.keepHistory
      ? `Forgot the key and the auth mode of ${mesh.folder}; the next mesh that you meet at ${origin} gets its messages`
      : `Forgot that ${origin} belongs to ${mesh.folder}; its messages stay on disk: mesh-chat history --mesh ${mesh.folder}`,
  )
}

function meshLines({ folder, key, mode, origins, since }: KnownMesh): string[] {
  return [
    `${folder}  (auth: ${mode ?? 'not known yet'}, since ${since.slice(0, 10)})`,
    `  key:     ${mode === undefined && key === undefined ? 'not known yet' : describeKey(key)}`,
    `  servers: ${origins.length === 0 ? 'none, forgotten' : origins.join(', ')}`,
  ]
}

function meshJson({ folder, key, mode, origins, since }: KnownMesh): object {
  return { mesh: folder, key, words: key === undefined ? undefined : fingerprint(key), mode, servers: origins, since }
}
