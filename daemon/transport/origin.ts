import { isIP } from 'node:net'

/**
 * Whether a page of this origin (RFC 6454) belongs to this very server. An origin that equals the request's host is not
 * enough: an attacker's page can have a host name that resolves to this machine once the page is loaded (DNS rebinding).
 * A certificate rules that out; without one the host must be an IP address, or one of the server's own names.
 * @param origin undefined where the client is not a browser
 * @param names host names of this server
 */
export function isOwnOrigin(
  origin: string | undefined,
  host: string | undefined,
  scheme: 'http' | 'https',
  names: readonly string[],
): boolean {
  if (origin === undefined) return true
  if (origin !== `${scheme}://${host}` || !URL.canParse(origin)) return false
  const { hostname } = new URL(origin)
  const name = hostname.replace(/^\[|\]$/g, '')
  return scheme === 'https' || isIP(name) !== 0 || name === 'localhost' || names.includes(name)
}
