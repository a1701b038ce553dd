import cluster, { type Worker } from 'node:cluster'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { serverAddressSchema } from '../src/protocol/messages.ts'

/** A worker that dies sooner than this after its start, ms, is started again more and more slowly. */
const STABLE_MS = 10_000
const AGAIN_MS = { first: 500, most: 30_000 }
/** A worker that has not drained after this long, ms, is killed. */
const DRAIN_MS = 10_000

/** What a worker is told of its place, in its environment. */
const PLACE = 'MESH_CHAT_WORKER'
const placeSchema = z.object({ number: z.int().min(1), folder: z.string() })

/** One worker among those that share a port: its number from 1, and a folder where the others reach it. */
export type Place = z.infer<typeof placeSchema>

/** A worker's word to the primary, and the primary's to the other workers: this one is there. */
const helloSchema = z.object({ member: serverAddressSchema })

/** This process's place; undefined for one that is no worker. */
export function placeHere(): Place | undefined {
  const place = process.env[PLACE]
  return place === undefined || !cluster.isWorker ? undefined : placeSchema.parse(JSON.parse(place))
}

/** Tells the other workers of this machine where this one is. */
export function sayHello(member: z.infer<typeof serverAddressSchema>): void {
  process.send?.({ member })
}

/** Calls `take` with each other worker of this machine, now and whenever one comes. */
export function onHello(take: (member: z.infer<typeof serverAddressSchema>) => void): void {
  process.on('message', (message: unknown) => {
    const hello = helloSchema.safeParse(message)
    if (hello.success) take(hello.data.member)
  })
}

/**
 * Runs so many workers, which share the port of the clients: each is a whole server of the mesh. The primary only starts
 * them, tells them of each other, starts one again that died, and passes signals on.
 * @param say tells the log
 * @returns the exit code, when all have ended
 */
export function runWorkers(count: number, say: (level: 'info' | 'warn', message: string) => void): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chatd-'))
  const workers = new Map<number, Worker>()
  const members = new Map<number, z.infer<typeof helloSchema>>()
  let ending = false
  return new Promise(resolve => {
    const ended = (code: number) => {
      rmSync(folder, { recursive: true, force: true })
      resolve(code)
    }
    const start = (number: number, again: number) => {
      const since = Date.now()
      const worker = cluster.fork({ [PLACE]: JSON.stringify({ number, folder }) })
      workers.set(number, worker)
      worker.on('message', (message: unknown) => {
        const hello = helloSchema.safeParse(message)
        if (!hello.success) return
        for (const [other, one] of workers) if (other !== number) one.send(hello.data)
        for (const [other, known] of members) if (other !== number) worker.send(known)
        members.set(number, hello.data)
        // The first has the port: the others will.
        if (number === 1 && workers.size === 1) for (let next = 2; next <= count; next++) start(next, AGAIN_MS.first)
      })
      worker.on('exit', (code, signal) => {
        workers.delete(number)
        if (ending || (!members.has(1) && number === 1)) {
          // What is wrong with the first at its start is wrong with all, and it has said so.
          if (workers.size === 0) ended(ending ? 0 : (code ?? 1))
          return
        }
        const soon = Date.now() - since < STABLE_MS
        const wait = soon ? again : AGAIN_MS.first
        say('warn', `Worker ${number} ended (${signal ?? code}); starting it again in ${wait} ms.`)
        setTimeout(() => {
          if (!ending) start(number, soon ? Math.min(AGAIN_MS.most, wait * 2) : AGAIN_MS.first)
        }, wait)
      })
    }
    const end = () => {
      if (ending) return
      ending = true
      for (const { process } of workers.values()) process.kill('SIGTERM')
      if (workers.size === 0) ended(0)
      setTimeout(() => {
        for (const { process } of workers.values()) process.kill('SIGKILL')
      }, DRAIN_MS).unref()
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end)
    process.on('SIGHUP', () => {
      for (const { process } of workers.values()) process.kill('SIGHUP')
    })
    start(1, AGAIN_MS.first)
  })
}
