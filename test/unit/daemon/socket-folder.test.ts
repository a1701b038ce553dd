/** The folders of workers' sockets: those of killed primary processes are removed, and no others. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { createSocketFolder, removeStaleFolders } from '../../../daemon/socket-folder.ts'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'

afterEach(() => void vi.unstubAllEnvs())
afterAll(stopAll)

const LONG_AGO = new Date(Date.now() - 120_000)

test('only folders without a process, an open socket and a recent change are removed', async () => {
  const root = temporaryFolder()
  vi.stubEnv('TMPDIR', root)
  const deadPid = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim()
  const create = (name: string) => {
    const folder = join(root, name)
    mkdirSync(folder)
    writeFileSync(join(folder, '1.sock'), '')
    return folder
  }
  const stale = [create(`mesh-chatd-${deadPid}-abcdef`), create('mesh-chatd-ABCDEF')]
  const recent = create(`mesh-chatd-${deadPid}-recent`)
  const running = create(`mesh-chatd-${process.pid}-abcdef`)
  const used = create(`mesh-chatd-${deadPid}-inused`)
  const others = [create('mesh-chatd-of-somebody'), create('other-abcdef')]
  const server = createServer()
  await new Promise<void>(resolve => server.listen(join(used, '2.sock'), resolve))
  for (const folder of [...stale, running, used, ...others]) utimesSync(folder, LONG_AGO, LONG_AGO)
  const own = createSocketFolder()
  await removeStaleFolders()
  expect(stale.filter(existsSync)).toEqual([])
  expect([recent, running, used, own, ...others].filter(folder => !existsSync(folder))).toEqual([])
  server.close()
})

test('a folder of temporary files that cannot be read is ignored', async () => {
  vi.stubEnv('TMPDIR', join(temporaryFolder(), 'missing'))
  await expect(removeStaleFolders()).resolves.toBeUndefined()
})
