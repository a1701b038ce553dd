import { connect } from 'node:net'

/**
 * Waits for the first word of a NATS server. The client library leaves a connection open on which none comes: a server
 * that is frozen would gather them.
 * @throws Error where it is not reached, is silent, or is no NATS
 */
export function awaitGreeting(host: string, port: number, withinMs: number): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const socket = connect(port, host)
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${withinMs / 1_000} s`)), withinMs)
    socket.once('data', chunk => {
      if (chunk.subarray(0, 4).toString().toUpperCase() === 'INFO') resolve()
      socket.destroy(new Error('what answers there is no NATS'))
    })
    socket.once('error', reject)
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error('it hung up'))
    })
  })
}
