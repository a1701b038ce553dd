/** Child processes, temporary folders, free ports, and waiting for conditions. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const running = new Set<ChildProcess>()
/** Time between two attempts to remove a folder, ms. */
const REMOVE_INTERVAL_MS = 50
const folders: string[] = []

/** Kills the processes and removes the folders that this module created. */
export function stopAll(): void {
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) removeFolder(folder)
}

/** Removes a folder, in which processes that are about to end may still make files. */
export function removeFolder(folder: string): void {
  const giveUpAt = performance.now() + DEADLINE_MS
  for (;;) {
    try {
      // `maxRetries` would try to remove the empty folder again, not what has come into it.
      return rmSync(folder, { recursive: true, force: true })
    } catch (error) {
      if (performance.now() > giveUpAt) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REMOVE_INTERVAL_MS)
    }
  }
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-'))
  folders.push(folder)
  return folder
}

/**
 * Below the ephemeral ports: an outgoing connection could take one of those before the server binds it. Above 10080, to which
 * browsers and `fetch` do not connect.
 */
const PORT_RANGE = { from: 10_100, to: 32_000 }

/** Finds unused ports, and reserves them for this process, also while nothing listens on them. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = randomPort()
    if (await reserve(port)) ports.push(port)
  }
  return ports
}

/** Finds and reserves a run of unused ports. Returns the first. */
export async function consecutiveFreePorts(count: number): Promise<number> {
  for (;;) {
    const first = randomPort()
    const reserved = await Promise.all(Array.from({ length: count }, (_, at) => reserve(first + at)))
    if (reserved.every(Boolean)) return first
  }
}

function randomPort(): number {
  return PORT_RANGE.from + Math.floor(Math.random() * (PORT_RANGE.to - PORT_RANGE.from))
}

/**
 * Test files run at the same time, and servers bind their ports late, or again after a restart: another file must not get the
 * same port meanwhile. The UDP port of the same number, which no program here uses, marks it until this process ends.
 */
async function reserve(port: number): Promise<boolean> {
  const mark = createSocket('udp4').unref()
  const isMarked = await new Promise<boolean>(resolve => {
    mark.once('error', () => resolve(false)).bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
  if (isMarked && (await isFree(port))) return true
  mark.close()
  return false
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** How long tests wait for a condition, ms: only a fault takes that long, even on a busy machine. */
export const DEADLINE_MS = 60_000

/**
 * Waits until `check` returns true. Throws after `within` ms.
 * @param what the condition in words, for the error
 * @returns how long it took, ms
 */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  within = DEADLINE_MS,
): Promise<number> {
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
    this.child.on('exit', () => running.delete(this.child))
    // Not at its exit: the last lines may still be in the pipes.
    this.child.on('close', (code, signal) => {
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

  /** Waits until the process has ended, and all of its output has been read. */
  async waitForExit(within = DEADLINE_MS): Promise<number> {
    return until('the process ends', () => this.exitStatus !== undefined, within)
  }
}
