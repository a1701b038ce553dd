import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { isLoopbackAddress } from '../../src/common/loopback.ts'
import { AddressCounts } from '../../src/server/clients/address-counts.ts'

/** A client that polls has two TCP connections at times. */
const TCP_CONNECTIONS_PER_CLIENT = 2

/**
 * Bounds the TCP connections of each address, whatever becomes of them: clients are counted when they are clients, and
 * until then a connection that says nothing costs as much.
 * @param perAddress clients that may come from one address; 0: any number
 */
export function limitConnectionsPerAddress(http: Server, perAddress: number): void {
  const addresses = new AddressCounts()
  let lastNumber = 0
  http.prependListener('connection', (socket: Socket) => {
    const { remoteAddress = '' } = socket
    if (isLoopbackAddress(remoteAddress)) return
    const number = ++lastNumber
    if (!addresses.tryAdd(number, remoteAddress, perAddress * TCP_CONNECTIONS_PER_CLIENT)) return void socket.destroy()
    socket.once('close', () => addresses.remove(number))
  })
}
