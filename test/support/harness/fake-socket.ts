import type { Engine } from '../../../daemon/transport/internals.ts'

type Listener = (this: unknown, event: string, ...args: unknown[]) => void

/** The parts of a Socket.IO socket that the gateway of clients uses; `receive` passes it an event of its client. */
export function fakeSocket(conn: Engine): { receive(event: string, ...args: unknown[]): void } {
  let listener: Listener = () => {}
  const socket = {
    handshake: { auth: {} },
    conn,
    data: {},
    on: () => {},
    onAny: (added: Listener) => {
      listener = added
    },
    receive: (event: string, ...args: unknown[]) => listener.call(socket, event, ...args),
  }
  return socket
}
