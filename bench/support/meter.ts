/** Loaded into each measured Node process (`--import`): tells CPU and memory when asked over IPC, and costs nothing else. */
export interface ProcessUsage {
  /** CPU time so far, of all threads, ms. */
  cpu: number
  /** Bytes after a collection: JavaScript's heap and what it holds outside. */
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
// What listens for questions must not keep a process alive that wants to end.
process.channel?.unref()
