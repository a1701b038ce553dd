/** Two mesh folders become one: histories, held messages, known keys and rooms of all users. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mergeMeshFolders } from '../../../../cli/storage/merge-meshes.ts'
import { meshesFolder, userFolder } from '../../../../cli/storage/user-folder.ts'
import { openUserStorage } from '../../../../cli/storage/user-storage.ts'
import { keyNamed } from '../../../support/simulation/plain-identity.ts'
import { stateFolderPerTest } from '../state-folder.ts'

stateFolderPerTest()

const DAY = 1_700_000_000_000
const [one, two] = [{ folder: 'one' }, { folder: 'two' }]
const message = (id: string, to: string) => ({ id, at: DAY, from: 'Billy', to, text: id })
const endedPid = spawnSync(process.execPath, ['--version']).pid

test('the files of all users move, each message is there once, and the empty folder goes', () => {
  for (const user of ['Anna', '会'.repeat(40)]) {
    for (const [mesh, ids] of [
      [one, ['a', 'b']],
      [two, ['b', 'c']],
    ] as const) {
      const { history, knownKeys, rooms } = openUserStorage(mesh, user)
      rooms.store([
        [`#${mesh.folder}`, true, DAY + 1],
        ['#both', mesh === two, DAY + (mesh === two ? 1 : 2)],
      ])
      for (const id of ids) history.store(message(id, user), 'sealed1.x')
      const own = { ...message(mesh.folder, 'Billy'), from: user }
      history.storeRejected({ ...own, rejection: { code: 'text-too-long', message: 'too long' } })
      history.saveNow()
      knownKeys.pin('Billy', keyNamed(mesh.folder))
    }
    const { history } = openUserStorage(one, user)
    history.hold({ ...message('held', 'Billy'), sealed: 'sealed1.y' })
    history.close()
    writeFileSync(
      join(userFolder('one', user), `outbox-${endedPid}.jsonl`),
      `{"held":${JSON.stringify(message('old', 'B'))}}\n`,
    )
  }
  mergeMeshFolders('one', 'two')
  for (const user of ['Anna', '会'.repeat(40)]) {
    const { history, knownKeys, rooms } = openUserStorage(two, user)
    expect(rooms.read().sort()).toEqual([
      ['#both', false, DAY + 2],
      ['#one', true, DAY + 1],
      ['#two', true, DAY + 1],
    ])
    expect(
      [...history.archive.at.keys()]
        .map(row => history.archive.read(row))
        .map(found => [found?.id, found?.sealed])
        .sort(),
    ).toEqual([
      ['a', 'sealed1.x'],
      ['b', 'sealed1.x'],
      ['c', 'sealed1.x'],
    ])
    expect(history.held.map(({ id, sealed }) => [id, sealed]).sort()).toEqual([
      ['held', 'sealed1.y'],
      ['old', undefined],
    ])
    expect(history.page('Billy', 10).flatMap(({ id, rejection }) => (rejection === undefined ? [] : [id]))).toEqual([
      'one',
      'two',
    ])
    expect(knownKeys.read().get('Billy')).toBe(keyNamed('two'))
  }
  expect(existsSync(join(meshesFolder(), 'one'))).toBe(false)
  mergeMeshFolders('one', 'two')
})

test('the outbox of another process that runs stays until that process moves it', () => {
  const folder = userFolder('one', 'Anna')
  mkdirSync(folder, { recursive: true })
  const running = `outbox-${process.ppid}.jsonl`
  writeFileSync(join(folder, running), `{"held":${JSON.stringify(message('held', 'Billy'))}}\n`)
  mergeMeshFolders('one', 'two')
  expect(readdirSync(folder)).toEqual([running])
  expect(openUserStorage({ folder: 'two', merged: ['one'] }, 'Anna').history.held).toEqual([])
  expect(readdirSync(folder)).toEqual([running])
})
