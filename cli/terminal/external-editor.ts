/** Edits a text with the user's editor, on the terminal of this program. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readErrorReason } from '../../src/programs/command-line/fail.ts'
import { readFileText } from '../storage/files/open-file.ts'

/** Longest text that is read back. */
const MAX_EDITED_BYTES = 1 << 19

/** The edited text, or why there is none. */
export type EditResult = { text: string } | { error: string }

/**
 * Runs `$VISUAL`, else `$EDITOR`, else vi on a private temporary file. The file is removed afterwards, unless it cannot be
 * read. Like git, this function lets a shell read the variable, which may have arguments.
 */
export async function editText(text: string, env: NodeJS.ProcessEnv = process.env): Promise<EditResult> {
  const editor = env.VISUAL?.trim() || env.EDITOR?.trim() || 'vi'
  let folder: string | undefined
  let child: ChildProcess | undefined
  let isKept = false
  const cleanUp = () => {
    child?.kill('SIGHUP')
    if (folder !== undefined && !isKept) rmSync(folder, { recursive: true, force: true })
  }
  process.on('exit', cleanUp)
  try {
    // Only the user can enter the folder.
    folder = mkdtempSync(join(tmpdir(), 'mesh-chat-'))
    const file = join(folder, 'message.txt')
    // Text files end with a line break.
    writeFileSync(file, `${text}\n`, { mode: 0o600, flag: 'wx' })
    child = spawn('/bin/sh', ['-c', `${editor} "$@"`, editor, file], { stdio: 'inherit', env })
    const failure = await failureOf(child)
    child = undefined
    if (failure !== undefined) return { error: `${editor} ${failure}: the draft is unchanged` }
    isKept = true
    const edited = readFileText(file, MAX_EDITED_BYTES)
    isKept = false
    return { text: edited.replace(/\r?\n$/, '') }
  } catch (error) {
    if (isKept) return { error: `cannot read ${folder}: ${readErrorReason(error)}; the draft is unchanged` }
    return { error: `cannot edit the draft: ${readErrorReason(error)}` }
  } finally {
    process.off('exit', cleanUp)
    cleanUp()
  }
}

/** Waits until a program ends. Returns what went wrong; undefined: nothing. */
function failureOf(child: ChildProcess): Promise<string | undefined> {
  return new Promise(resolve => {
    child.on('error', ({ message }) => resolve(`cannot be started (${message})`))
    child.on('exit', (code, signal) => {
      if (code === 0) resolve(undefined)
      else resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`)
    })
  })
}
