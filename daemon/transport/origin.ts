import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'

/** Longest origin or host name that an error repeats. */
const MAX_SHOWN_LENGTH = 300

/** Which pages in a browser may connect to a server. */
export interface PageRules {
  scheme: 'http' | 'https'
  /** Host names of this server. */
  hostNames: readonly string[]
  /** Further origins whose pages may connect. */
  origins: readonly string[]
}

/** The host names of a server: of its addresses, of its origins, and of this machine. */
export function hostNamesOf(hosts: readonly string[], urls: readonly string[]): string[] {
  const names = [...hosts, ...urls.map(url => new URL(url).hostname), hostname()]
  return [...new Set(names.map(toHostName))]
}

/**
 * Whether a `Host` header names this server. A page can have a host name that resolves to this machine once the page is
 * loaded (DNS rebinding); requests to its own origin then reach this server, most of them without an `Origin`. So a host
 * must be an IP address, `localhost`, or one of the server's own names.
 * @param host undefined where the client is not a browser
 * @param hostNames from `hostNamesOf`
 */
export function isKnownHost(host: string | undefined, hostNames: readonly string[]): boolean {
  if (host === undefined) return true
  if (!/^[^\s@/\\?#]+$/.test(host) || !URL.canParse(`http://${host}`)) return false
  const name = toHostName(new URL(`http://${host}`).hostname)
  return isIP(name) !== 0 || name === 'localhost' || hostNames.includes(name)
}

/**
 * Whether a page of this origin (RFC 6454) belongs to this very server.
 * @param origin undefined where the client is not a browser
 */
export function isOwnOrigin(
  origin: string | undefined,
  host: string | undefined,
  { scheme, hostNames }: Pick<PageRules, 'scheme' | 'hostNames'>,
): boolean {
  if (origin === undefined) return true
  if (host === undefined || origin !== `${scheme}://${host}` || !URL.canParse(origin)) return false
  // A certificate rules out DNS rebinding.
  return scheme === 'https' || isKnownHost(host, hostNames)
}

/**
 * Why a request that opens a connection is refused, with the fix; undefined: it is allowed. Programs other than browsers
 * send none of these headers.
 */
export function pageRefusal({ headers, url = '' }: IncomingMessage, rules: PageRules): string | undefined {
  const { origin, host, upgrade } = headers
  const { scheme, hostNames, origins } = rules
  // A script element may load it from any page, without an Origin, and would run the answer.
  if (new URLSearchParams(url.slice(url.indexOf('?') + 1)).has('j'))
    return 'JSONP is not supported; use XHR or WebSocket'
  if (origin !== undefined) {
    if (origins.includes(origin) || isOwnOrigin(origin, host, rules)) return undefined
    return `pages of ${shown(origin)} may not connect; the operator can list it under "origins" in the config`
  }
  // Of another page: browsers omit the Origin of requests whose answer the page cannot read.
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return 'requests of other pages may not connect'
  // Browsers send the Origin of each WebSocket.
  if (scheme === 'https' || upgrade !== undefined || isKnownHost(host, hostNames)) return undefined
  return `this server is not known as ${shown(host)}; its operator can list it under "names" in the config`
}

function toHostName(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
}

function shown(text: string | undefined): string {
  return (text ?? '').slice(0, MAX_SHOWN_LENGTH)
}
