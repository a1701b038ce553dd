import { io } from 'socket.io-client'
import { ConfusableNames } from '../../src/common/confusables.ts'
import { EXIT, fail } from '../../src/programs/fail.ts'
import { rosterSnapshotSchema } from '../../src/protocol/messages.ts'
import { visibleJson, visibleLine } from '../../src/protocol/text.ts'
import { type ServerArguments, serversOf } from '../options.ts'
import { SettingsFile } from '../settings.ts'

/** How long a server may take to answer, ms. */
const ANSWER_MS = 3_000

/** Prints who is online in the mesh, without being online itself. */
export async function who(args: ServerArguments & { json?: boolean }): Promise<void> {
  const { servers, ca } = serversOf(args, new SettingsFile())
  const reasons: string[] = []
  for (const server of servers) {
    const answer = await ask(server, ca)
    if (Array.isArray(answer)) {
      if (args.json) console.log(visibleJson({ users: answer }))
      else printNames(answer)
      process.exit(0)
    }
    reasons.push(`${server}: ${answer}`)
  }
  fail(
    EXIT.unavailable,
    `no server answers (${visibleLine(reasons.join('; '))}); start one with: mesh-chatd --id server-1`,
  )
}

/** One name a line; behind one that looks like another, that. */
function printNames(names: readonly string[]): void {
  const lookAlikes = new ConfusableNames()
  lookAlikes.update(names, [])
  for (const name of names) {
    const alike = lookAlikes.of(name)
    console.log(visibleLine(alike === undefined ? name : `${name}  (looks like ${alike})`))
  }
}

/** The names, or why there are none. */
function ask(server: string, ca: string | undefined): Promise<string[] | string> {
  return new Promise(resolve => {
    const socket = io(server, {
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      ...(ca === undefined ? {} : { ca }),
    })
    const end = (answer: string[] | string) => {
      socket.disconnect()
      resolve(answer)
    }
    setTimeout(() => end('no answer'), ANSWER_MS)
    socket.on('connect_error', error => end(error.message))
    socket.on('connect', () =>
      socket.emit('roster', (payload: unknown) => {
        const roster = rosterSnapshotSchema.safeParse(payload)
        end(roster.success ? roster.data.users : 'it does not tell')
      }),
    )
  })
}
