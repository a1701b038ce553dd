import { io } from 'socket.io-client'
import { ConfusableNames } from '../../src/common/confusables.ts'
import { EXIT, fail } from '../../src/programs/fail.ts'
import { rosterSnapshotSchema } from '../../src/protocol/messages.ts'
import { sanitizedJson, sanitizeLine } from '../../src/protocol/text.ts'
import { lookAlikes } from '../modes/json-format.ts'
import { resolveServers, type ServerArguments } from '../options.ts'
import { START_SERVER_HINT } from '../session/go-online.ts'
import { SettingsFile } from '../settings.ts'

/** How long to wait for a server's answer, ms. */
const ANSWER_TIMEOUT_MS = 3_000

/** Prints the users online in the mesh, without going online. */
export async function who(args: ServerArguments & { json?: boolean }): Promise<void> {
  const { servers, ca } = resolveServers(args, new SettingsFile())
  const reasons: string[] = []
  for (const server of servers) {
    const answer = await fetchUsers(server, ca)
    if (Array.isArray(answer)) {
      if (args.json)
        console.log(sanitizedJson({ users: answer, ...lookAlikes(new Set(answer), confusablesAmong(answer)) }))
      else printNames(answer)
      process.exit(0)
    }
    reasons.push(`${server}: ${answer}`)
  }
  fail(EXIT.unavailable, `no server answers (${sanitizeLine(reasons.join('; '))}); ${START_SERVER_HINT}`)
}

/** Prints one name per line, with a note on names that look like another name. */
function printNames(names: readonly string[]): void {
  const confusables = confusablesAmong(names)
  for (const name of names) {
    const lookalike = confusables.find(name)
    console.log(sanitizeLine(lookalike === undefined ? name : `${name}  (looks like ${lookalike})`))
  }
}

function confusablesAmong(names: readonly string[]): ConfusableNames {
  const confusables = new ConfusableNames()
  confusables.keep(names)
  return confusables
}

/** Asks one server for the names online; resolves with the reason if it gives none. */
function fetchUsers(server: string, ca: string | undefined): Promise<string[] | string> {
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
    setTimeout(() => end('no answer'), ANSWER_TIMEOUT_MS)
    socket.on('connect_error', error => end(error.message))
    socket.on('connect', () =>
      socket.emit('roster', (payload: unknown) => {
        const roster = rosterSnapshotSchema.safeParse(payload)
        end(roster.success ? roster.data.users : 'invalid answer')
      }),
    )
  })
}
