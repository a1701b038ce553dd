/** Addresses of servers in the config and on the command line. */
import { isIP } from 'node:net'
import * as z from 'zod'
import { urlSchema } from '../protocol/messages.ts'

const HOST = 'must be an IP address or a host name, without scheme, port or spaces'

/**
 * The canonical form of an IP address or host name: IPv6 without brackets, an internationalised name as ASCII (IDNA).
 * Undefined for a text that is neither: a URL with it would be another address, or none.
 */
export function parseHost(text: string): string | undefined {
  const bracketed = /^\[(.*)\]$/.exec(text)?.[1]
  const address = bracketed ?? text
  const kind = isIP(address)
  if (bracketed !== undefined && kind !== 6) return undefined
  const inUrl = kind === 6 ? `[${address}]` : address
  // A label of a host name has letters, digits, `-` and `_`; the URL parser would cut or decode other characters.
  if (kind === 0 && !/^[\p{L}\p{M}\p{N}_-]+(\.[\p{L}\p{M}\p{N}_-]+)*\.?$/u.test(address)) return undefined
  const url = `http://${inUrl}:1`
  if (!URL.canParse(url)) return undefined
  const { hostname, href } = new URL(url)
  if (kind === 0 && !hasValidLengths(hostname)) return undefined
  // A name such as `10.1` is read as the IPv4 address 10.0.0.1.
  if (kind === 0 && isIP(hostname) !== 0) return undefined
  return urlSchema.safeParse(href).success ? hostname.replace(/^\[|\]$/g, '') : undefined
}

/** RFC 1035: 63 characters in a label, 253 in a name. */
function hasValidLengths(name: string): boolean {
  return name.length <= 253 && name.split('.').every(label => label.length <= 63)
}

/** An IP address or host name, as `parseHost`. */
export const hostSchema = z
  .string(HOST)
  .refine(text => parseHost(text) !== undefined, HOST)
  .transform(text => parseHost(text) ?? text)
