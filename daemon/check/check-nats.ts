import { errors, type NatsConnection } from '@nats-io/transport-node'
import { challengeSchema, SUBJECTS } from '../links/nats/envelopes/envelopes.ts'
import { isNoResponders, reasonOf, requestHandshake } from '../links/nats/handshake-requests.ts'
import { connectTo } from '../links/nats/nats-client.ts'
import { type CheckContext, type Finding, serverFindings, unreachableFinding } from './findings.ts'
import { probeInRotation, probeParty, startProbe, UNKNOWN_ANSWER } from './probe.ts'

/** Checks each NATS server of a config, and each mesh server through the first NATS server that answers. */
export async function checkBackbone(
  urls: readonly string[],
  servers: readonly { id: string }[],
  context: CheckContext,
): Promise<Finding[]> {
  const reached = await Promise.all(urls.map(url => checkNatsServer(new URL(url), context)))
  const findings = reached.map(({ finding }) => finding)
  const connection = reached.find(({ connection }) => connection !== undefined)?.connection
  if (connection === undefined) return findings
  const serverResults = await Promise.all(servers.map(({ id }) => checkServer(id, connection, context)))
  await Promise.all(reached.map(({ connection }) => connection?.close()))
  return [...findings, ...serverResults.flat()]
}

async function checkNatsServer(
  url: URL,
  { selfId, ca, file, withinMs }: CheckContext,
): Promise<{ connection?: NatsConnection; finding: Finding }> {
  // Leaves out the user and the password.
  const about = `backbone at ${url.protocol}//${url.host}`
  try {
    const connection = await connectTo(url, { name: 'mesh-chatd check', inbox: SUBJECTS.inbox(selfId), ca, withinMs })
    const asked = performance.now()
    await connection.flush()
    const rtt = performance.now() - asked
    const version = connection.info?.version ?? '?'
    return { connection, finding: { ok: true, about, text: `NATS ${version}, round trip ${rtt.toFixed(1)} ms` } }
  } catch (error) {
    const { message } = error as Error
    return { finding: { ok: false, about, text: `unreachable: ${message}; ${fixHint(error, url)} in ${file}` } }
  }
}

function fixHint(error: unknown, { protocol }: URL): string {
  const { message } = error as Error
  if (error instanceof URIError) return 'write % as %25 in the user and the password of backbone'
  if (error instanceof errors.AuthorizationError) return 'correct the user and the password in backbone'
  if (/support 'tls'/.test(message)) return 'it does not use TLS: change tls:// to nats:// in backbone'
  if (!/certificate|altnames/i.test(message)) return 'start it, or correct backbone'
  return protocol === 'tls:'
    ? 'set tls.ca to the CA of its certificate'
    : 'it requires TLS: change nats:// to tls:// in backbone, and set tls.ca'
}

/** Checks a server over the backbone: its problems, or one line if there are none. */
async function checkServer(id: string, connection: NatsConnection, context: CheckContext): Promise<Finding[]> {
  const { selfId, auth, withinMs } = context
  const about = `${id} on the backbone`
  // NATS permissions may bind this machine's NATS user to the id of its server.
  const dialler = { ...probeParty(auth), id: selfId }
  const probeWith = async (secret: string) => {
    const request = (to: string, payload: unknown) =>
      requestHandshake(connection, { to, from: selfId, payload, secret, withinMs, isLegacyDenied: false })
    const challenge = challengeSchema.safeParse(await request(id, { dialler }))
    if (!challenge.success) throw new Error('the program with this id is not this version of mesh-chat')
    const { acceptor } = challenge.data
    const { proof, readAnswer } = startProbe(secret, dialler, acceptor)
    const probed = readAnswer(await request(acceptor.id, { link: acceptor.nonce, proof, party: dialler }))
    if (probed === undefined) throw new Error(UNKNOWN_ANSWER)
    return probed
  }
  try {
    return serverFindings(id, about, await probeInRotation(context, probeWith), context)
  } catch (error) {
    const text = `unreachable: ${reasonOf(error)}`
    if (!isNoResponders(error)) return [{ ok: false, about, text }]
    return [unreachableFinding(about, `${text}; start it with: mesh-chatd --id ${id}`, context)]
  }
}
