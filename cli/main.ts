#!/usr/bin/env node
import { randomBytes } from 'node:crypto'
import { Command } from 'commander'
import { parseUserName } from '../src/protocol/names.ts'
import { connect } from './connection.ts'
import { History } from './history.ts'
import { line, readLines } from './line-mode.ts'

const VERSION = '0.1.0'

function fail(code: number, message: string): never {
  console.error(`mesh-chat: ${message}`)
  process.exit(code)
}

const program = new Command('mesh-chat')
  .description('Chats as a user of the mesh, line by line.')
  .version(VERSION)
  .requiredOption('--user <name>', 'who you are')
  .option('--host <address>', 'the server to connect to', '127.0.0.1')
  .option('--port <port>', 'its port', '3001')
  .option('--server <url...>', 'servers by URL, instead of --host and --port')
  .option('--to <name>', 'whom to write to')
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))
const args = program.parse().opts<{ user: string; host: string; port: string; server?: string[]; to?: string }>()

const user = parseUserName(args.user)
if (!user.ok) fail(2, `--user: ${user.reason}`)
const to = args.to === undefined ? undefined : parseUserName(args.to)
if (to?.ok === false) fail(2, `--to: ${to.reason}`)
const port = Number(args.port)
if (!Number.isInteger(port) || port < 1 || port > 65_535) fail(2, `--port ${args.port}: give a number from 1 to 65535`)
const servers = args.server ?? [`http://${args.host}:${port}`]
for (const url of servers) if (!/^https?:\/\/[^/]+\/?$/.test(url)) fail(2, `--server ${url}: give http://host:port`)

let wasOnline = false
let failures = 0
const request = connect(
  {
    user: user.value,
    client: `mesh-chat/${VERSION}`,
    instance: randomBytes(12).toString('base64url'),
    servers,
    random: Math.random,
  },
  new History(user.value),
  event => {
    if (event.type === 'connection') {
      const { state } = event
      if (state.phase === 'online') wasOnline = true
      if (state.phase === 'refused') fail(1, state.message)
      if (state.phase === 'waiting' && !wasOnline && ++failures >= servers.length) {
        fail(
          69,
          `no server answers at ${servers.join(', ')} (${state.reason}); start one with: mesh-chatd --id server-1`,
        )
      }
    }
    const text = line(event, user.value)
    if (text !== undefined) (event.type === 'message' ? console.log : console.error)(text)
  },
)
readLines(to?.value, request, () => {
  request({ type: 'close' })
  process.exit(0)
})
