/** The texts about meshes and files, the same in every mode. */
import type { SessionEvent } from '../../src/client/events.ts'
import { PUBLIC_MESH_KEY, toOrigin } from '../../src/protocol/proofs/mesh-identity.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { Notice } from '../common/client-events.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import type { OpenFiles } from '../storage/files/close-permissions.ts'
import type { Meeting, MetMesh } from './mesh-list.ts'

/** A mesh key in words, or what there is instead. */
export function describeKey(key: string | undefined): string {
  if (key === undefined) return 'none (version 0.1)'
  return key === PUBLIC_MESH_KEY ? 'none (the mesh has no secret)' : fingerprint(key)
}

/** What to say about a meeting; undefined: nothing. */
export function meetingNotice({ result, mesh }: Meeting, { key, mode, origin }: MetMesh): Notice | undefined {
  const notice = (code: Notice['code'], text: string, isWarning = false): Notice => ({
    type: 'notice',
    code,
    text,
    isWarning,
  })
  switch (result) {
    case 'known':
      return undefined
    case 'new':
      if (key === undefined) {
        return notice(
          'mesh-new',
          `First connection to ${origin}: it runs version 0.1, which cannot prove its mesh`,
          true,
        )
      }
      if (key === PUBLIC_MESH_KEY) {
        return notice(
          'mesh-new',
          `First connection to this mesh: it has no secret, so its servers prove nothing (auth: ${mode})`,
        )
      }
      return notice('mesh-new', `First connection to this mesh: its key is ${fingerprint(key)} (auth: ${mode})`)
    case 'proven':
      return notice('mesh-proven', `The mesh at ${origin} has a key now: ${describeKey(key)}`)
    case 'rotated':
      return notice(
        'mesh-rotated',
        `The mesh has a new secret, which the old one confirms; its key is ${describeKey(key)} now`,
      )
    case 'same':
      return notice(
        'mesh-same',
        `${origin} is another server of a mesh that you know (${mesh.folder}): your messages from there are here, too`,
      )
  }
}

/** Why a server with another mesh key than the known one was refused; undefined: refused for another reason. */
export function changedKeyText({
  url,
  expected,
  actual,
}: Extract<SessionEvent, { type: 'mesh-changed' }>): string | undefined {
  if (expected.key === undefined || actual.key === undefined || expected.key === actual.key) return undefined
  const origin = toOrigin(url) ?? url
  return sanitizeLine(
    `WARNING: the key of the mesh at ${origin} has changed. Known key: ${describeKey(expected.key)}. ` +
      `Its key now: ${describeKey(actual.key)}. Someone may be intercepting the connection, or the operator has changed ` +
      `the secret of the mesh. Nothing was sent. Ask the operator; if the change is right: mesh-chat mesh forget ${origin}`,
  )
}

export function historyMovedNotice(user: string, folder: string): Notice {
  const text = `The messages of ${user} from version 0.1 are now part of this mesh (meshes/${folder})`
  return { type: 'notice', code: 'history-moved', text, isWarning: false }
}

export function storageFailedNotice(error: unknown): Notice {
  const text = `Some files cannot be used: ${sanitizeLine((error as Error).message)}; the next start tries again`
  return { type: 'notice', code: 'storage-failed', text, isWarning: true }
}

export function settingsNotice(text: string): Notice {
  return { type: 'notice', code: 'settings-unusable', text, isWarning: true }
}

export function notStoredNotice(error: Error): Notice {
  const text =
    `Messages cannot be stored: ${sanitizeLine(error.message)}. Until they can, received messages are not confirmed, ` +
    `and yours wait here. Do not quit before that`
  return { type: 'notice', code: 'not-stored', text, isWarning: true }
}

export function storedAgainNotice(): Notice {
  return { type: 'notice', code: 'stored-again', text: 'Messages are stored again', isWarning: false }
}

/** @param ahead how far the clock of this machine is ahead of the time of the mesh, ms; negative: it is behind */
export function wrongClockNotice(ahead: number): Notice {
  const difference = `${formatDuration(Math.abs(ahead))} ${ahead < 0 ? 'behind' : 'ahead of'} the time of the mesh`
  const text = `The clock of this machine is ${difference}; set it. Messages are dated by the time of the mesh`
  return { type: 'notice', code: 'clock-wrong', text, isWarning: true }
}

function formatDuration(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 120) return `${minutes} minutes`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`
}

/** No server answers when the client starts. @param reason a short clause */
export function startedOfflineNotice(servers: readonly string[], reason: string): Notice {
  const text =
    `No server answers at ${servers.join(', ')} (${reason}). What you write waits here and is sent when one does. ` +
    `Check the address, or start one with: mesh-chatd --id server-1`
  return { type: 'notice', code: 'started-offline', text: sanitizeLine(text), isWarning: true }
}

export function unusablePinsNotice(problem: string): Notice {
  const text = `${problem}. Until then, known meshes are still checked, but messages of new ones cannot be stored`
  return { type: 'notice', code: 'known-meshes-unusable', text, isWarning: true }
}

/** Reports files that other users of the machine had access to; undefined if there are none. */
export function openFilesNotice({ closed, failed }: OpenFiles): Notice | undefined {
  const list = (files: readonly string[]) =>
    files.length > 3 ? `${files.slice(0, 3).join(', ')} and ${files.length - 3} more` : files.join(', ')
  const parts: string[] = []
  if (closed.length > 0) parts.push(`Other users of this machine had access to ${list(closed)}; it is closed now`)
  if (failed.length > 0)
    parts.push(`Other users of this machine have access to ${list(failed)}; change the owner or delete it`)
  if (closed.some(file => file.endsWith('.key'))) parts.push('If they may have read your key, make a new one')
  if (parts.length === 0) return undefined
  return { type: 'notice', code: 'files-closed', text: sanitizeLine(parts.join('. ')), isWarning: true }
}
