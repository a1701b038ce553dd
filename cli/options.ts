import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { readLocalConfig, toServerAddress } from '../src/programs/config.ts'
import { EXIT, fail } from '../src/programs/fail.ts'
import { parseUserName } from '../src/protocol/names.ts'
import type { ConnectionTarget } from './session/go-online.ts'
import type { SettingsFile } from './settings.ts'

/** The options that say where to connect; all commands have them. */
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
    .option('--port <port>', 'the port of the server to connect to (default: the last one, or one of config.json)')
    .option('--host <address>', 'its address (default: 127.0.0.1)')
    .option('--server <url...>', 'servers by URL, instead of --host and --port; tried in this order')
    .option('--ca <file>', "who vouches for the server's certificate, as PEM (default: whom Node trusts)")
}

/** The options of commands that connect as a user. */
export function addUserOptions(command: Command): Command {
  return addServerOptions(command)
    .option('--user <name>', 'who you are (default: who you were last)')
    .option('--token-file <file>', 'holds what says so, where the mesh asks for a token (default: MESH_CHAT_TOKEN)')
    .option('--insecure', 'trust servers with names and messages, though you have a key')
}

/** As whom to connect, and where: as told, else as it was last time. */
export function connectionTarget(args: ServerArguments & { user?: string }, settings: SettingsFile): ConnectionTarget {
  const given = args.user ?? settings.settings.user ?? fail(EXIT.usage, 'who are you? Say it with: --user NAME')
  return {
    user: parseNameOption('--user', given),
    ...resolveServers(args, settings),
    token: readToken(args.tokenFile),
    insecure: args.insecure,
  }
}

function readToken(file: string | undefined): string | undefined {
  if (file === undefined) return process.env.MESH_CHAT_TOKEN || undefined
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    return fail(EXIT.usage, `--token-file: ${(error as Error).message}`)
  }
}

/** A user's name as it was given with an option. */
export function parseNameOption(option: string, given: string): string {
  const name = parseUserName(given)
  return name.ok ? name.value : fail(EXIT.usage, `${option}: ${name.reason}`)
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
    return fail(EXIT.usage, `--ca: ${(error as Error).message}`)
  }
}

/** The servers to try: as told, else the last one used, else any of the config here, else the usual place. */
function chooseServers(args: ServerArguments, last: string | undefined): string[] {
  for (const url of args.server ?? []) {
    if (!/^https?:\/\/[^/]+\/?$/.test(url)) fail(EXIT.usage, `--server ${url}: give http://host:port`)
  }
  if (args.server !== undefined) return args.server
  if (args.port !== undefined || args.host !== undefined) {
    const port = Number(args.port ?? '3001')
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      fail(EXIT.usage, `--port ${args.port}: give a number from 1 to 65535`)
    }
    return [toServerAddress({ id: '', ip: args.host ?? '127.0.0.1', port }).url]
  }
  const config = readLocalConfig()
  const urls = config?.servers.map(server => toServerAddress(server, config.tls !== undefined).url) ?? []
  const first = last ?? urls[Math.floor(Math.random() * urls.length)] ?? 'http://127.0.0.1:3001'
  return [...new Set([first, ...urls])]
}
