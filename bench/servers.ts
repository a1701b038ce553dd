import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { pollOnce } from '../cli/top/poller.ts'
import type { Benchmark, Measure } from './support/report.ts'
import { cpuTimeMs, freePorts, sleep, until } from './support/servers.ts'

const DAEMON = fileURLToPath(new URL('../daemon/main.js', import.meta.url))
/** `SERVERS=20` chooses another number. */
const SERVERS = Number(process.env.SERVERS ?? 50)
/** Fifty processes need a minute of CPU for their 2,450 handshakes. */
const WITHIN_MS = 600_000

/** What the processes have used so far; of /proc/PID (proc(5)). */
interface Usage {
  cpuMs: number
  /** Bytes and packets that were written to sockets: the log is left out. */
  bytes: number
  packets: number
}

/** A server, and what its log says of its peers. */
class ServerProcess {
  readonly id: string
  readonly child: ChildProcess
  readonly outbound = new Set<string>()
  readonly inbound = new Set<string>()
  readonly removed = new Set<string>()
  isListening = false
  #logBytes = 0
  #logLines = 0

  constructor(id: string, config: string) {
    this.id = id
    const args = [DAEMON, '--id', id, '--config', config, '--log-format', 'json']
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    if (this.child.stdout !== null) createInterface(this.child.stdout).on('line', line => this.#read(line))
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  get usage(): Usage {
    const io = readFileSync(`/proc/${this.pid}/io`, 'utf8')
    const field = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(io)?.[1])
    return {
      cpuMs: cpuTimeMs(this.pid),
      bytes: field('wchar') - this.#logBytes,
      packets: field('syscw') - this.#logLines,
    }
  }

  /** Resident memory, MB. */
  get memory(): number {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) / 1_000
  }

  isLinkedWith(peers: readonly ServerProcess[]): boolean {
    return peers.every(({ id }) => id === this.id || (this.outbound.has(id) && this.inbound.has(id)))
  }

  #read(line: string): void {
    this.#logBytes += Buffer.byteLength(line) + 1
    this.#logLines++
    const { msg } = JSON.parse(line) as { msg: string }
    const [, direction, linked, ended] =
      /^(In|Out)bound connection (?:from|to) peer: (\S+?)( ended.*)?$/.exec(msg) ?? []
    if (linked !== undefined && ended === undefined) this[direction === 'In' ? 'inbound' : 'outbound'].add(linked)
    else if (linked !== undefined) this.inbound.delete(linked)
    const lost = /^Peer: (\S+) disconnected/.exec(msg)?.[1]
    if (lost !== undefined) this.outbound.delete(lost)
    const removed = /^Removing \d+ users of peer: (\S+)$/.exec(msg)?.[1]
    if (removed !== undefined) this.removed.add(removed)
    if (msg.startsWith('Listening for')) this.isListening = true
  }
}

interface Sample {
  listeningSeconds: number
  wholeSeconds: number
  startMegabytes: number
  startCpuSeconds: number
  idleCpuPercent: number
  idlePacketsPerLink: number
  idleKilobytes: number
  memory: number
  statusSeconds: number
  lostSeconds: number
  removedSeconds: number
}

/** Starts servers that have each other in their config, lets them idle, and kills some. */
async function measureMesh(count: number, killed: number, idleSeconds: number): Promise<Sample> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-bench-'))
  const config = join(folder, 'config.json')
  const ports = await freePorts(count)
  const ids = ports.map((_, at) => `server-${at + 1}`)
  writeFileSync(config, JSON.stringify({ servers: ids.map((id, at) => ({ id, ip: '127.0.0.1', port: ports[at] })) }))
  const since = performance.now()
  const seconds = (from: number) => (performance.now() - from) / 1_000
  const servers = ids.map(id => new ServerProcess(id, config))
  try {
    await until('all servers listen', () => servers.every(({ isListening }) => isListening), WITHIN_MS)
    const listeningSeconds = seconds(since)
    await until('all servers have links to all', () => servers.every(one => one.isLinkedWith(servers)), WITHIN_MS)
    const wholeSeconds = seconds(since)
    // Until the lists of servers are compared.
    await sleep(5_000)
    const start = total(servers)
    await sleep(idleSeconds * 1_000)
    const idle = difference(total(servers), start)
    const statusSeconds = await timeStatus(`http://127.0.0.1:${ports[0]}`, count)
    const memory = servers.reduce((sum, one) => sum + one.memory, 0) / count
    const dead = servers.slice(1, 1 + killed)
    const others = servers.filter(one => !dead.includes(one))
    const at = performance.now()
    for (const { child } of dead) child.kill('SIGKILL')
    const hasLost = (one: ServerProcess) => dead.every(({ id }) => !one.outbound.has(id) && !one.inbound.has(id))
    await until('all others have lost the killed ones', () => others.every(hasLost), WITHIN_MS)
    const lostSeconds = seconds(at)
    const hasRemoved = (one: ServerProcess) => dead.every(({ id }) => one.removed.has(id))
    await until('all others have removed their users', () => others.every(hasRemoved), WITHIN_MS)
    const removedSeconds = seconds(at)
    return {
      listeningSeconds,
      wholeSeconds,
      startMegabytes: start.bytes / 1e6,
      startCpuSeconds: start.cpuMs / 1_000 / count,
      idleCpuPercent: idle.cpuMs / 10 / idleSeconds / count,
      idlePacketsPerLink: idle.packets / idleSeconds / (count * (count - 1)),
      idleKilobytes: idle.bytes / 1_000 / idleSeconds,
      memory,
      statusSeconds,
      lostSeconds,
      removedSeconds,
    }
  } finally {
    for (const { child } of servers) child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
}

/** Asks for the status of all servers, as `mesh-chat top` does every second. Returns the time until the answer, s. */
async function timeStatus(url: string, count: number): Promise<number> {
  const since = performance.now()
  const answer = await pollOnce(url, undefined)
  const seconds = (performance.now() - since) / 1_000
  const complete =
    typeof answer === 'string' || !answer.ok
      ? []
      : answer.servers.filter(({ status }) => status?.links.length === count - 1)
  if (complete.length !== count) throw new Error(`only ${complete.length} of ${count} servers have told their status`)
  return seconds
}

function total(servers: readonly ServerProcess[]): Usage {
  const all = servers.map(({ usage }) => usage)
  const sum = (of: keyof Usage) => all.reduce((sum, usage) => sum + usage[of], 0)
  return { cpuMs: sum('cpuMs'), bytes: sum('bytes'), packets: sum('packets') }
}

function difference(one: Usage, other: Usage): Usage {
  return {
    cpuMs: one.cpuMs - other.cpuMs,
    bytes: one.bytes - other.bytes,
    packets: one.packets - other.packets,
  }
}

export const servers: Benchmark = {
  name: 'servers',
  about: 'real servers in one mesh on this machine: start, idle, and some killed at once',
  async run(small) {
    const [count, killed, idleSeconds] = small ? [5, 2, 2] : [SERVERS, SERVERS / 5, 10]
    const sample = await measureMesh(count, killed, idleSeconds)
    const row = (name: string, unit: string, value: number): Measure => ({
      name: `${count} servers, ${name}`,
      unit,
      samples: [value],
    })
    return [
      row('start: all listen', 's', sample.listeningSeconds),
      row('start: all have links to all', 's', sample.wholeSeconds),
      row('start: sent by all, 5 s of heartbeats included', 'MB', sample.startMegabytes),
      row('start: CPU of one server', 's', sample.startCpuSeconds),
      row('idle: CPU of one server', '%', sample.idleCpuPercent),
      row('idle: packets per link', '/s', sample.idlePacketsPerLink),
      row('idle: sent by all', 'kB/s', sample.idleKilobytes),
      row('idle: memory of one server', 'MB', sample.memory),
      row('status of all servers', 's', sample.statusSeconds),
      row(`${killed} killed at once: all others know`, 's', sample.lostSeconds),
      row(`${killed} killed at once: their users removed everywhere`, 's', sample.removedSeconds),
    ]
  },
}
