import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { editText } from '../../../../cli/terminal/external-editor.ts'

const systemFolder = tmpdir()
const before = process.env.TMPDIR
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(systemFolder, 'mesh-chat-test-'))
})
beforeEach(() => {
  process.env.TMPDIR = mkdtempSync(join(folder, 'tmp-'))
})
afterAll(() => {
  if (before === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = before
  rmSync(folder, { recursive: true })
})

/** Edits a text with a shell script. Returns the result and the files that are left. */
async function edit(text: string, script: string, variable = 'EDITOR') {
  const file = join(folder, 'editor.sh')
  writeFileSync(file, script)
  const result = await editText(text, { PATH: process.env.PATH, [variable]: `sh '${file}'` })
  return { ...result, left: readdirSync(tmpdir()) }
}

test('the editor gets the draft in a private file, and its text comes back without the last line break', async () => {
  const copy = join(folder, 'copy')
  const script = `cat "$1" > ${copy}; stat -c %a "$1" "$(dirname "$1")" >> ${copy}; printf 'two\\nlines\\n\\n' > "$1"`
  expect(await edit('one', script)).toEqual({ text: 'two\nlines\n', left: [] })
  expect(readFileSync(copy, 'utf8')).toBe('one\n600\n700\n')
})

test.each(['', 'one', 'one\n', '\n'])('an editor that changes nothing gives back %j', async text => {
  expect(await edit(text, 'true', 'VISUAL')).toEqual({ text, left: [] })
})

test('an editor that fails or is missing leaves the draft unchanged', async () => {
  expect(await edit('one', 'echo two > "$1"; exit 3')).toMatchObject({
    error: expect.stringContaining('exit code 3'),
    left: [],
  })
  const result = await editText('one', { PATH: process.env.PATH, EDITOR: '/nonexistent/editor 2>/dev/null' })
  expect(result).toEqual({ error: expect.stringContaining('exit code 127') })
})

test('a text that is too long is not lost: it stays in its file', async () => {
  const result = await edit('one', 'head -c 600000 /dev/zero > "$1"')
  expect(result).toMatchObject({ error: expect.stringContaining('more than 524288 bytes'), left: [expect.any(String)] })
  expect(result).toMatchObject({ error: expect.stringContaining(tmpdir()) })
})
