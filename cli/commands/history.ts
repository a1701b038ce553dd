import { ConfusableNames } from '../../src/common/confusables.ts'
import { EXIT, fail } from '../../src/programs/command-line/fail.ts'
import { printLines } from '../../src/programs/command-line/print.ts'
import { didYouMean } from '../../src/programs/command-line/suggestion.ts'
import { toOrigin } from '../../src/protocol/proofs/mesh-identity.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import { sanitizedJson, sanitizeLine } from '../../src/protocol/text.ts'
import { foldedContentFields, foldedText } from '../common/content-fields.ts'
import { History } from '../history/history.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { messageLine, nameText } from '../modes/line/message-line.ts'
import { parseNameOption, parseThreadOption, resolveServers } from '../options.ts'
import { KnownMeshes } from '../session/known-meshes.ts'
import type { KnownMesh } from '../session/mesh-list.ts'
import { openFilesNotice, storageFailedNotice } from '../session/mesh-notices.ts'
import { reportSettings, SettingsFile } from '../settings.ts'
import { dataFolder } from '../storage/data-folder.ts'
import { closePermissions } from '../storage/files/close-permissions.ts'
import { hasLegacyHistory, legacyName } from '../storage/legacy-files.ts'
import { hasUserStorage, openUserStorage } from '../storage/user-storage.ts'
import { localDateTime } from '../terminal/local-time.ts'

interface HistoryArguments {
  user?: string
  with?: string
  json?: boolean
  mesh?: string
  server?: string
}

/** Prints a user's messages of one mesh that are stored on this machine, oldest first. */
export function printHistory(args: HistoryArguments): void {
  const settings = new SettingsFile()
  reportSettings(settings)
  const given = args.user ?? settings.settings.user ?? fail(EXIT.usage, 'no user name given; add --user NAME')
  const user = parseNameOption('--user', given)
  const other = args.with === undefined ? undefined : parseThreadOption('--with', args.with)
  const openFiles = openFilesNotice(closePermissions(dataFolder()))
  if (openFiles !== undefined) console.error(`mesh-chat: ${openFiles.text}`)
  const { history, isOperator } = openHistory(user, args, settings) ?? {}
  if (history === undefined) return reportNothing(`no messages of ${user} are stored here`)
  if (other !== undefined) reportUnknownThread(other, history)
  printLines(historyLines(history, user, other, args.json === true, isOperator))
  history.close()
}

function reportUnknownThread(thread: string, history: History): void {
  const names = history.threads().flatMap(({ name }) => (isRoom(name) === isRoom(thread) ? [name] : []))
  if (names.includes(thread)) return
  const relation = isRoom(thread) ? 'of' : 'from or to'
  reportNothing(`no messages ${relation} ${thread} are stored here${didYouMean(thread, names)}`)
}

function reportNothing(text: string): void {
  console.error(sanitizeLine(`mesh-chat: ${text}`))
}

function* historyLines(
  history: History,
  user: string,
  other: string | undefined,
  json: boolean,
  isOperator: StoredHistory['isOperator'],
): Generator<string> {
  const columns = process.stdout.isTTY ? process.stdout.columns : undefined
  const confusables = new ConfusableNames()
  confusables.keep([user, ...history.threads().map(({ name }) => name)])
  for (const stored of history.all(other)) {
    const shown = history.fold(stored, isOperator && (name => isOperator(stored.to, name)))
    if (shown === undefined) continue
    const { id, at, from, to, late } = stored
    const looksLike = confusables.find(from === user ? to : from)
    if (json) {
      const fields = foldedContentFields(stored, shown)
      const message = { id, at, from, to, ...fields, ...(late === undefined ? {} : { late }) }
      yield sanitizedJson(looksLike === undefined ? message : { ...message, looksLike })
    } else {
      const time = `${localDateTime(at)}${late === undefined ? '' : ' (late)'}`
      const head = `${time} ${nameText(from, confusables)} → ${nameText(to, confusables)}`
      yield messageLine(head, foldedText(stored, shown), columns)
    }
  }
}

interface StoredHistory {
  readonly history: History
  /** Whether a user is an operator of a room, as far as that is known. */
  readonly isOperator?: (room: string, name: string) => boolean
}

/** The history of the chosen mesh; undefined if there is none. */
function openHistory(user: string, args: HistoryArguments, settings: SettingsFile): StoredHistory | undefined {
  const pins = KnownMeshes.onDisk()
  if (pins.problem !== undefined) console.error(sanitizeLine(`mesh-chat: ${pins.problem}`))
  const mesh = chooseMesh(user, args, pins, settings)
  if (mesh !== undefined && hasUserStorage(mesh, user)) {
    const { history, operators, problem } = openUserStorage(mesh, user)
    if (problem !== undefined) console.error(sanitizeLine(`mesh-chat: ${storageFailedNotice(problem).text}`))
    return { history, isOperator: (room, name) => operators.isOperator(room, name) }
  }
  if (args.mesh !== undefined || args.server !== undefined || !hasLegacyHistory(user)) return undefined
  // The files of 0.1 move when the user connects.
  return { history: new History(dataFolder(), user, { fileName: legacyName(user) }) }
}

/** The mesh that the arguments name; else that of the last or configured server, or the only one with messages. */
function chooseMesh(
  user: string,
  args: HistoryArguments,
  pins: KnownMeshes,
  settings: SettingsFile,
): KnownMesh | undefined {
  const { mesh: name, server } = args
  if (server !== undefined) {
    return pins.find(server) ?? fail(EXIT.usage, `--server: no mesh is known at ${sanitizeLine(server)}; ${LIST_HINT}`)
  }
  if (name !== undefined) {
    const named = pins.meshes.find(mesh => isNamed(mesh, name))
    return named ?? fail(EXIT.usage, `--mesh: no known mesh is called ${sanitizeLine(name)}; ${LIST_HINT}`)
  }
  const stored = pins.meshes.filter(mesh => hasUserStorage(mesh, user))
  for (const url of resolveServers({}, settings).servers) {
    const mesh = pins.find(url)
    if (mesh !== undefined && stored.includes(mesh)) return mesh
  }
  if (stored.length > 1) {
    const names = stored.map(({ folder }) => folder).join(', ')
    fail(EXIT.usage, `${sanitizeLine(user)} has messages in several meshes: ${names}; choose one with --mesh NAME`)
  }
  return stored[0]
}

const LIST_HINT = 'list them with: mesh-chat mesh list'

/** Whether a mesh has this folder name, key, fingerprint in words, or origin. */
function isNamed({ folder, key, origins }: KnownMesh, name: string): boolean {
  if (folder === name || origins.includes(toOrigin(name) ?? '')) return true
  if (key === undefined) return false
  return (
    key === name ||
    fingerprint(key) ===
      name
        .trim()
        .toLowerCase()
        .split(/[\s-]+/)
        .join(' ')
  )
}
