/** `npm run bench -- [NAME …] [--small] [--out FILE]`: runs benchmarks, prints tables, writes JSON. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname } from 'node:path'
import { Command } from 'commander'
import { bigClient } from './big-client.ts'
import { connections } from './connections.ts'
import { crowd } from './crowd.ts'
import { idle } from './idle.ts'
import { im } from './im.ts'
import { join } from './join.ts'
import { nats } from './nats.ts'
import { presence } from './presence.ts'
import { room } from './room.ts'
import { scale } from './scale.ts'
import { screen } from './screen.ts'
import { servers } from './servers.ts'
import { type Benchmark, evaluate, type Result, table } from './support/report.ts'
import { sleep } from './support/servers.ts'
import { users } from './users.ts'
import { workers } from './workers.ts'

const benchmarks: readonly Benchmark[] = [
  im,
  nats,
  room,
  workers,
  presence,
  users,
  join,
  crowd,
  idle,
  connections,
  screen,
  bigClient,
  scale,
  servers,
]

const program = new Command('bench')
  .argument('[names...]', `benchmarks to run: ${benchmarks.map(({ name }) => name).join(', ')} (default: all)`)
  .option('--small', 'run each once with a small load, to check that it works; targets are not evaluated')
  .option('--out <file>', 'write all results as JSON to this file (default: bench/results/NAME.json)')
  .parse()
const { small = false, out } = program.opts<{ small?: boolean; out?: string }>()
const unknown = program.args.find(name => !benchmarks.some(benchmark => benchmark.name === name))
if (unknown !== undefined) program.error(`unknown benchmark: ${unknown}; run with --help for a list`)

const all: Record<string, Result[]> = {}
for (const benchmark of benchmarks) {
  if (program.args.length > 0 && !program.args.includes(benchmark.name)) continue
  console.log(`\n${benchmark.name}${small ? ' (small load)' : ''}: ${benchmark.about}\n`)
  const results = (await benchmark.run(small)).map(evaluate)
  if (small) for (const result of results) delete result.met
  console.log(table(results))
  all[benchmark.name] = results
  if (out === undefined) write(`bench/results/${benchmark.name}.json`, { [benchmark.name]: results })
}
if (out !== undefined) write(out, all)
// The servers write their CPU profiles when they exit, which takes a while.
if (process.env.BENCH_CPU_PROF !== undefined) await sleep(5_000)
process.exit(0)

function write(file: string, results: Record<string, Result[]>): void {
  const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length }
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), small, machine, results }, undefined, 2)}\n`)
}
