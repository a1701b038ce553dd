/** Builds the core and its simulation aside, whole or with a fault put in, and hunts there for a schedule that fails. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SearchResult } from './search-schedules.ts'

/** A change of one place in the core, as text. */
export interface Mutant {
  name: string
  file: string
  from: string
  to: string
}

export interface VariantBuild {
  /** The folder of a variant's compiled code; without a name, of the core as it is. */
  codeFolder: (name?: string) => string
  remove: () => void
}

const ROOT = new URL('../../..', import.meta.url).pathname

/** Compiles the core and the simulation once as they are, and once with each change. */
export function buildVariants(changes: readonly Mutant[] = []): VariantBuild {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-workshop-'))
  const folderName = (name: string) => name.replaceAll(/\W+/g, '-')
  for (const name of ['as-it-is', ...changes.map(change => change.name)]) {
    for (const part of ['src', 'test/support'])
      cpSync(join(ROOT, part), join(folder, folderName(name), part), { recursive: true })
  }
  for (const { name, file, from, to } of changes) {
    const path = join(folder, folderName(name), file)
    const text = readFileSync(path, 'utf8')
    const places = text.split(from).length - 1
    if (places !== 1)
      throw new Error(`mutant "${name}": its text stands ${places} times in ${file}, not once:\n${from}`)
    writeFileSync(
      path,
      text.replace(from, () => to),
    )
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  const compilerOptions = { noEmit: false, noCheck: true, rootDir: '.', outDir: 'out', types: [] }
  const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*/src', '*/test'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder])
  return {
    codeFolder: (name = 'as-it-is') => join(folder, 'out', folderName(name)),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export interface SearchOptions {
  /** Folder of the compiled code. */
  code: string
  first: number
  step: number
  count: number
  /** After this long, ms, the hunt counts as hung. */
  timeoutMs?: number
  onProgress?: (played: number) => void
}

/** Hunts in a process of its own; answers with what it told last. A hang or a crash of the process is a find, too. */
export function searchSchedules({
  code,
  first,
  step,
  count,
  timeoutMs,
  onProgress,
}: SearchOptions): Promise<SearchResult> {
  return new Promise(resolve => {
    const program = join(code, 'test/support/mutants/search-schedules.js')
    const child: ChildProcess = fork(program, [first, step, count].map(String), { stdio: 'inherit' })
    let last: SearchResult = { played: 0 }
    const timeout = timeoutMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('message', (result: SearchResult) => {
      last = result
      onProgress?.(result.played)
    })
    child.on('exit', (code, signal) => {
      clearTimeout(timeout)
      if (code === 0) return resolve(last)
      const seed = first + step * last.played
      const problem = signal === 'SIGKILL' ? 'a schedule does not end' : `the process ended with ${signal ?? code}`
      resolve({ played: last.played, seed, problem, transcript: `${problem}, at or after schedule ${seed}` })
    })
  })
}
