import * as z from 'zod'
import { ConfusableNames } from '../../src/common/confusables.ts'
import { dialOnce } from '../../src/programs/checked-socket.ts'
import { EXIT, fail } from '../../src/programs/command-line/fail.ts'
import { printLine, printLines } from '../../src/programs/command-line/print.ts'
import { didYouMean } from '../../src/programs/command-line/suggestion.ts'
import { connectErrorText } from '../../src/programs/connection-error.ts'
import { type Refusal, refusalSchema, rosterSnapshotSchema } from '../../src/protocol/messages.ts'
import { sanitizedJson, sanitizeLine } from '../../src/protocol/text.ts'
import { searchForm } from '../common/search-form.ts'
import { lookAlikes } from '../modes/json/format.ts'
import { connectionTarget, resolveServers, type ServerArguments } from '../options.ts'
import { START_SERVER_HINT } from '../session/go-online.ts'
import { reportSettings, SettingsFile } from '../settings.ts'
import { connectBriefly } from './connect-briefly.ts'

/** How long to wait for a server's answer, ms. */
const ANSWER_TIMEOUT_MS = 3_000

export interface WhoArguments extends ServerArguments {
  user?: string
  join?: boolean
  json?: boolean
}

/**
 * Prints the users online in the mesh, without going online, unless the mesh tells only its users and a user is given.
 * @param part only users whose name contains it, whatever the case
 */
export async function who(part: string | undefined, args: WhoArguments): Promise<void> {
  const settings = new SettingsFile()
  reportSettings(settings)
  const { servers, ca } = resolveServers(args, settings)
  const reasons: string[] = []
  let wasRejected = false
  for (const server of servers) {
    const answer = await fetchUsers(server, ca)
    if (Array.isArray(answer)) process.exit(printUsers(answer, part, args.json === true))
    if (typeof answer === 'string') reasons.push(`${server}: ${answer}`)
    else if (answer.code === 'unauthorized' && args.user !== undefined) return whoAsUser(part, args, settings)
    else {
      wasRejected = true
      reasons.push(describeRefusal(server, answer))
    }
  }
  const why = sanitizeLine(reasons.join('; '))
  if (wasRejected) fail(EXIT.general, why)
  fail(EXIT.unavailable, `no server answers (${why}); ${START_SERVER_HINT}`)
}

/** Connects as the user for a moment, and prints the users online. */
function whoAsUser(part: string | undefined, args: WhoArguments, settings: SettingsFile): void {
  connectBriefly(connectionTarget(args, settings), (event, { end }) => {
    if (event.type === 'roster') end(printUsers([...event.users], part, args.json === true))
  })
}

/** Prints the users whose name contains `part`. Returns the exit code, and says so if there are none. */
function printUsers(users: readonly string[], part: string | undefined, json: boolean): number {
  const needle = searchForm(part ?? '')
  const matching = users.filter(user => searchForm(user).includes(needle))
  if (json) printLine(sanitizedJson({ users: matching, ...lookAlikes(new Set(matching), confusablesAmong(users)) }))
  else printNames(matching)
  if (matching.length > 0) return 0
  if (part === undefined) console.error('mesh-chat: nobody is online')
  else console.error(sanitizeLine(`mesh-chat: no user online matches '${part}'${didYouMean(part, users)}`))
  return part === undefined ? 0 : EXIT.general
}

function describeRefusal(server: string, { code, message }: Refusal): string {
  const advice = code === 'unauthorized' ? 'add --user NAME to connect as that user for a moment' : 'try again later'
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
    socket.on('connect_error', error => end(connectErrorText(error)))
    socket.on('connect', () =>
      socket.emit('roster', (payload: unknown) => {
        const { success, data } = answerSchema.safeParse(payload)
        if (!success) end('invalid answer')
        else end('users' in data ? data.users : data)
      }),
    )
  })
}
