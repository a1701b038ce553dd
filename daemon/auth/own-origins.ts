import { networkInterfaces } from 'node:os'
import { isLoopbackHost } from '../../src/common/loopback.ts'
import { toOrigin } from '../../src/protocol/proofs/mesh-identity.ts'
import { isWildcard } from '../settings/secret.ts'

/** How clients can reach a server. */
export interface ServerAddresses {
  /** The address that it listens on. */
  host: string
  port: number
  scheme: 'http' | 'https'
  /** URLs at which it is announced to others. */
  urls: readonly string[]
  /** Further origins that the operator has listed, for a server after a proxy or balancer. */
  names: readonly string[]
}

/**
 * The origins by which a server is known. It proves its mesh only to clients that dialled one of them: another server
 * cannot pass on the proof as its own.
 */
export class OwnOrigins {
  readonly #addresses: ServerAddresses
  readonly #origins: ReadonlySet<string>
  /** Origins that a proxy may have. */
  readonly #names: ReadonlySet<string | undefined>

  constructor(addresses: ServerAddresses) {
    const { host, urls, names } = addresses
    this.#addresses = addresses
    const own = [this.#originAt(host), ...urls, ...names].map(toOrigin)
    this.#origins = new Set(own.filter(origin => origin !== undefined))
    this.#names = new Set(names.map(toOrigin))
  }

  /** Whether TLS to an origin may end at a proxy: the server has no TLS itself, or its operator has listed the origin. */
  mayEndAtProxy(origin: string): boolean {
    return this.#addresses.scheme === 'http' || this.#names.has(origin)
  }

  /** @param origin in canonical form, as of `originSchema` */
  has(origin: string): boolean {
    return this.#origins.has(origin) || this.#isLoopback(origin) || this.#isInterface(origin)
  }

  /** Whether an origin is a loopback alias of the port. */
  #isLoopback(origin: string): boolean {
    const { host } = this.#addresses
    if (!isWildcard(host) && !isLoopbackHost(host)) return false
    const { hostname } = new URL(origin)
    return isLoopbackHost(hostname) && origin === toOrigin(this.#originAt(hostname))
  }

  /** Whether an origin is an address of this machine: a server that listens on a wildcard address listens there. */
  #isInterface(origin: string): boolean {
    if (!isWildcard(this.#addresses.host)) return false
    const addresses = Object.values(networkInterfaces()).flatMap(one => one ?? [])
    return addresses.some(({ address }) => origin === toOrigin(this.#originAt(address)))
  }

  #originAt(host: string): string {
    const { scheme, port } = this.#addresses
    return `${scheme}://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`
  }
}
