import { dialOnce } from '../src/programs/checked-socket.ts'
import { type ConfiguredServer, toServerAddress } from '../src/programs/config.ts'
import { refusalSchema } from '../src/protocol/messages.ts'
import { clusterStatusSchema } from '../src/protocol/status.ts'
import { isListening } from './server-processes.ts'

/** How long the program on a port may take to answer, ms. */
const ANSWER_TIMEOUT_MS = 3_000

/** The program that listens on the port of a configured server. `unknown-server`: it does not tell its id. */
export type PortOwner = 'free' | 'this-server' | 'unknown-server' | 'another-program'

/** Asks the program on a server's port for its cluster status, as a client without a user. */
export async function portOwner(server: ConfiguredServer, secure: boolean): Promise<PortOwner> {
  if (!(await isListening(server))) return 'free'
  const answer = await requestStatus(toServerAddress(server, secure).url)
  const status = clusterStatusSchema.safeParse(answer)
  // A server that requires authentication refuses to tell.
  if (!status.success) return refusalSchema.safeParse(answer).success ? 'unknown-server' : 'another-program'
  const { server: id } = status.data
  return id === server.id || id.startsWith(`${server.id}/`) ? 'this-server' : 'another-program'
}

/** The response to `survey`; undefined if none arrives in time. */
function requestStatus(url: string): Promise<unknown> {
  // The answer decides nothing but an error message, so the certificate does not matter.
  const socket = dialOnce(url, { rejectUnauthorized: false })
  return new Promise<unknown>(resolve => {
    const timer = setTimeout(() => resolve(undefined), ANSWER_TIMEOUT_MS)
    const end = (answer: unknown) => {
      clearTimeout(timer)
      resolve(answer)
    }
    socket.on('connect_error', () => end(undefined))
    socket.on('disconnect', () => end(undefined))
    socket.on('connect', () => socket.emit('survey', end))
  }).finally(() => socket.disconnect())
}
