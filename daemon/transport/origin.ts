import { isIP } from 'node:net'

/**
 * Whether a page of this origin (RFC 6454) is of this very server. That it has the address to which its request went is
 * not enough: somebody's page can have a name that they let point to this machine once the page is loaded (DNS
 * rebinding). A certificate shows that; without one the name must be an address, or one of the server's own.
 * @param origin undefined where no browser asks
 * @param names host names by which the server is known
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
