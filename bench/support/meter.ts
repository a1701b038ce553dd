/** Loaded into each measured Node.js process with `--import`: reports CPU and memory when asked over IPC. */
export interface ProcessUsage {
  /** CPU time of all threads so far, ms. */
  cpu: number
  /** JavaScript heap and external memory after a garbage collection, bytes. */
  heap?: number
  rss: number
}

process.on('message', (question: string) => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage()
  const reading: ProcessUsage = { cpu: (userCPUTime + systemCPUTime) / 1000, rss: process.memoryUsage.rss() }
  if (question === 'collected') {
    globalThis.gc?.()
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    reading.heap = heapUsed + external
    reading.rss = process.memoryUsage.rss()
  }
  process.send?.(reading)
})
// Listening for requests must not keep the process alive.
process.channel?.unref()
