/** Child processes, temporary folders, free ports, and waiting for conditions. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const running = new Set<ChildProcess>()
const folders: string[] = []

/** Kills the processes and removes the folders that this module created. */
export function stopAll(): void {
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-'))
  folders.push(folder)
  return folder
}

/** Below the ephemeral ports: an outgoing connection could take one of those before the server binds it. */
const PORT_RANGE = { from: 10_000, to: 32_000 }

/** Finds unused ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = PORT_RANGE.from + Math.floor(Math.random() * (PORT_RANGE.to - PORT_RANGE.from))
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

/** Finds a run of unused ports. Returns the first. */
export async function consecutiveFreePorts(count: number): Promise<number> {
  for (;;) {
    const [first = 0] = await freePorts(1)
    const rest = await Promise.all(Array.from({ length: count - 1 }, (_, at) => isFree(first + 1 + at)))
    if (rest.every(free => free)) return first
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/**
 * Waits until `check` returns true. Throws after `within` ms.
 * @param what the condition in words, for the error
 * @returns how long it took, ms
 */
export async function until(what: string, check: () => boolean | Promise<boolean>, within = 30_000): Promise<number> {
  const since = performance.now()
  while (!(await check())) {
    if (performance.now() - since > within) throw new Error(`timed out after ${within} ms, waiting for: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return Math.round(performance.now() - since)
}

/** A client in line mode or with JSON lines. */
interface Client {
  readonly out: string
  isToldOnline(user: string): boolean
}

/** Waits until each client was told that another user is online. */
export async function untilToldOnline(...pairs: readonly (readonly [client: Client, user: string])[]): Promise<void> {
  const names = pairs.map(([, user]) => user).join(', ')
  await until(`clients are told that these users are online: ${names}`, () =>
    pairs.every(([client, user]) => client.isToldOnline(user)),
  ).catch(error => {
    throw new Error([error.message, ...pairs.map(([{ out }]) => out.slice(-2_000))].join('\n---\n'))
  })
}

/** What a client in line mode prints about users who are online. */
const ONLINE_LINE = /^\* (?:online: (.*)|(.*) (?:is|are) online(?:; .* went offline)?)$/gm

/** Whether the output of a client in line mode says that a user is online. */
function isToldOnline(out: string, user: string): boolean {
  const isUser = (name: string) => name === user || name.startsWith(`${user} (looks like `)
  return [...out.matchAll(ONLINE_LINE)].some(([, all, joined]) => (all ?? joined ?? '').split(', ').some(isUser))
}

/** A process of this package's build, with all of its output. */
export class Program {
  readonly child: ChildProcess
  /** Everything printed so far, to both streams. */
  out = ''
  exitStatus: { code: number | null; signal: NodeJS.Signals | null } | undefined

  /**
   * @param program one of this package, or the path of another script
   * @param checkout the folder of another checkout, with its build
   */
  constructor(
    program: 'daemon' | 'cli' | `/${string}`,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    checkout = '.',
  ) {
    const script = program.startsWith('/') ? program : join(checkout, `dist/${program}/main.js`)
    this.child = spawn(process.execPath, [script, ...args], {
      env: { ...process.env, ...env },
    })
    running.add(this.child)
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.out += chunk
      })
    }
    this.child.on('exit', (code, signal) => {
      running.delete(this.child)
      this.exitStatus = { code, signal }
    })
  }

  /** Number of times that a text was printed. */
  count(text: string): number {
    return this.out.split(text).length - 1
  }

  /** Whether this client, which is in line mode, was told that a user is online. */
  isToldOnline(user: string): boolean {
    return isToldOnline(this.out, user)
  }

  async waitForExit(within = 30_000): Promise<number> {
    return until('the process ends', () => this.exitStatus !== undefined, within)
  }
}
