import { type RunningServer, type RuntimeOptions, startServer } from '../../daemon/runtime.ts'
import { DEFAULT_LIMITS, type Limits } from '../../src/protocol/limits.ts'

export interface InProcessServer extends RunningServer {
  /** The lines of its log so far. */
  readonly lines: readonly string[]
  /** Drains; resolves when the server has shut down. */
  close(): Promise<void>
}

/** A server inside of the test's own process, on a free port. */
export async function startInProcess(
  id: string,
  { limits, ...options }: Partial<Omit<RuntimeOptions, 'limits'>> & { limits?: Partial<Limits> } = {},
): Promise<InProcessServer> {
  const lines: string[] = []
  let resolveEnded = () => {}
  const ended = new Promise<void>(resolve => {
    resolveEnded = resolve
  })
  const server = await startServer({
    id,
    host: '127.0.0.1',
    publicHost: '127.0.0.1',
    port: 0,
    peers: [],
    limits: { ...DEFAULT_LIMITS, ...limits },
    secret: '',
    auth: 'open',
    tokenKey: undefined,
    backbone: [],
    tls: undefined,
    log: { write: (_, line) => lines.push(line), note: () => {} },
    narrateMessages: false,
    exit: () => resolveEnded(),
    ...options,
  })
  const close = () => {
    server.drain()
    return ended
  }
  return { ...server, lines, close }
}
