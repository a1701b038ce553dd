import * as z from 'zod'
import { ConfusableNames } from '../../src/common/confusables.ts'
import { dialOnce } from '../../src/programs/checked-socket.ts'
import { EXIT, fail } from '../../src/programs/fail.ts'
import { printLine, printLines } from '../../src/programs/print.ts'
import { type Refusal, refusalSchema, rosterSnapshotSchema } from '../../src/protocol/messages.ts'
import { sanitizedJson, sanitizeLine } from '../../src/protocol/text.ts'
import { lookAlikes } from '../modes/json-format.ts'
import { resolveServers, type ServerArguments } from '../options.ts'
import { START_SERVER_HINT } from '../session/go-online.ts'
import { reportSettings, SettingsFile } from '../settings.ts'

/** How long to wait for a server's answer, ms. */
const ANSWER_TIMEOUT_MS = 3_000

/** Prints the users online in the mesh, without going online. */
export async function who(args: ServerArguments & { json?: boolean }): Promise<void> {
  const settings = new SettingsFile()
  reportSettings(settings)
  const { servers, ca } = resolveServers(args, settings)
  const reasons: string[] = []
  let wasRejected = false
  for (const server of servers) {
    const answer = await fetchUsers(server, ca)
    if (Array.isArray(answer)) {
      if (args.json)
        printLine(sanitizedJson({ users: answer, ...lookAlikes(new Set(answer), confusablesAmong(answer)) }))
      else printNames(answer)
      process.exit(0)
    }
    if (typeof answer === 'string') reasons.push(`${server}: ${answer}`)
    else {
      wasRejected = true
      reasons.push(describeRefusal(server, answer))
    }
  }
  const why = sanitizeLine(reasons.join('; '))
  if (wasRejected) fail(EXIT.general, why)
  fail(EXIT.unavailable, `no server answers (${why}); ${START_SERVER_HINT}`)
}

function describeRefusal(server: string, { code, message }: Refusal): string {
  const advice =
    code === 'unauthorized' ? `connect as a user: mesh-chat --user NAME --server ${server}` : 'try again later'
  return `${server} rejected the request: ${message}; ${advice}`
}

/** Prints one name per line, with a note on names that look like another name. */
export function printNames(names: readonly string[]): void {
  const confusables = confusablesAmong(names)
  printLines(
    names.map(name => {
      const lookalike = confusables.find(name)
      return sanitizeLine(lookalike === undefined ? name : `${name}  (looks like ${lookalike})`)
    }),
  )
}

export function confusablesAmong(names: readonly string[]): ConfusableNames {
  const confusables = new ConfusableNames()
  confusables.keep(names)
  return confusables
}

const answerSchema = z.union([rosterSnapshotSchema, refusalSchema])

/** Asks one server for the names online. Resolves with its refusal, or with the reason if it gives no valid answer. */
function fetchUsers(server: string, ca: string | undefined): Promise<string[] | Refusal | string> {
  return new Promise(resolve => {
    const socket = dialOnce(server, ca === undefined ? {} : { ca })
    const end = (answer: string[] | Refusal | string) => {
      socket.disconnect()
      resolve(answer)
    }
    setTimeout(() => end('no answer'), ANSWER_TIMEOUT_MS)
    socket.on('connect_error', error => end(error.message))
    socket.on('connect', () =>
      socket.emit('roster', (payload: unknown) => {
        const { success, data } = answerSchema.safeParse(payload)
        if (!success) end('invalid answer')
        else end('users' in data ? data.users : data)
      }),
    )
  })
}
