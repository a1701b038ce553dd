import cluster, { type Worker } from 'node:cluster'
import { rmSync } from 'node:fs'
import * as z from 'zod'
import { serverAddressSchema } from '../src/protocol/messages.ts'
import { AcceptBalance, type PortLoad } from './accept-balance.ts'
import { createSocketFolder, removeStaleFolders } from './socket-folder.ts'

/** The restart delay doubles for a worker that exits sooner than this after its start, ms. */
const MIN_UPTIME_MS = 10_000
const RESTART_DELAY_MS = { initial: 500, max: 30_000 }
/** How long a worker may take to drain before it is killed, ms. */
const DRAIN_TIMEOUT_MS = 10_000

/** The environment variable that passes `WorkerInfo` to a worker. */
const WORKER_ENV = 'MESH_CHAT_WORKER'
const workerInfoSchema = z.object({ number: z.int().min(1), folder: z.string() })

/** One of the workers that share a port: its number, from 1, and the folder of the workers' Unix sockets. */
export type WorkerInfo = z.infer<typeof workerInfoSchema>

/** A worker sends its address to the primary, which passes it on to the other workers. */
const announcementSchema = z.object({ member: serverAddressSchema })

/** A worker reports the load of its client port; the primary tells it whether to pause accepting. */
const portLoadSchema = z.object({
  port: z.object({ connections: z.number(), isFull: z.boolean() }),
})
const pauseSchema = z.object({ isPaused: z.boolean() })
/** A worker reports a changed load at this interval, ms, and one that has not changed each time that this number has passed. */
const REPORT_INTERVAL_MS = 200
const UNCHANGED_REPORTS = 4

/** This worker; undefined in a process that is not a worker. */
export function currentWorker(): WorkerInfo | undefined {
  const info = process.env[WORKER_ENV]
  return info === undefined || !cluster.isWorker ? undefined : workerInfoSchema.parse(JSON.parse(info))
}

/** Announces this worker to the other workers of this machine. */
export function announceWorker(member: z.infer<typeof serverAddressSchema>): void {
  process.send?.({ member })
}

/** Calls `listener` with each other worker of this machine: those that run already, and later ones. */
export function onWorkerAnnounced(listener: (member: z.infer<typeof serverAddressSchema>) => void): void {
  process.on('message', (message: unknown) => {
    const announcement = announcementSchema.safeParse(message)
    if (announcement.success) listener(announcement.data.member)
  })
}

/** Reports the load of the client port to the primary. `setPaused` is called when this worker must pause accepting, or may go on. */
export function balancePort(load: () => PortLoad, setPaused: (isPaused: boolean) => void): void {
  process.on('message', (message: unknown) => {
    const pause = pauseSchema.safeParse(message)
    if (pause.success) setPaused(pause.data.isPaused)
  })
  let unchanged = UNCHANGED_REPORTS
  let last: PortLoad | undefined
  setInterval(() => {
    const port = load()
    const isSame = port.connections === last?.connections
    if (isSame && ++unchanged < UNCHANGED_REPORTS) return
    unchanged = 0
    last = port
    // A primary that has just ended ends this worker, too.
    process.send?.({ port }, undefined, undefined, () => {})
  }, REPORT_INTERVAL_MS).unref()
}

/**
 * Runs `count` workers that share the client port; each is a full server of the mesh. The primary process starts them,
 * introduces them to each other, restarts those that die, and passes signals on.
 * @param onShutdownRequest registers a listener for the request to shut down
 * @returns the exit code, after all workers have exited
 */
export function runWorkers(
  count: number,
  log: (level: 'info' | 'warn', message: string) => void,
  onShutdownRequest: (listener: () => void) => void,
): Promise<number> {
  // Each worker accepts connections itself. Node's default, a primary that accepts all and passes them on one by one, fails
  // when thousands reconnect at once: they time out in its queue, and workers get connections that are dead.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  const folder = createSocketFolder()
  /** The running workers. */
  const workers = new Map<number, Worker>()
  const balance = new AcceptBalance()
  let paused: ReadonlySet<number> = new Set()
  const updatePaused = () => {
    const before = paused
    paused = balance.paused(performance.now())
    for (const [number, worker] of workers) {
      const isPaused = paused.has(number)
      if (isPaused !== before.has(number) && worker.isConnected()) worker.send({ isPaused })
    }
  }
  let areOthersStarted = false
  const announcements = new Map<number, z.infer<typeof announcementSchema>>()
  let isStopping = false
  void removeStaleFolders()
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
        const load = portLoadSchema.safeParse(message)
        if (load.success) {
          balance.report(number, load.data.port, performance.now())
          return updatePaused()
        }
        const announcement = announcementSchema.safeParse(message)
        if (!announcement.success) return
        for (const [other, one] of workers) if (other !== number && one.isConnected()) one.send(announcement.data)
        for (const [other, known] of announcements) if (other !== number) worker.send(known)
        announcements.set(number, announcement.data)
        // The first worker could bind the port, so the others can. Later they are restarted when they exit.
        if (areOthersStarted) return
        areOthersStarted = true
        for (let next = 2; next <= count; next++) start(next, RESTART_DELAY_MS.initial)
      })
      // A message to a worker that is about to exit: it is restarted then.
      worker.on('error', () => {})
      worker.on('exit', (code, signal) => {
        workers.delete(number)
        balance.remove(number)
        updatePaused()
        if (isStopping || (!announcements.has(1) && number === 1)) {
          // A failed start of the first worker would fail for all; it has reported the error.
          if (workers.size === 0) finish(isStopping ? 0 : (code ?? 1))
          return
        }
        const endedEarly = Date.now() - startedAt < MIN_UPTIME_MS
        const delayMs = endedEarly ? restartDelayMs : RESTART_DELAY_MS.initial
        log('warn', `Worker ${number} exited (${signal ?? code}); restarting it in ${delayMs} ms.`)
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
    onShutdownRequest(stop)
    process.on('SIGHUP', () => {
      for (const { process } of workers.values()) process.kill('SIGHUP')
    })
    start(1, RESTART_DELAY_MS.initial)
  })
}
