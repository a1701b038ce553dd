import { dialOnce } from '../src/programs/checked-socket.ts'
import { EXIT, fail } from '../src/programs/command-line/fail.ts'
import { type Config, type ConfiguredServer, toServerAddress } from '../src/programs/config.ts'
import { refusalSchema } from '../src/protocol/messages.ts'
import { clusterStatusSchema } from '../src/protocol/status.ts'
import { isListening } from './server-processes.ts'

/** How long the program on a port may take to answer, ms. */
const ANSWER_TIMEOUT_MS = 3_000

/** The program that listens on the port of a configured server. `unknown-server`: it does not tell its id. */
type PortOwner = 'free' | 'this-server' | 'unknown-server' | 'another-program'

/** Ends the program if a port of the config is in use; says whether these servers run already, or another program uses the port. */
export async function requireFreePorts({ servers, tls, file }: Config): Promise<void> {
  const owners = await Promise.all(servers.map(server => portOwner(server, tls !== undefined)))
  const foreign = servers.find((_, at) => owners[at] === 'another-program')
  if (foreign !== undefined) {
    const { id, port } = foreign
    const fix = `stop it, or change the port of ${id} in ${file}`
    fail(EXIT.general, `port ${port} is already in use by another program; ${fix}`)
  }
  const running = servers.filter((_, at) => owners[at] !== 'free')
  const [first] = running
  if (first === undefined) return
  const target =
    first.ip === '127.0.0.1' && tls === undefined
      ? `--port ${first.port}`
      : `--server ${toServerAddress(first, tls !== undefined).url}`
  const join = `Join with: mesh-chat --user NAME ${target}`
  if (running.length === servers.length) {
    fail(EXIT.general, `These servers are already running here. ${join}; or stop them first`)
  }
  const ids = running.map(({ id }) => id).join(', ')
  fail(EXIT.general, `Some of these servers are already running here (${ids}); stop them first. ${join}`)
}

/** Asks the program on a server's port for its cluster status, as a client without a user. */
async function portOwner(server: ConfiguredServer, secure: boolean): Promise<PortOwner> {
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
