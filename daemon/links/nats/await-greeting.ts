import { connect } from 'node:net'

/**
 * Waits for the INFO line of a NATS server. The client library never closes a connection that stays silent, so a frozen
 * NATS server would accumulate connections.
 * @throws Error if the server is unreachable, silent, or not NATS
 */
export function awaitGreeting(host: string, port: number, withinMs: number): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const socket = connect(port, host)
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${withinMs / 1_000} s`)), withinMs)
    socket.once('data', chunk => {
      if (chunk.subarray(0, 4).toString().toUpperCase() === 'INFO') resolve()
      socket.destroy(new Error('the program at this address is not NATS'))
    })
    socket.once('error', reject)
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error('it closed the connection'))
    })
  })
}
