import cluster, { type Worker } from 'node:cluster'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { serverAddressSchema } from '../src/protocol/messages.ts'

/** A worker that dies sooner than this after its start, ms, is started again more and more slowly. */
const MIN_UPTIME_MS = 10_000
const RESTART_DELAY_MS = { initial: 500, max: 30_000 }
/** A worker that has not drained after this long, ms, is killed. */
const DRAIN_TIMEOUT_MS = 10_000

/** What a worker is told of its place, in its environment. */
const WORKER_ENV = 'MESH_CHAT_WORKER'
const workerInfoSchema = z.object({ number: z.int().min(1), folder: z.string() })

/** One worker among those that share a port: its number from 1, and a folder where the others reach it. */
export type WorkerInfo = z.infer<typeof workerInfoSchema>

/** A worker's word to the primary, and the primary's to the other workers: this one is there. */
const announcementSchema = z.object({ member: serverAddressSchema })

/** This process's place; undefined for one that is no worker. */
export function currentWorker(): WorkerInfo | undefined {
  const info = process.env[WORKER_ENV]
  return info === undefined || !cluster.isWorker ? undefined : workerInfoSchema.parse(JSON.parse(info))
}

/** Tells the other workers of this machine where this one is. */
export function announceWorker(member: z.infer<typeof serverAddressSchema>): void {
  process.send?.({ member })
}

/** Calls `take` with each other worker of this machine, now and whenever one comes. */
export function onWorkerAnnounced(listener: (member: z.infer<typeof serverAddressSchema>) => void): void {
  process.on('message', (message: unknown) => {
    const announcement = announcementSchema.safeParse(message)
    if (announcement.success) listener(announcement.data.member)
  })
}

/**
 * Runs so many workers, which share the port of the clients: each is a whole server of the mesh. The primary only starts
 * them, tells them of each other, starts one again that died, and passes signals on.
 * @param log tells the log
 * @returns the exit code, when all have ended
 */
export function runWorkers(count: number, log: (level: 'info' | 'warn', message: string) => void): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chatd-'))
  const workers = new Map<number, Worker>()
  const announcements = new Map<number, z.infer<typeof announcementSchema>>()
  let isStopping = false
  return new Promise(resolve => {
    const finish = (code: number) => {
      rmSync(folder, { recursive: true, force: true })
      resolve(code)
    }
    const start = (number: number, restartDelayMs: number) => {
      const startedAt = Date.now()
      const worker = cluster.fork({ [WORKER_ENV]: JSON.stringify({ number, folder }) })
      workers.set(number, worker)
      worker.on('message', (message: unknown) => {
        const announcement = announcementSchema.safeParse(message)
        if (!announcement.success) return
        for (const [other, one] of workers) if (other !== number) one.send(announcement.data)
        for (const [other, known] of announcements) if (other !== number) worker.send(known)
        announcements.set(number, announcement.data)
        // The first has the port: the others will.
        if (number === 1 && workers.size === 1)
          for (let next = 2; next <= count; next++) start(next, RESTART_DELAY_MS.initial)
      })
      worker.on('exit', (code, signal) => {
        workers.delete(number)
        if (isStopping || (!announcements.has(1) && number === 1)) {
          // What is wrong with the first at its start is wrong with all, and it has said so.
          if (workers.size === 0) finish(isStopping ? 0 : (code ?? 1))
          return
        }
        const endedEarly = Date.now() - startedAt < MIN_UPTIME_MS
        const delayMs = endedEarly ? restartDelayMs : RESTART_DELAY_MS.initial
        log('warn', `Worker ${number} ended (${signal ?? code}); starting it again in ${delayMs} ms.`)
        setTimeout(() => {
          if (!isStopping)
            start(number, endedEarly ? Math.min(RESTART_DELAY_MS.max, delayMs * 2) : RESTART_DELAY_MS.initial)
        }, delayMs)
      })
    }
    const stop = () => {
      if (isStopping) return
      isStopping = true
      for (const { process } of workers.values()) process.kill('SIGTERM')
      if (workers.size === 0) finish(0)
      setTimeout(() => {
        for (const { process } of workers.values()) process.kill('SIGKILL')
      }, DRAIN_TIMEOUT_MS).unref()
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop)
    process.on('SIGHUP', () => {
      for (const { process } of workers.values()) process.kill('SIGHUP')
    })
    start(1, RESTART_DELAY_MS.initial)
  })
}
