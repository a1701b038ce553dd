import { errors, type NatsConnection } from '@nats-io/transport-node'
import { challengeSchema } from '../links/nats/envelopes.ts'
import { isNoResponders, reasonOf, requestHandshake } from '../links/nats/handshake-requests.ts'
import { connectTo } from '../links/nats/nats-client.ts'
import { type CheckContext, type Finding, serverFindings } from './findings.ts'
import { probeParty, startProbe, UNKNOWN_ANSWER } from './probe.ts'

/** Each NATS server of a config, and each server of the mesh over the first of them that is reached. */
export async function checkBackbone(
  urls: readonly string[],
  servers: readonly { id: string }[],
  context: CheckContext,
): Promise<Finding[]> {
  const reached = await Promise.all(urls.map(url => checkNatsServer(new URL(url), context)))
  const findings = reached.map(({ finding }) => finding)
  const connection = reached.find(({ connection }) => connection !== undefined)?.connection
  if (connection === undefined) return findings
  const looked = await Promise.all(servers.map(({ id }) => checkServer(id, connection, context)))
  await Promise.all(reached.map(({ connection }) => connection?.close()))
  return [...findings, ...looked.flat()]
}

async function checkNatsServer(
  url: URL,
  { ca, file, withinMs }: CheckContext,
): Promise<{ connection?: NatsConnection; finding: Finding }> {
  // User and password stand before the host.
  const about = `backbone at ${url.protocol}//${url.host}`
  try {
    const connection = await connectTo(url, { name: 'mesh-chatd check', ca, withinMs })
    const asked = performance.now()
    await connection.flush()
    const rtt = performance.now() - asked
    const version = connection.info?.version ?? '?'
    return { connection, finding: { ok: true, about, text: `NATS ${version}, round trip ${rtt.toFixed(1)} ms` } }
  } catch (error) {
    const { message } = error as Error
    return { finding: { ok: false, about, text: `not reached: ${message}; ${fixHint(error, url)} in ${file}` } }
  }
}

function fixHint(error: unknown, { protocol }: URL): string {
  const { message } = error as Error
  if (error instanceof URIError) return 'write % as %25 in the user and the password of backbone'
  if (error instanceof errors.AuthorizationError) return 'correct the user and the password in backbone'
  if (/support 'tls'/.test(message)) return 'it has no TLS: give nats:// in backbone'
  if (!/certificate|altnames/i.test(message)) return 'start it, or correct backbone'
  return protocol === 'tls:' ? 'set tls.ca to who vouches for it' : 'it wants TLS: give tls:// in backbone, and tls.ca'
}

/** Another server, over the backbone: what is wrong with it, or one line that says that all is well. */
async function checkServer(id: string, connection: NatsConnection, context: CheckContext): Promise<Finding[]> {
  const { secret, auth, withinMs } = context
  const about = `${id} on the backbone`
  const dialler = probeParty(auth)
  try {
    const challenge = challengeSchema.safeParse(await requestHandshake(connection, id, { dialler }, withinMs))
    if (!challenge.success) throw new Error('what answers there is no mesh-chat of this version')
    const { acceptor } = challenge.data
    const { proof, readAnswer: answered } = startProbe(secret, dialler, acceptor)
    const probed = answered(await requestHandshake(connection, acceptor.id, { link: acceptor.nonce, proof }, withinMs))
    if (probed === undefined) throw new Error(UNKNOWN_ANSWER)
    return serverFindings(id, about, probed, context)
  } catch (error) {
    const start = isNoResponders(error) ? `; start it with: mesh-chatd --id ${id}` : ''
    return [{ ok: false, about, text: `not reached: ${reasonOf(error)}${start}` }]
  }
}
