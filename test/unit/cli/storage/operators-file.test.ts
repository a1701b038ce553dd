/** The file of the operators of a user's rooms. */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mergeMeshFolders } from '../../../../cli/storage/merge-meshes.ts'
import { OperatorsFile } from '../../../../cli/storage/operators-file.ts'
import { userFolder } from '../../../../cli/storage/user-folder.ts'
import { stateFolderPerTest } from '../state-folder.ts'

stateFolderPerTest()
const folder = (mesh = 'mesh') => userFolder(mesh, 'Anna')
const path = (mesh = 'mesh') => join(folder(mesh), 'operators.json')
const open = (mesh = 'mesh') => OperatorsFile.in(folder(mesh))

test('several clients write the operators of their rooms; a room without any leaves the file', () => {
  const [one, two] = [open(), open()]
  one.store('#ops', ['Anna', 'constructor'])
  two.store('#dev', ['Billy'])
  expect([open().of('#ops'), open().of('#dev'), open().of('#x')]).toEqual([['Anna', 'constructor'], ['Billy'], []])
  expect([open().isOperator('#ops', 'constructor'), open().isOperator('#dev', 'Anna')]).toEqual([true, false])
  expect(statSync(path()).mode & 0o777).toBe(0o600)
  two.store('#ops', [])
  expect(JSON.parse(readFileSync(path(), 'utf8'))).toEqual([['#dev', ['Billy']]])
})

test('what a client knows already is not written again', () => {
  const file = open()
  file.store('#ops', [])
  expect(existsSync(path())).toBe(false)
  file.store('#ops', ['Anna'])
  rmSync(path())
  file.store('#ops', ['Anna'])
  expect(existsSync(path())).toBe(false)
  file.store('#ops', ['Anna', 'Billy'])
  expect(open().of('#ops')).toEqual(['Anna', 'Billy'])
})

test.each(['{', '[["ops",["Anna"]],7]', `[["#ops",[${'1,'.repeat(9)}1]]]`])('%j counts as empty', content => {
  mkdirSync(folder(), { recursive: true })
  writeFileSync(path(), content)
  expect(open().of('#ops')).toEqual([])
  open().store('#ops', ['Anna'])
  expect(open().of('#ops')).toEqual(['Anna'])
})

test('a file that cannot be written leaves the operators known to this process', () => {
  mkdirSync(path(), { recursive: true })
  const file = open()
  file.store('#ops', ['Anna'])
  expect(file.of('#ops')).toEqual(['Anna'])
})

test('of two meshes that are one, the operators of both are known', () => {
  open('one').store('#ops', ['Anna'])
  open('one').store('#dev', ['Anna'])
  open('two').store('#ops', ['Billy'])
  mergeMeshFolders('one', 'two')
  expect([open('two').of('#ops'), open('two').of('#dev'), existsSync(path('one'))]).toEqual([
    ['Billy'],
    ['Anna'],
    false,
  ])
})
