import { join } from 'node:path'
import { type JsonSyntaxError, parseJson } from '../../src/programs/json-text.ts'
import { toOrigin } from '../../src/protocol/proofs/mesh-identity.ts'
import { dataFolder } from '../storage/data-folder.ts'
import { readFileText } from '../storage/files/open-file.ts'
import { writeFileAtomically } from '../storage/files/write-file-atomically.ts'
import { withFileLock } from '../storage/locks/file-lock.ts'
import { meshListSchema, restorePins, serialize, usedFolders, writePins } from './mesh-files.ts'
import {
  addOrigin,
  findByOrigin,
  findOrAdd,
  forget,
  type KnownMesh,
  type Meeting,
  type MetMesh,
  meet,
} from './mesh-list.ts'

/**
 * The meshes that this client knows, like the known hosts of ssh: `known-meshes.json` in the data folder. Several
 * processes may change it at once. A file that cannot be used is never overwritten: then the pins of its backup apply, and
 * changes last until the process ends.
 */
export class KnownMeshes {
  readonly #file: string | undefined
  #meshes: KnownMesh[] = []
  #problem: string | undefined
  /** Folders of meshes that are in memory only. */
  readonly #unrecorded = new Set<string>()

  private constructor(file: string | undefined) {
    this.#file = file
    this.#load()
  }

  /** The pins in `known-meshes.json`. */
  static onDisk(): KnownMeshes {
    return new KnownMeshes(join(dataFolder(), 'known-meshes.json'))
  }

  /** Pins that last until the process ends. */
  static inMemory(): KnownMeshes {
    return new KnownMeshes(undefined)
  }

  /** Why the file cannot be used, and what to do; undefined if it can. */
  get problem(): string | undefined {
    return this.#problem
  }

  get meshes(): readonly KnownMesh[] {
    return this.#meshes
  }

  /** The mesh that a server URL belongs to. */
  find(url: string): KnownMesh | undefined {
    const origin = toOrigin(url)
    return origin === undefined ? undefined : findByOrigin(this.#meshes, origin)
  }

  /** The mesh of the first server that belongs to one; else a new mesh. */
  findOrAdd(urls: readonly string[]): KnownMesh {
    const origins = urls.flatMap(url => toOrigin(url) ?? [])
    for (const origin of origins) {
      const known = findByOrigin(this.#meshes, origin)
      if (known !== undefined) return known
    }
    const mesh = this.#change(meshes =>
      findOrAdd(meshes, origins, new Date(), this.#file === undefined ? [] : usedFolders(meshes)),
    )
    if (this.#problem !== undefined) this.#unrecorded.add(mesh.folder)
    return mesh
  }

  /** Whether the mesh is in the file: messages of others must not be stored, as their folder could not be found again. */
  isRecorded({ folder }: KnownMesh): boolean {
    return this.#file !== undefined && !this.#unrecorded.has(folder)
  }

  /** Reads the file again if it could not be used. Returns whether it can be used now: then the meshes in memory are left. */
  retry(): boolean {
    const meshes = this.#meshes
    this.#load()
    if (this.#problem === undefined) this.#unrecorded.clear()
    else this.#meshes = meshes
    return this.#problem === undefined
  }

  /** Pins what a server of a mesh has shown; see `meet`. */
  meet(folder: string, met: MetMesh): Meeting {
    return this.#change(meshes => meet(meshes, folder, met))
  }

  /** Remembers that a server of the mesh was reached at a URL. */
  addOrigin({ folder }: KnownMesh, url: string): void {
    const origin = toOrigin(url)
    if (origin === undefined || findByOrigin(this.#meshes, origin) !== undefined) return
    this.#change(meshes => {
      const mesh = meshes.find(one => one.folder === folder)
      if (mesh !== undefined) addOrigin(meshes, mesh, origin)
    })
  }

  /** See `forget`. */
  forget(origin: string, keepHistory: boolean): KnownMesh | undefined {
    return this.#change(meshes => forget(meshes, origin, keepHistory))
  }

  /** Applies a change to the current content of the file, and writes it. */
  #change<Result>(change: (meshes: KnownMesh[]) => Result): Result {
    const file = this.#file
    if (file === undefined || this.#problem !== undefined) return change(this.#meshes)
    try {
      return withFileLock(`${file}.lock`, () => {
        const loaded = this.#load()
        const before = structuredClone(this.#meshes)
        const result = change(this.#meshes)
        const after = serialize(this.#meshes)
        if (this.#problem === undefined) {
          if (after !== loaded) {
            writeFileAtomically(file, after)
            writeFileAtomically(backupOf(file), after)
          }
          writePins(this.#meshes, before)
        }
        return result
      })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
      this.#problem = `cannot write ${file}: ${(error as Error).message}; new meshes are not remembered until it can be written`
      return change(this.#meshes)
    }
  }

  /** Returns the content of the file, as it would be written. */
  #load(): string {
    if (this.#file === undefined) return ''
    const content = readPins(this.#file)
    const backup = Array.isArray(content) ? content : readPins(backupOf(this.#file))
    this.#meshes = Array.isArray(backup) ? backup : []
    this.#problem = Array.isArray(content) ? undefined : content
    const loaded = serialize(this.#meshes)
    restorePins(this.#meshes)
    return loaded
  }
}

function backupOf(file: string): string {
  return `${file}.backup`
}

/** The meshes in a file, or why it cannot be used and what to do. */
function readPins(file: string): KnownMesh[] | string {
  let text: string
  try {
    text = readFileText(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    return `cannot read ${file}: ${(error as Error).message}; make it readable`
  }
  const remedy = 'correct it, or delete it: it is made again from the mesh.json of each mesh'
  let raw: unknown
  try {
    raw = parseJson(text)
  } catch (error) {
    const { line, column, message } = error as JsonSyntaxError
    return `${file}:${line}:${column} is not JSON: ${message}; ${remedy}`
  }
  const parsed = meshListSchema.safeParse(raw)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const [entry, ...field] = issue?.path ?? []
  const where =
    typeof entry === 'number' ? `entry ${entry + 1}${field.length > 0 ? `, ${field.join('.')}` : ''}` : 'the file'
  return `${file}: ${where}: ${issue?.message}; ${remedy}`
}
