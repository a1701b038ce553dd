/**
 * The pins of meshes as files: all in `known-meshes.json`, and each also in `mesh.json` in the folder of its mesh. So a folder
 * keeps its mesh when `known-meshes.json` is lost: another mesh at the same address does not get the messages in it.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { parseJson } from '../../src/programs/json-text.ts'
import { AUTH_MODES, keySchema } from '../../src/protocol/proofs/credentials.ts'
import { originSchema, PUBLIC_MESH_KEY } from '../../src/protocol/proofs/mesh-identity.ts'
import { makePrivateFolder } from '../storage/data-folder.ts'
import { namesIn } from '../storage/files/import-lines.ts'
import { readFileText } from '../storage/files/open-file.ts'
import { writeFileAtomically } from '../storage/files/write-file-atomically.ts'
import { meshesFolder, usersFolder } from '../storage/user-folder.ts'
import { findByOrigin, folderNameFor, isSameKey, type KnownMesh } from './mesh-list.ts'

/** A pin has at most some 10 KB. */
const MAX_FILE_BYTES = 1 << 17

/** A folder in `meshes`: a name that cannot lead out of it. */
const folderSchema = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,79}$/i, 'is not the name of a folder of a mesh')
/** Fields that a later version may add are kept. */
const meshSchema = z.looseObject({
  folder: folderSchema,
  key: keySchema.optional(),
  mode: z.enum(AUTH_MODES).optional(),
  origins: z.array(originSchema),
  merged: z.array(folderSchema).optional(),
  former: z.array(keySchema).optional(),
  since: z.string(),
})
/** The content of `known-meshes.json`. */
export const meshListSchema = z.array(meshSchema).superRefine((meshes, context) => {
  const seen = new Map<string, number>()
  for (const [at, { folder, key, origins }] of meshes.entries()) {
    const unique = [`folder ${folder.toLowerCase()}`, ...new Set(origins.map(origin => `origin ${origin}`))]
    if (key !== undefined && key !== PUBLIC_MESH_KEY) unique.push(`key ${key}`)
    for (const value of unique) {
      const first = seen.get(value)
      if (first !== undefined)
        context.addIssue({ code: 'custom', path: [at], message: `has the ${value} of entry ${first + 1}` })
      seen.set(value, at)
    }
  }
})

/**
 * Adds the pins of folders that the list does not have. If the folder of a listed mesh belongs to another mesh, the listed
 * one gets another folder.
 */
export function restorePins(meshes: KnownMesh[]): void {
  for (const mesh of meshes) {
    const saved = readPin(mesh.folder)
    if (saved?.key === undefined) continue
    if (mesh.key === undefined && mesh.mode === undefined) {
      Object.assign(mesh, { key: saved.key, mode: saved.mode, former: saved.former })
    } else if (mesh.key !== undefined && !isSameKey(mesh, saved)) {
      mesh.folder = folderNameFor(usedFolders(meshes), mesh.origins[0])
    }
  }
  for (const folder of namesIn(meshesFolder())) {
    const isListed = meshes.some(one => one.folder === folder || one.merged?.includes(folder))
    const saved = isListed ? undefined : readPin(folder)
    if (saved === undefined) continue
    const hasKey = meshes.some(({ key }) => key === saved.key && key !== undefined && key !== PUBLIC_MESH_KEY)
    const origins = saved.origins.filter(origin => findByOrigin(meshes, origin) === undefined)
    if (!hasKey) meshes.push({ ...saved, origins })
  }
}

/** Writes the pins into the folders of their meshes, and removes them where a mesh is not pinned any more. */
export function writePins(meshes: readonly KnownMesh[], before: readonly KnownMesh[]): void {
  for (const mesh of meshes) {
    if (mesh.mode === undefined) removePin(mesh.folder)
    else if (JSON.stringify(readPin(mesh.folder)) !== JSON.stringify(meshSchema.parse(mesh))) {
      writeFileAtomically(fileIn(makePrivateFolder(join(meshesFolder(), mesh.folder))), serialize(mesh))
    }
  }
  for (const { folder } of before) if (!meshes.some(one => one.folder === folder)) removePin(folder)
}

/** The names of folders that a new mesh must not get: those of known meshes, and those with files of anybody. */
export function usedFolders(meshes: readonly KnownMesh[]): string[] {
  const withFiles = namesIn(meshesFolder()).filter(
    folder => readPin(folder) !== undefined || namesIn(usersFolder(folder)).some(user => hasFiles(folder, user)),
  )
  return [...meshes.flatMap(({ folder, merged = [] }) => [folder, ...merged]), ...withFiles]
}

function hasFiles(folder: string, user: string): boolean {
  return namesIn(join(usersFolder(folder), user)).length > 0
}

export function serialize(pins: KnownMesh | readonly KnownMesh[]): string {
  return `${JSON.stringify(pins, undefined, 2)}\n`
}

/** The pin in the folder of a mesh; undefined if there is none, or none that can be used. */
function readPin(folder: string): KnownMesh | undefined {
  try {
    const pin = meshSchema.parse(parseJson(readFileText(fileIn(join(meshesFolder(), folder)), MAX_FILE_BYTES)))
    // The folder may be a copy under another name.
    return { ...pin, folder: folderSchema.parse(folder) }
  } catch {
    return undefined
  }
}

function removePin(folder: string): void {
  rmSync(fileIn(join(meshesFolder(), folder)), { force: true })
}

function fileIn(folder: string): string {
  return join(folder, 'mesh.json')
}
