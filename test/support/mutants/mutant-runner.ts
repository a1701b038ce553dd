/** Builds the core and its simulation aside, whole or with a fault put in, and hunts there for a schedule that fails. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Found } from './search-schedules.ts'

/** A change of one place in the core, as text. */
export interface Change {
  name: string
  file: string
  from: string
  to: string
}

export interface Workshop {
  /** The folder of a variant's compiled code; without a name, of the core as it is. */
  variant: (name?: string) => string
  clear: () => void
}

const ROOT = new URL('../../..', import.meta.url).pathname

/** Compiles the core and the simulation once as they are, and once with each change. */
export function workshop(changes: readonly Change[] = []): Workshop {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-workshop-'))
  const place = (name: string) => name.replaceAll(/\W+/g, '-')
  for (const name of ['as-it-is', ...changes.map(change => change.name)]) {
    for (const part of ['src', 'test/support'])
      cpSync(join(ROOT, part), join(folder, place(name), part), { recursive: true })
  }
  for (const { name, file, from, to } of changes) {
    const path = join(folder, place(name), file)
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
    variant: (name = 'as-it-is') => join(folder, 'out', place(name)),
    clear: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export interface Hunt {
  /** Folder of the compiled code. */
  code: string
  first: number
  step: number
  count: number
  /** After this long, ms, the hunt counts as hung. */
  patience?: number
  progress?: (played: number) => void
}

/** Hunts in a process of its own; answers with what it told last. A hang or a crash of the process is a find, too. */
export function hunt({ code, first, step, count, patience, progress }: Hunt): Promise<Found> {
  return new Promise(resolve => {
    const program = join(code, 'test/support/mutants/search-schedules.js')
    const child: ChildProcess = fork(program, [first, step, count].map(String), { stdio: 'inherit' })
    let last: Found = { played: 0 }
    const hung = patience === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), patience)
    child.on('message', (found: Found) => {
      last = found
      progress?.(found.played)
    })
    child.on('exit', (code, signal) => {
      clearTimeout(hung)
      if (code === 0) return resolve(last)
      const seed = first + step * last.played
      const problem = signal === 'SIGKILL' ? 'a schedule does not end' : `the process ended with ${signal ?? code}`
      resolve({ played: last.played, seed, problem, transcript: `${problem}, at or after schedule ${seed}` })
    })
  })
}
