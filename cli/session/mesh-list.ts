/** The meshes that a client has met, as a list: what to look up, and how a meeting changes it. */

import { isLoopbackUrl } from '../../src/common/loopback.ts'
import type { AuthMode } from '../../src/protocol/proofs/credentials.ts'
import { PUBLIC_MESH_KEY } from '../../src/protocol/proofs/mesh-identity.ts'

/** Most origins remembered of one mesh; the oldest are dropped. */
const MAX_ORIGINS = 100
/** Most former keys remembered of one mesh; the oldest are dropped. */
const MAX_FORMER_KEYS = 20
/** Most folders that one mesh has taken over; the oldest are dropped. */
const MAX_MERGED_FOLDERS = 100
/** Longest readable part of a folder's name. */
const MAX_FOLDER_LENGTH = 60

/** A mesh that this client knows, and what it must be like. */
export interface KnownMesh {
  /** Name of its folder in `meshes`. */
  folder: string
  /** The mesh key; undefined: no server has proven one yet. */
  key?: string | undefined
  /** The auth mode; undefined: not met yet. */
  mode?: AuthMode | undefined
  /** Origins at which its servers were dialled, oldest first. An origin belongs to one mesh. */
  origins: string[]
  /** Folders whose files belong to this mesh: they were used before it was known to be the same mesh. */
  merged?: string[] | undefined
  /** Its keys before its secret was changed, oldest first: servers that prove only one of them are not used. */
  former?: string[] | undefined
  /** When it was first dialled, ISO 8601. */
  since: string
}

/** What a server at `origin` has shown. `key` is undefined for a server of 0.1, which proves nothing. */
export interface MetMesh {
  key: string | undefined
  mode: AuthMode
  origin: string
}

/**
 * What is new about a mesh. `known`: nothing. `new`: its first proven key, or, without a key, its first server of 0.1.
 * `proven`: it had no secret before, or servers of 0.1, and proves a key now. `rotated`: another key, which the known one
 * has vouched for. `same`: another known mesh has this key, so the two are one.
 */
type MeetingResult = 'known' | 'new' | 'proven' | 'rotated' | 'same'

export interface Meeting {
  mesh: KnownMesh
  result: MeetingResult
  /** With `same`: the folder to merge into that of `mesh`. */
  mergedFolder?: string
}

export function findByOrigin(meshes: readonly KnownMesh[], origin: string): KnownMesh | undefined {
  return meshes.find(({ origins }) => origins.includes(origin))
}

/**
 * The mesh of the first origin that belongs to one; else a new mesh with the first origin.
 * @param usedFolders names that a new folder must not have, besides those of the known meshes
 */
export function findOrAdd(
  meshes: KnownMesh[],
  origins: readonly string[],
  now: Date,
  usedFolders: readonly string[],
): KnownMesh {
  for (const origin of origins) {
    const known = findByOrigin(meshes, origin)
    if (known !== undefined) return known
  }
  const [first = ''] = origins
  const folders = meshes.flatMap(({ folder, merged = [] }) => [folder, ...merged])
  const folder = folderNameFor([...folders, ...usedFolders], first)
  const added: KnownMesh = { folder, origins: [first], since: now.toISOString() }
  meshes.push(added)
  return added
}

/** Records what a server of the mesh has shown. The caller has verified that it is allowed for this mesh. */
export function meet(meshes: KnownMesh[], folder: string, met: MetMesh): Meeting {
  const mesh = meshes.find(one => one.folder === folder)
  if (mesh === undefined) {
    // Another process has merged the folder in the meantime.
    const merged = meshes.find(one => one.merged?.includes(folder) && isSameMesh(one, met))
    if (merged === undefined)
      throw new Error(`the mesh of ${met.origin} was removed from the known meshes; start again`)
    return { mesh: merged, result: 'same', mergedFolder: folder }
  }
  const same = meshes.find(one => one !== mesh && isSameMesh(one, met))
  if (same?.key !== undefined && mesh.key !== met.key) {
    setKey(same, same.key, mesh.key)
    meshes.splice(meshes.indexOf(mesh), 1)
    for (const origin of [...mesh.origins, met.origin]) addOrigin(meshes, same, origin)
    same.merged = [...(same.merged ?? []), ...(mesh.merged ?? []), mesh.folder].slice(-MAX_MERGED_FOLDERS)
    return { mesh: same, result: 'same', mergedFolder: mesh.folder }
  }
  const result = compare(mesh, met)
  if (met.key !== undefined) setKey(mesh, met.key)
  mesh.mode ??= met.mode
  addOrigin(meshes, mesh, met.origin)
  return { mesh, result }
}

/** Adds an origin at which the mesh has proven its key, unless it belongs to another mesh. */
export function addOrigin(meshes: readonly KnownMesh[], mesh: KnownMesh, origin: string): void {
  if (findByOrigin(meshes, origin) !== undefined) return
  mesh.origins = [...mesh.origins, origin].slice(-MAX_ORIGINS)
}

/**
 * Forgets which mesh an origin belongs to: the next server there is met for the first time.
 * @param keepHistory keep the folder for the next mesh that is met there, instead of starting with an empty one
 * @returns the mesh that the origin belonged to; undefined if none
 */
export function forget(meshes: readonly KnownMesh[], origin: string, keepHistory: boolean): KnownMesh | undefined {
  const mesh = findByOrigin(meshes, origin)
  if (mesh === undefined) return undefined
  if (keepHistory) {
    delete mesh.key
    delete mesh.mode
    delete mesh.former
  } else mesh.origins = mesh.origins.filter(one => one !== origin)
  return mesh
}

/** Sets the key of a mesh; `formerKey` is a former one from now on. */
function setKey(mesh: KnownMesh, key: string, formerKey = mesh.key): void {
  mesh.key = key
  if (formerKey === undefined || formerKey === key) return
  const former = [...(mesh.former ?? []), formerKey].filter(one => one !== key)
  mesh.former = [...new Set(former)].slice(-MAX_FORMER_KEYS)
}

function compare(mesh: KnownMesh, met: MetMesh): MeetingResult {
  // Servers of 0.1 prove nothing, and change nothing in a mesh that is known already.
  if (mesh.key === met.key || met.key === undefined) return mesh.mode === undefined ? 'new' : 'known'
  if (mesh.key === undefined) return mesh.mode === undefined ? 'new' : 'proven'
  return mesh.key === PUBLIC_MESH_KEY ? 'proven' : 'rotated'
}

/**
 * Whether a known mesh is the one that was met. Everyone can prove the key of meshes without a secret: on this machine
 * they count as one mesh per auth mode, elsewhere each origin is its own mesh.
 */
function isSameMesh(known: KnownMesh, { key, mode, origin }: MetMesh): boolean {
  if (key === undefined || known.key !== key) return false
  if (key !== PUBLIC_MESH_KEY) return true
  return known.mode === mode && [origin, ...known.origins].every(isLoopbackUrl)
}

/** Whether two pins are of one mesh: their keys are equal, or the secret was changed between them. */
export function isSameKey(one: KnownMesh, other: KnownMesh): boolean {
  if (one.key === undefined || other.key === undefined || one.key === other.key) return true
  return one.former?.includes(other.key) === true || other.former?.includes(one.key) === true
}

/** A folder name that tells where the mesh was met first; never one that is used. */
export function folderNameFor(usedFolders: readonly string[], origin = 'http://mesh'): string {
  const used = new Set(usedFolders.map(name => name.toLowerCase()))
  const { hostname, port, protocol } = new URL(origin)
  const readable = `${hostname}-${port || (protocol === 'https:' ? '443' : '80')}`
  const base =
    readable
      .replace(/[^a-z0-9.-]/g, '')
      .replace(/^[.-]+/, '')
      .slice(0, MAX_FOLDER_LENGTH) || 'mesh'
  let name = base
  for (let number = 2; used.has(name); number++) name = `${base}-${number}`
  return name
}
