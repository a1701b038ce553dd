import { existsSync, readFileSync } from 'node:fs'

/** Loaded into each measured Node.js process with `--import`: reports CPU and memory when asked over IPC. */
export interface ProcessUsage {
  /** CPU time of all threads so far, ms. */
  cpu: number
  /** JavaScript heap and external memory after a garbage collection, bytes. */
  heap?: number
  rss: number
  /** CPU time of the main thread in its longest event-loop turn since the last reading, ms; accurate to some ms. */
  longestTurn: number
}

/** How often the meter looks at the main thread, ms. */
const TURN_SAMPLE_MS = 5
const NS_PER_MS = 1e6

/** CPU time of the main thread so far, ms (proc(5), `schedstat`); 0 where the kernel does not tell it. */
function mainThreadCpu(): number {
  const file = `/proc/self/task/${process.pid}/schedstat`
  if (!existsSync(file)) return 0
  return Number(readFileSync(file, 'utf8').split(' ')[0]) / NS_PER_MS
}

let longestTurn = 0
let sampledCpu = 0
let isSampling = false

/** Samples turns from the first question `turns` on: that takes CPU, and would distort other benchmarks. */
function startSampling(): void {
  sampledCpu = mainThreadCpu()
  if (isSampling) return
  isSampling = true
  // A timer fires once per turn at most: between two calls the thread has run one long turn, or some short ones.
  setInterval(() => {
    const cpu = mainThreadCpu()
    longestTurn = Math.max(longestTurn, cpu - sampledCpu)
    sampledCpu = cpu
  }, TURN_SAMPLE_MS).unref()
}

process.on('message', (question: string) => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage()
  const reading: ProcessUsage = {
    cpu: (userCPUTime + systemCPUTime) / 1000,
    rss: process.memoryUsage.rss(),
    longestTurn,
  }
  longestTurn = 0
  if (question === 'turns') startSampling()
  if (question === 'collected') {
    globalThis.gc?.()
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    reading.heap = heapUsed + external
    reading.rss = process.memoryUsage.rss()
    // The collection is not a turn of the server.
    sampledCpu = mainThreadCpu()
  }
  process.send?.(reading)
})
// Listening for requests must not keep the process alive.
process.channel?.unref()
