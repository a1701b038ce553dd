/** Real server processes on free ports, with their config in a temporary folder. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { DEADLINE_MS, freePorts, removeFolder } from './processes.ts'

export const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: DEADLINE_MS, interval: 50 })

export class TestMesh {
  readonly folder = mkdtempSync(join(tmpdir(), 'mesh-chat-'))
  readonly config = join(this.folder, 'config.json')
  ports: number[] = []
  readonly #children: ChildProcess[] = []

  /** Writes a config with this number of servers. */
  /** @param more further fields of the configuration */
  async configure(servers: number, more: object = {}): Promise<void> {
    this.ports = await freePorts(servers)
    const list = this.ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
    writeFileSync(this.config, JSON.stringify({ servers: list, ...more }))
  }

  /** Starts server n, counted from 1. Its output is collected in `out`. */
  start(n: number) {
    const args = ['dist/daemon/main.js', '--id', `server-${n}`, '--config', this.config, '--log-format', 'text']
    const child = spawn(process.execPath, args)
    this.#children.push(child)
    const output = { child, out: '' }
    const take = (chunk: Buffer) => {
      output.out += chunk
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    return output
  }

  stop(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    removeFolder(this.folder)
  }
}
