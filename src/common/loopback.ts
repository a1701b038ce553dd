/** 127.0.0.0/8 in dotted decimal. */
const IPV4_LOOPBACK = /^127(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/
/** 127.0.0.0/8 as an IPv4-mapped IPv6 address in hexadecimal, the form that `URL` produces. */
const MAPPED_LOOPBACK = /^::ffff:7f[\da-f]{2}:[\da-f]{1,4}$/
const MAPPED_PREFIX = '::ffff:'

/**
 * Whether an IP address is a loopback address: 127.0.0.0/8, the same mapped to IPv6 (`::ffff:127.0.0.1`), or `::1`.
 * Takes the form of `socket.remoteAddress`; any other text is not loopback.
 */
export function isLoopbackAddress(address: string): boolean {
  const lower = address.toLowerCase()
  if (lower === '::1' || MAPPED_LOOPBACK.test(lower)) return true
  return IPV4_LOOPBACK.test(lower.startsWith(MAPPED_PREFIX) ? lower.slice(MAPPED_PREFIX.length) : lower)
}

/**
 * Whether a host name is reachable from this machine only: `localhost` or a loopback address, an IPv6 address also in
 * brackets, each also with a trailing dot. Other names are not resolved and count as remote.
 */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  return name === 'localhost' || isLoopbackAddress(/^\[(.*:.*)\]$/.exec(name)?.[1] ?? name)
}

/**
 * Whether the host of a URL is a loopback host, whatever its scheme.
 * @throws TypeError for an invalid URL
 */
export function isLoopbackUrl(url: string): boolean {
  return isLoopbackHost(new URL(url).hostname)
}
