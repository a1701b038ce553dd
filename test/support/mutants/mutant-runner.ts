/** Compiles the core and the simulation into a temporary folder, unchanged or mutated, and searches for a failing schedule there. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { SearchReport } from './search-schedules.ts'

/** A fault in the core: one place in one source file, changed as text. */
export interface Mutant {
  name: string
  file: string
  from: string
  to: string
  /** A schedule that has shown the fault before: it is played first. */
  seed?: number
  /** Why this fault can only show as a search that hangs; absent: it must violate an invariant. */
  hangs?: string
}

export interface VariantBuild {
  /** The folder of a mutant's compiled code; without a name, of the unchanged core. */
  codeFolder: (name?: string) => string
  remove: () => void
}

/**
 * How a search ended. `passed`: no schedule failed. `violated`: a schedule violates an invariant. `hung`: no progress for
 * the stall timeout. `crashed`: the process ended before it had played all schedules.
 */
export type SearchResult =
  | { outcome: 'passed'; played: number }
  | { outcome: 'violated'; played: number; seed: number; problem: string }
  | { outcome: 'hung' | 'crashed'; played: number; seed: number; problem: string }

const ROOT = new URL('../../..', import.meta.url).pathname
/** Characters of a search's own output that a report of a crash quotes. */
const OUTPUT_TAIL = 2_000

/** Compiles the core and the simulation once unchanged, and once with each mutant. */
export function buildVariants(mutants: readonly Mutant[] = []): VariantBuild {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-mutants-'))
  const folderName = (name: string) => name.replaceAll(/\W+/g, '-')
  for (const part of ['src', 'test/support'])
    cpSync(join(ROOT, part), join(folder, 'unchanged', part), { recursive: true })
  // Of a mutant, only the file that differs is compiled.
  for (const { name, file, from, to } of mutants) {
    const text = readFileSync(join(ROOT, file), 'utf8')
    const places = text.split(from).length - 1
    if (places !== 1) {
      const fix = 'update its `from` in test/support/mutants/mutants.ts'
      throw new Error(`mutant "${name}": its text is found ${places} times in ${file}, not once; ${fix}:\n${from}`)
    }
    const path = join(folder, folderName(name), file)
    mkdirSync(dirname(path), { recursive: true })
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
  for (const { name } of mutants) linkMissing(join(folder, 'out/unchanged'), join(folder, 'out', folderName(name)))
  return {
    codeFolder: (name = 'unchanged') => join(folder, 'out', folderName(name)),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Makes a hard link of each file of a folder that another folder does not have. */
function linkMissing(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) linkMissing(source, target)
    else if (!existsSync(target)) linkSync(source, target)
  }
}

export interface SearchOptions {
  /** Folder of the compiled code. */
  code: string
  /** Plays the schedules `first`, `first + step`, …: `count` of them. */
  first: number
  step: number
  count: number
  /** The search counts as hung after this long without progress, ms; absent: never. */
  stallTimeoutMs?: number
  onProgress?: (played: number) => void
}

/** Searches in a child process, whose own output is not shown. */
export function searchSchedules(options: SearchOptions): Promise<SearchResult> {
  const { code, first, step, count, stallTimeoutMs, onProgress } = options
  return new Promise(resolve => {
    const program = join(code, 'test/support/mutants/search-schedules.js')
    const child: ChildProcess = fork(program, [first, step, count].map(String), {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        output = (output + chunk).slice(-OUTPUT_TAIL)
      })
    }
    let last: SearchReport = { played: 0 }
    let stalled = false
    const stallTimer =
      stallTimeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            stalled = true
            child.kill('SIGKILL')
          }, stallTimeoutMs)
    child.on('message', (report: SearchReport) => {
      last = report
      stallTimer?.refresh()
      onProgress?.(report.played)
    })
    // 'close' comes after the last output and the last message, 'exit' may come before them.
    child.on('close', (exitCode, signal) => {
      clearTimeout(stallTimer)
      const { played } = last
      if ('seed' in last) return resolve({ outcome: 'violated', ...last })
      if (exitCode === 0 && played >= count) return resolve({ outcome: 'passed', played })
      const seed = first + step * played
      const where = `at schedule ${seed} or one of the next`
      if (stalled)
        return resolve({ outcome: 'hung', played, seed, problem: `no progress for ${stallTimeoutMs} ms ${where}` })
      resolve({
        outcome: 'crashed',
        played,
        seed,
        problem: `the search ended with ${signal ?? exitCode} ${where}\n${output}`,
      })
    })
  })
}
