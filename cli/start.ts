#!/usr/bin/env node
/** `npm start`: every server of a config as a process of its own, their logs side by side, until a signal. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

const config = process.argv[2] ?? 'config.json'
const daemon = fileURLToPath(new URL('../daemon/main.js', import.meta.url))
const idsSchema = z.object({ servers: z.array(z.object({ id: z.string() })) })

function serverIds(): string[] {
  try {
    return idsSchema.parse(JSON.parse(readFileSync(config, 'utf8'))).servers.map(server => server.id)
  } catch {
    console.error(`start: ${config} is not a config with a list of servers; name another as the first argument`)
    process.exit(2)
  }
}

const servers = serverIds().map(id => {
  const child = spawn(process.execPath, [daemon, '--id', id, '--config', config, '--log-format', 'text'], {
    // A ^C reaches the whole process group; each server hears of the end from here only.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', text => console.log(`${id}: ${text}`))
  }
  child.on('exit', code => {
    if (code !== 0) {
      process.exitCode = code ?? 1
      stop()
    }
  })
  return child
})

function stop(): void {
  for (const server of servers) server.kill('SIGTERM')
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
