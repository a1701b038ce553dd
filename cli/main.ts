#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addressOf } from '../src/config.ts'
import { parseUserName } from '../src/protocol/names.ts'
import { chat } from './chat.ts'
import { configHere } from './config.ts'
import { EXIT, fail } from './fail.ts'
import { lab } from './lab.ts'
import { VERSION } from './package.ts'
import { SettingsFile } from './settings.ts'

interface ChatArguments {
  user?: string
  host?: string
  port?: string
  server?: string[]
  to?: string
  ca?: string
  plain?: boolean
  inline?: boolean
}

const program = new Command('mesh-chat')
  .description('Chats as a user of the mesh: full screen on a terminal, else line by line.')
  .version(VERSION)
  .option('--user <name>', 'who you are (default: who you were last)')
  .option('--port <port>', 'the port of the server to connect to (default: the last one, or one of config.json)')
  .option('--host <address>', 'its address (default: 127.0.0.1)')
  .option('--server <url...>', 'servers by URL, instead of --host and --port; tried in this order')
  .option('--ca <file>', "who vouches for the server's certificate, as PEM (default: whom Node trusts)")
  .option('--to <name>', 'whose thread to open')
  .option('--inline', "print what is said into the terminal's own scrollback, and keep only the composer below")
  .option('--plain', 'line by line, on a terminal too')
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : EXIT.usage))
  .action(async (args: ChatArguments) => {
    const settings = new SettingsFile()
    const { user: lastUser, server: lastServer } = settings.settings
    const user = parseUserName(args.user ?? lastUser ?? fail(EXIT.usage, 'who are you? Say it with: --user NAME'))
    if (!user.ok) fail(EXIT.usage, `--user: ${user.reason}`)
    const to = args.to === undefined ? undefined : parseUserName(args.to)
    if (to?.ok === false) fail(EXIT.usage, `--to: ${to.reason}`)
    const { stdin, stdout } = process
    const terminal = stdin.isTTY && stdout.isTTY && !args.plain && process.env.TERM !== 'dumb'
    const screen = terminal ? (args.inline ? 'inline' : 'whole') : undefined
    const ca = args.ca === undefined ? undefined : readCa(args.ca)
    await chat({ ca, user: user.value, to: to?.value, servers: chooseServers(args, lastServer), settings, screen })
  })

program
  .command('lab')
  .description('Starts the servers of a config, and clients side by side in tmux, to watch them stay in sync.')
  .argument(
    '[clients...]',
    'who connects where, as NAME:PORT (default: Anna on the first two servers, Billy on the third)',
  )
  .option('--config <file>', 'the mesh (default: config.json here, else the one shipped)')
  .option('--detach', 'leave the tmux session running, and tell how to attach to it')
  .option('--socket <name>', "the name of tmux's socket", 'mesh-chat')
  .action(lab)

program.parse()

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    return fail(EXIT.usage, `--ca: ${(error as Error).message}`)
  }
}

/** The servers to try: as told, else the last one used, else any of the config here, else the usual place. */
function chooseServers(args: ChatArguments, last: string | undefined): string[] {
  for (const url of args.server ?? []) {
    if (!/^https?:\/\/[^/]+\/?$/.test(url)) fail(EXIT.usage, `--server ${url}: give http://host:port`)
  }
  if (args.server !== undefined) return args.server
  if (args.port !== undefined || args.host !== undefined) {
    const port = Number(args.port ?? '3001')
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      fail(EXIT.usage, `--port ${args.port}: give a number from 1 to 65535`)
    }
    return [addressOf({ id: '', ip: args.host ?? '127.0.0.1', port }).url]
  }
  const urls = configHere()?.servers.map(server => addressOf(server).url) ?? []
  const first = last ?? urls[Math.floor(Math.random() * urls.length)] ?? 'http://127.0.0.1:3001'
  return [...new Set([first, ...urls])]
}
