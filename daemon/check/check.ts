import { X509Certificate } from 'node:crypto'
import { timerDelay } from '../../src/common/time.ts'
import { printLine } from '../../src/programs/command-line/print.ts'
import {
  type Config,
  ConfigError,
  type ConfiguredServer,
  readConfig,
  toServerAddress,
} from '../../src/programs/config.ts'
import { socketErrorText } from '../../src/programs/connection-error.ts'
import type { AuthMode } from '../../src/protocol/proofs/credentials.ts'
import { sanitizedJson, sanitizeLine } from '../../src/protocol/text.ts'
import { readTokenKey } from '../auth/tokens.ts'
import { checkConfigPrivacy, withBackboneOf } from '../settings/backbone.ts'
import { checkExposure, configFixHints } from '../settings/exposure.ts'
import { checkRotation, isWildcard, readPreviousSecret, readSecret } from '../settings/secret.ts'
import { tokenClaims, unknownServer } from '../settings/settings.ts'
import { readTls, type TlsMaterial } from '../settings/tls.ts'
import { type CheckContext, type Finding, serverFindings, unreachableFinding } from './findings.ts'
import { probe, probeInRotation, reach } from './probe.ts'

/** Codes of connection errors that a server gives which is not started, or whose host is down. */
const DOWN = new Set(['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN'])

export interface CheckArguments {
  config?: string
  id?: string
  timeout: string
  insecure?: boolean
  json?: boolean
}

/**
 * Checks a config, its files, and each other server, directly or over the backbone: whether it answers, and has the same
 * secret, auth and time. Nothing changes in the mesh. Before this machine's server is started, the others need not run.
 * @returns the exit code: 0, 1 if a server is unreachable or has a problem, 2 if the config is invalid
 */
export async function check(args: CheckArguments): Promise<number> {
  const withinMs = timerDelay(Number(args.timeout) * 1_000)
  if (!(Number(args.timeout) > 0))
    throw new ConfigError(`--timeout ${args.timeout} is not valid; give a number of seconds`)
  const print = ({ ok, warning, about, text }: Finding) => {
    const level = warning ? 'warn ' : ok ? 'ok   ' : 'error'
    if (args.json) printLine(sanitizedJson({ ok, warning, about, text }))
    else printLine(sanitizeLine(`${level}  ${about}: ${text}`))
  }
  const config = readConfig(args.config)
  const { servers } = config
  const backbone = withBackboneOf<{ backbone?: string[] }>({}).backbone ?? config.backbone
  const self = servers.find(({ id }) => id === args.id)
  if (args.id !== undefined && self === undefined) throw unknownServer(config, args.id)
  const contents = [countOf(servers, 'server'), ...(config.rooms.length === 0 ? [] : [countOf(config.rooms, 'room')])]
  print({ ok: true, about: 'config', text: `${config.file}: ${contents.join(', ')}` })
  const files = checkFiles(config)
  const exposureFindings = checkServerExposure(
    { ...config, backbone },
    self === undefined ? servers : [self],
    // Any server without a secret can join until the rotation is over.
    files.previousSecret === '' ? '' : files.secret,
    args.insecure === true,
  )
  const findings = [...files.findings, ...exposureFindings]
  for (const finding of findings) print(finding)
  if (findings.some(({ ok }) => !ok)) return 2

  const selfId = self?.id ?? 'check'
  const context = {
    selfId,
    secret: files.secret,
    previousSecret: files.previousSecret,
    ca: files.tls?.ca,
    auth: config.auth ?? 'open',
    file: config.file,
    withinMs,
    isSelfRunning: self && (await isListening(self, withinMs)),
  }
  const others = servers.filter(server => server !== self)
  const addresses = others.map(server => toServerAddress(server, config.tls !== undefined))
  const serverFindings = await (backbone === undefined
    ? Promise.all(addresses.map(address => checkServer(address, context)))
    : (await import('./check-nats.ts')).checkBackbone(backbone, addresses, context))
  for (const finding of serverFindings.flat()) print(finding)
  return serverFindings.flat().every(({ ok }) => ok) ? 0 : 1
}

/** Whether a program listens on the port of this machine's server. */
async function isListening(server: ConfiguredServer, withinMs: number): Promise<boolean> {
  return reach(toServerAddress(server).url, undefined, withinMs).then(
    () => true,
    () => false,
  )
}

function countOf({ length }: readonly unknown[], noun: string): string {
  return `${length} ${noun}${length === 1 ? '' : 's'}`
}

/** Checks that the files of a config can be read and used. */
function checkFiles(config: Config): {
  findings: Finding[]
  secret: string
  previousSecret: string | undefined
  tls: TlsMaterial | undefined
} {
  const findings: Finding[] = []
  const checkFile = <T>(about: string, read: () => T, describe: (value: T) => string): T | undefined => {
    try {
      const value = read()
      findings.push({ ok: true, about, text: describe(value) })
      return value
    } catch (error) {
      findings.push({ ok: false, about, text: (error as Error).message })
      return undefined
    }
  }
  try {
    checkConfigPrivacy(config)
  } catch (error) {
    findings.push({ ok: false, about: 'backbone', text: (error as Error).message })
  }
  const secret = checkFile(
    'secret',
    () => readSecret(config.secretFile),
    secret => {
      if (secret === '') return 'none; any program that can reach a server can join the mesh'
      return process.env.MESH_CHAT_SECRET ? 'from MESH_CHAT_SECRET' : `from ${config.secretFile}`
    },
  )
  const { tokenKeyFile, previousSecretFile, tls: files } = config
  const hasPrevious = previousSecretFile !== undefined || Boolean(process.env.MESH_CHAT_PREVIOUS_SECRET)
  const previousSecret = !hasPrevious
    ? undefined
    : checkFile(
        'previousSecretFile',
        () => {
          const previous = readPreviousSecret(previousSecretFile)
          checkRotation(secret ?? '', previous)
          return previous
        },
        previous => {
          const source = process.env.MESH_CHAT_PREVIOUS_SECRET ? 'MESH_CHAT_PREVIOUS_SECRET' : previousSecretFile
          const accepted = previous === '' ? 'servers without a secret are accepted' : 'accepted besides the secret'
          return `${source}: ${accepted}; remove it when all servers have the new one`
        },
      )
  if (tokenKeyFile !== undefined) {
    checkFile(
      'tokenKeyFile',
      () => readTokenKey(tokenKeyFile, tokenClaims(config)),
      ({ algorithm, signKey }) => {
        const half = signKey === undefined ? ' public key, verifies tokens only' : ''
        return `${tokenKeyFile}: ${algorithm}${half}`
      },
    )
  }
  const tls =
    files &&
    checkFile(
      'tls',
      () => requireValidNow(readTls(files), files.cert),
      ({ cert }) => `${files.cert}: ${validity(new X509Certificate(cert).validTo)}`,
    )
  return { findings, secret: secret ?? '', previousSecret, tls }
}

/** @throws ConfigError if the certificate is expired or not valid yet */
function requireValidNow(tls: TlsMaterial, file: string): TlsMaterial {
  const { validFrom, validTo } = new X509Certificate(tls.cert)
  const now = Date.now()
  if (Date.parse(validFrom) <= now && now < Date.parse(validTo)) return tls
  throw new ConfigError(`${file} is valid from ${day(validFrom)} until ${day(validTo)}; renew it`)
}

/** Checks the rules that a server applies to its settings when it starts. */
function checkServerExposure(
  config: Config,
  servers: readonly ConfiguredServer[],
  secret: string,
  insecure: boolean,
): Finding[] {
  const findings: Finding[] = []
  const modes = new Set<AuthMode>()
  for (const { id, ip: host, port } of servers) {
    const exposure = {
      host,
      hasAddress: !isWildcard(host),
      secret,
      auth: config.auth,
      backbone: config.backbone ?? [],
      insecure,
    }
    try {
      const auth = checkExposure(
        { ...exposure, hasTokenKey: config.tokenKeyFile !== undefined },
        configFixHints(config.file, port),
      )
      modes.add(auth)
    } catch (error) {
      findings.push({ ok: false, about: id, text: (error as Error).message })
    }
  }
  if (findings.length === 0) findings.push({ ok: true, about: 'auth', text: [...modes].join() })
  return findings
}

/** Checks a server at its address: its problems, or one line if there are none. */
async function checkServer({ id, url }: { id: string; url: string }, context: CheckContext): Promise<Finding[]> {
  const { ca, auth, withinMs } = context
  const about = `${id} at ${url}`
  const faults: string[] = []
  let isReached = false
  try {
    const certificate = await reach(url, ca, withinMs)
    isReached = true
    if (certificate?.fault !== undefined)
      faults.push(`its certificate is not trusted: ${certificate.fault}; ${fixHint(certificate.fault)}`)
    const probed = await probeInRotation(context, secret => probe(url, secret, auth, withinMs))
    const until = certificate === undefined ? [] : [`certificate ${validity(certificate.validTo)}`]
    return serverFindings(id, about, probed, context, faults, until)
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    const isDown = DOWN.has(code ?? '')
    const reason = (isDown ? socketErrorText(code ?? '') : undefined) ?? message
    const start = code === 'ECONNREFUSED' ? `; start it with: mesh-chatd --id ${id}` : ''
    // The host may be down, too. A name that cannot be resolved is a mistake in the config.
    if (!isReached && isDown) return [unreachableFinding(about, `unreachable: ${reason}${start}`, context)]
    return [...faults, `unreachable: ${reason}${start}`].map(text => ({ ok: false, about, text }))
  }
}

function fixHint(fault: string): string {
  if (/EXPIRED|NOT_YET/.test(fault)) return 'renew it, or correct the clocks'
  if (/ALTNAME/.test(fault)) return 'issue one for this address'
  return 'set tls.ca to its CA'
}

function day(time: string | Date): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? 'an unknown day' : date.toISOString().slice(0, 10)
}

function validity(validTo: string | Date): string {
  const days = Math.floor((new Date(validTo).getTime() - Date.now()) / 86_400_000)
  return `valid until ${day(validTo)} (${days} ${days === 1 ? 'day' : 'days'})`
}
