import { History, type HistoryOptions } from '../history/history.ts'
import { ClaimFile } from './claim-file.ts'
import { makePrivateFolder } from './data-folder.ts'
import { DraftsFile } from './drafts-file.ts'
import { finishImports, namesIn } from './files/import-lines.ts'
import { KnownKeysFile } from './known-keys-file.ts'
import { mergeMeshFolders } from './merge-meshes.ts'
import { OperatorsFile } from './operators-file.ts'
import { ReadMarksFile } from './read-marks-file.ts'
import { RoomsFile } from './rooms-file.ts'
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
  readonly rooms: RoomsFile
  readonly operators: OperatorsFile
  readonly drafts: DraftsFile
  readonly readMarks: ReadMarksFile
  /**
   * Why something that a crash left could not be finished, which the next start tries again, or why the history or the
   * list of rooms cannot be read. Undefined: all is done.
   */
  readonly problem: Error | undefined
}

/** Whether a user has messages in a mesh. */
export function hasUserStorage(mesh: MeshFolder, user: string): boolean {
  return [mesh.folder, ...(mesh.merged ?? [])].some(folder =>
    namesIn(userFolder(folder, user)).some(name => /^(?:history|import-.*)\.jsonl$/.test(name)),
  )
}

/** Opens a user's files in a mesh, and finishes what a crash has left half done: files of merged folders, and imports. */
export function openUserStorage(
  mesh: MeshFolder,
  user: string,
  options: Pick<HistoryOptions, 'progress' | 'durable'> = {},
): UserStorage {
  const folder = userFolder(mesh.folder, user)
  let problem: Error | undefined
  try {
    for (const merged of mesh.merged ?? []) mergeMeshFolders(merged, mesh.folder)
    makePrivateFolder(folder)
    finishImports(folder)
  } catch (error) {
    problem = error as Error
  }
  const merged = (mesh.merged ?? []).map(merged => userFolder(merged, user))
  const history = new History(folder, user, { ...options, merged })
  const rooms = RoomsFile.in(folder, options.durable)
  return {
    folder,
    history,
    knownKeys: KnownKeysFile.in(folder),
    claim: ClaimFile.in(folder),
    rooms,
    operators: OperatorsFile.in(folder),
    drafts: DraftsFile.in(folder, options.durable),
    readMarks: ReadMarksFile.in(folder, options.durable),
    problem: problem ?? history.problem ?? rooms.problem,
  }
}
