import { chmodSync, existsSync, lstatSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Permissions of the group and of other users. */
const OTHERS = 0o077
/** Levels of folders that are visited, the data folder included: `meshes/MESH/users/USER` is the deepest. */
const MAX_DEPTH = 5

/** Files and folders that other users of the machine had access to. */
export interface OpenFiles {
  /** Closed now: mode 600 for files, 700 for folders. */
  readonly closed: readonly string[]
  /** Still open, because they belong to another user. */
  readonly failed: readonly string[]
}

/** Takes the access of other users from the data folder and all files in it. Does not follow symbolic links inside it. */
export function closePermissions(folder: string): OpenFiles {
  const closed: string[] = []
  const failed: string[] = []
  // Windows has no such permissions.
  if (process.platform === 'win32') return { closed, failed }
  const close = (path: string, mode: number) => {
    if ((mode & OTHERS) === 0) return
    if (closeToOthers(path)) closed.push(path)
    else failed.push(path)
  }
  const visit = (path: string, depth: number) => {
    for (const entry of readFolder(path)) {
      const inner = join(path, entry.name)
      if (entry.isFile() || entry.isDirectory()) {
        const mode = modeOf(inner)
        if (mode !== undefined) close(inner, mode)
      }
      if (entry.isDirectory() && depth < MAX_DEPTH) visit(inner, depth + 1)
    }
  }
  // The data folder may itself be a symbolic link. It may not exist.
  if (!existsSync(folder)) return { closed, failed }
  close(folder, statSync(folder).mode)
  visit(folder, 1)
  return { closed, failed }
}

/** Takes the access of other users from a file or folder. Returns false if that is not possible. */
export function closeToOthers(path: string): boolean {
  try {
    const { mode } = statSync(path)
    if ((mode & OTHERS) !== 0) chmodSync(path, mode & 0o700)
    return true
  } catch {
    return false
  }
}

function readFolder(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch {
    return []
  }
}

/** The mode of a file; undefined if another process has just removed it. */
function modeOf(path: string): number | undefined {
  try {
    const info = lstatSync(path)
    return info.isSymbolicLink() ? undefined : info.mode
  } catch {
    return undefined
  }
}
