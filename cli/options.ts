import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { EXIT, fail, readErrorReason } from '../src/programs/command-line/fail.ts'
import { readLocalConfig, toServerAddress } from '../src/programs/config.ts'
import { parseUserName } from '../src/protocol/names.ts'
import { toOrigin } from '../src/protocol/proofs/mesh-identity.ts'
import { isRoom, parseRoomName } from '../src/protocol/rooms.ts'
import type { ConnectionTarget } from './session/go-online.ts'
import { KnownMeshes } from './session/known-meshes.ts'
import type { SettingsFile } from './settings.ts'

/** The server if none is known. */
export const DEFAULT_SERVER = 'http://127.0.0.1:3001'

/** Options that select the server; every command that connects has them. */
export interface ServerArguments {
  host?: string
  port?: string
  server?: string[]
  ca?: string
  tokenFile?: string
  insecure?: boolean
}

export function addServerOptions(command: Command): Command {
  return command
    .option('--port <port>', 'port of the server (default: the last server used, else one of ./config.json)')
    .option('--host <address>', 'address of the server (default: 127.0.0.1)')
    .option('--server <url...>', 'server URLs, tried in this order; instead of --host and --port')
    .option(
      '--ca <file>',
      'PEM file of the authority that signed the server certificate (default: those Node.js trusts)',
    )
}

/** Options of commands that connect as a user. */
export function addUserOptions(command: Command): Command {
  return addServerOptions(command)
    .option('--user <name>', 'your user name (default: the last user)')
    .option('--token-file <file>', 'file with your token, for meshes that require one (default: MESH_CHAT_TOKEN)')
    .option(
      '--insecure',
      'accept servers that do not check keys although you have one; they can read and forge messages',
    )
}

/** The user and servers of a command line; defaults are those of the last run. */
export function connectionTarget(args: ServerArguments & { user?: string }, settings: SettingsFile): ConnectionTarget {
  const given = args.user ?? settings.settings.user ?? fail(EXIT.usage, 'no user name given; add --user NAME')
  return {
    user: parseNameOption('--user', given),
    ...resolveServers(args, settings),
    token: readToken(args.tokenFile),
    lastServer: settings.settings.server,
    durable: settings.settings.sync,
    roomHistoryDays: settings.settings.roomHistoryDays,
    insecure: args.insecure,
  }
}

function readToken(file: string | undefined): string | undefined {
  if (file === undefined) return process.env.MESH_CHAT_TOKEN || undefined
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    return fail(EXIT.usage, `--token-file: cannot read ${file}: ${readErrorReason(error)}; give a readable file`)
  }
}

/** The normalized user name given with an option; an invalid one ends the process. */
export function parseNameOption(option: string, given: string): string {
  const name = parseUserName(given)
  return name.ok ? name.value : fail(EXIT.usage, `${option}: ${name.reason}`)
}

/** The user or room given with an option, in canonical form; an invalid one ends the process. */
export function parseThreadOption(option: string, given: string): string {
  if (!isRoom(given.trimStart())) return parseNameOption(option, given)
  const room = parseRoomName(given)
  return room.ok ? room.value : fail(EXIT.usage, `${option}: ${room.reason}`)
}

export function resolveServers(
  args: ServerArguments,
  settings: SettingsFile,
): { servers: string[]; ca: string | undefined } {
  return {
    servers: chooseServers(args, settings.settings.server),
    ca: args.ca === undefined ? undefined : readCa(args.ca),
  }
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    return fail(EXIT.usage, `--ca: cannot read ${file}: ${readErrorReason(error)}; give a readable PEM file`)
  }
}

/**
 * Server URLs in the order in which to try them: those given, else the last one used and those of `./config.json`
 * (starting at a random one, to spread the load) unless they are of another mesh, else port 3001 of this machine.
 */
function chooseServers(args: ServerArguments, last: string | undefined): string[] {
  for (const url of args.server ?? []) {
    if (!/^https?:\/\/[^/]+\/?$/.test(url)) {
      fail(EXIT.usage, `--server ${url} is not a server URL; give http://HOST:PORT or https://HOST:PORT`)
    }
  }
  if (args.server !== undefined) return args.server
  if (args.port !== undefined || args.host !== undefined) {
    const port = Number(args.port ?? '3001')
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      fail(EXIT.usage, `--port ${args.port} is not a port; give a number from 1 to 65535`)
    }
    return [toServerAddress({ id: '', ip: args.host ?? '127.0.0.1', port }).url]
  }
  const config = readLocalConfig()
  const urls = config?.servers.map(server => toServerAddress(server, config.tls !== undefined).url) ?? []
  if (last !== undefined && isOfOtherMesh(last, urls)) return [last]
  const first = last ?? urls[Math.floor(Math.random() * urls.length)] ?? DEFAULT_SERVER
  return [...new Set([first, ...urls])]
}

/** Whether none of these servers is known to be of the mesh of `last`, which is known. */
function isOfOtherMesh(last: string, urls: readonly string[]): boolean {
  if (urls.length === 0 || urls.includes(last)) return false
  const mesh = KnownMeshes.onDisk().find(last)
  return mesh !== undefined && !urls.some(url => mesh.origins.includes(toOrigin(url) ?? ''))
}
