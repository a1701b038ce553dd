import { History } from '../history/history.ts'
import { ClaimFile } from './claim-file.ts'
import { makePrivateFolder } from './data-folder.ts'
import { finishImports, namesIn } from './import-lines.ts'
import { KnownKeysFile } from './known-keys-file.ts'
import { mergeMeshFolders } from './merge-meshes.ts'
import { userFolder } from './user-folder.ts'

/** The folder of a mesh, and the folders that it has taken over. */
interface MeshFolder {
  readonly folder: string
  readonly merged?: readonly string[] | undefined
}

/** A user's files in one mesh. */
export interface UserStorage {
  readonly folder: string
  readonly history: History
  readonly knownKeys: KnownKeysFile
  readonly claim: ClaimFile
}

/** Whether a user has messages in a mesh. */
export function hasUserStorage(mesh: MeshFolder, user: string): boolean {
  return [mesh.folder, ...(mesh.merged ?? [])].some(folder =>
    namesIn(userFolder(folder, user)).some(name => /^(?:history|import-.*)\.jsonl$/.test(name)),
  )
}

/**
 * Opens a user's files in a mesh, and finishes what a crash has left half done: files of merged folders, and imports.
 * @param progress called repeatedly with the indexed part (0 to 1) while a large history is indexed
 */
export function openUserStorage(mesh: MeshFolder, user: string, progress?: (share: number) => void): UserStorage {
  for (const folder of mesh.merged ?? []) mergeMeshFolders(folder, mesh.folder)
  const folder = makePrivateFolder(userFolder(mesh.folder, user))
  finishImports(folder)
  const history = new History(folder, user, progress === undefined ? {} : { progress })
  return { folder, history, knownKeys: KnownKeysFile.in(folder), claim: ClaimFile.in(folder) }
}
