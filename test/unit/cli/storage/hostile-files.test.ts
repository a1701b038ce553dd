/** Files of the data folder that are not what they should be: nothing blocks or crashes, and what cannot be used is said. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { KeyFiles } from '../../../../cli/keys/key-files.ts'
import { KnownMeshes } from '../../../../cli/session/known-meshes.ts'
import { withFileLock } from '../../../../cli/storage/locks/file-lock.ts'
import { userFolder } from '../../../../cli/storage/user-folder.ts'
import { openUserStorage } from '../../../../cli/storage/user-storage.ts'
import { keyNamed } from '../../../support/simulation/plain-identity.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const file = stateFolderPerTest()
const MESH = { folder: 'mesh' }
// Reading 2 GB takes a while on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const HUGE_BYTES = 2 ** 31 + 7

/** A file of another program, which must not change. */
const foreign = () => file('foreign')
const FOREIGN_TEXT = 'root:x:0:0:root:/root:/bin/bash\n'

/** What may have the name of a file. */
const KINDS: Record<string, (path: string) => void> = {
  'a folder': path => mkdirSync(path),
  'a named pipe': path => void spawnSync('mkfifo', [path]),
  'a link to a named pipe': path => {
    spawnSync('mkfifo', [`${path}.pipe`])
    symlinkSync(`${path}.pipe`, path)
  },
  'a link to a file of another program': path => symlinkSync(foreign(), path),
  'a link to itself': path => symlinkSync(path, path),
  'a link to a device': path => symlinkSync('/dev/zero', path),
  'a file of 2 GB': path => {
    writeFileSync(path, '')
    truncateSync(path, HUGE_BYTES)
  },
  'random bytes': path => writeFileSync(path, Buffer.from(Array.from({ length: 5_000 }, (_, n) => (n * 7919) % 256))),
  'JSON of another type': path => writeFileSync(path, '[[1,null,{"message":7}]]\n"x"\n{"message":{"id":{}}}\n'),
  'keys of prototypes': path =>
    writeFileSync(path, '{"__proto__":{"user":"x"},"constructor":1}\n{"message":{"__proto__":{"id":"a"}}}\n'),
}

const message = (n: number) => ({ id: `id-${n}`, at: 1_700_000_000_000 + n, from: 'Billy', to: 'Anna', text: `${n}` })

function prepare(): string {
  const folder = userFolder('mesh', 'Anna')
  mkdirSync(folder, { recursive: true })
  writeFileSync(foreign(), FOREIGN_TEXT)
  return folder
}

describe.each(Object.entries(KINDS))('%s', (kind, make) => {
  test('in place of the history: new messages are stored, or the save says why not', () => {
    const path = join(prepare(), 'history.jsonl')
    make(path)
    const { history } = openUserStorage(MESH, 'Anna')
    history.store(message(1))
    let failure = ''
    try {
      history.saveNow()
    } catch (error) {
      failure = (error as Error).message
    }
    history.refresh()
    if (failure === '') expect([...history.all()]).toEqual([message(1)])
    else {
      expect(failure).toContain(path)
      // Once the cause is gone, the same message is stored.
      rmSync(path, { recursive: true })
      history.saveNow()
      history.refresh()
      expect([...history.all()]).toEqual([message(1)])
    }
    expect(history.close()).toBeUndefined()
    expect(readFileSync(foreign(), 'utf8')).toBe(FOREIGN_TEXT)
  })

  test('in place of the index: the history is read without it', () => {
    const folder = prepare()
    const lines = Array.from({ length: 100 }, (_, n) => `${JSON.stringify({ message: message(n) })}\n`)
    writeFileSync(join(folder, 'history.jsonl'), lines.join(''))
    make(join(folder, 'history.index'))
    const { history } = openUserStorage(MESH, 'Anna')
    expect([...history.all()]).toHaveLength(100)
    history.close()
    expect(readFileSync(foreign(), 'utf8')).toBe(FOREIGN_TEXT)
  })

  test.each(['outbox-xab.jsonl', 'outbox-xab.lock'])('in place of %s: other outboxes work', async name => {
    const folder = prepare()
    make(join(folder, name))
    if (name.endsWith('.lock')) {
      writeFileSync(join(folder, 'outbox-xab.jsonl'), `${JSON.stringify({ held: message(1) })}\n`)
    }
    const { history } = openUserStorage(MESH, 'Anna')
    const held = [...history.held, ...(await history.adopt())]
    if (name.endsWith('.lock')) expect(new Set(held.map(({ id }) => id))).toEqual(new Set(['id-1']))
    history.hold(message(2))
    history.saveNow()
    expect(history.held.map(({ id }) => id)).toContain('id-2')
    history.close()
    expect(readFileSync(foreign(), 'utf8')).toBe(FOREIGN_TEXT)
  })

  test('in place of the list of rooms: no rooms, and the next change replaces it, or says why not', () => {
    const path = join(prepare(), 'rooms.json')
    make(path)
    const { rooms, problem } = openUserStorage(MESH, 'Anna')
    expect(rooms.read()).toEqual([])
    expect(problem?.message).toContain(path)
    try {
      rooms.store([['#ops', true, message(1).at]])
      expect(rooms.read()).toEqual([['#ops', true, message(1).at]])
    } catch (error) {
      expect((error as Error).message).toContain(path)
    }
    expect(readFileSync(foreign(), 'utf8')).toBe(FOREIGN_TEXT)
  })

  // Known keys are read line by line, as the outbox is: 2 GB once is enough.
  test.skipIf(kind === 'a file of 2 GB')('in place of the known keys: no key, or an error, and no change', () => {
    const path = join(prepare(), 'known-keys.jsonl')
    make(path)
    const { knownKeys } = openUserStorage(MESH, 'Anna')
    try {
      expect(knownKeys.read().size).toBe(0)
    } catch (error) {
      expect((error as Error).message).toContain(path)
    }
    try {
      knownKeys.pin('Billy', keyNamed('one'))
      expect(knownKeys.read()).toEqual(new Map([['Billy', keyNamed('one')]]))
    } catch (error) {
      expect((error as Error).message).toContain(path)
    }
    expect(readFileSync(foreign(), 'utf8')).toBe(FOREIGN_TEXT)
  })

  test('in place of the ticket, of the pins, of a pin, of a lock, of the key', () => {
    const folder = prepare()
    for (const path of [
      join(folder, 'claim.json'),
      file('known-meshes.json'),
      file('meshes/mesh/mesh.json'),
      file('lock'),
      file('Anna.key'),
    ]) {
      make(path)
    }
    expect(openUserStorage(MESH, 'Anna').claim.read()).toBeUndefined()
    expect(KnownMeshes.onDisk().problem).toContain(file('known-meshes.json'))
    expect(() => new KeyFiles('Anna').load()).toThrow(/Anna/)
    expect(readFileSync(foreign(), 'utf8')).toBe(FOREIGN_TEXT)
  })
})

test('a file lock that is a named pipe does not block for longer than another lock', () => {
  prepare()
  spawnSync('mkfifo', [file('lock')])
  expect(withFileLock(file('lock'), () => 'done')).toBe('done')
})

test('a line of 200 MB is skipped, and those around it count; a byte order mark and CRLF cost nothing', () => {
  const path = join(prepare(), 'history.jsonl')
  const line = (n: number) => JSON.stringify({ message: message(n) })
  writeFileSync(path, `\ufeff${line(1)}\r\n`)
  const part = Buffer.alloc(1 << 20, 'x')
  for (let n = 0; n < 200; n++) appendFileSync(path, part)
  appendFileSync(path, `\n\ufeff${line(2)}\n`)
  const { history } = openUserStorage(MESH, 'Anna')
  const before = process.memoryUsage().rss
  history.refresh()
  expect(process.memoryUsage().rss - before).toBeLessThan(100 << 20)
  expect([...history.all()]).toEqual([message(1), message(2)])
  history.close()
})

test('user names of any script and length are separate folders inside the folder of the mesh', () => {
  const names = [
    '..',
    '.',
    'CON',
    'a.',
    'a',
    'A',
    'a b',
    '会'.repeat(64),
    '🎈'.repeat(64),
    '𒀀'.repeat(64),
    'مرحبا',
    'e\u0301',
  ]
  for (const name of names) {
    const { history, problem } = openUserStorage(MESH, name)
    expect(problem).toBeUndefined()
    history.store({ ...message(1), to: name, text: name })
    history.close()
  }
  for (const name of names)
    expect([...openUserStorage(MESH, name).history.all()].map(({ text }) => text)).toEqual([name])
  expect(new Set(names.map(name => userFolder('mesh', name).toLowerCase())).size).toBe(names.length)
  for (const name of names) expect(dirname(userFolder('mesh', name))).toBe(file('meshes/mesh/users'))
})
