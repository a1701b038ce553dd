/** The programs on a Node.js that is too old. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as z from 'zod'

const { engines } = z
  .object({ engines: z.object({ node: z.string() }) })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')))
const needed = engines.node.replace('>=', '')

/** Runs a program that sees another version of Node.js. */
function run(program: string, version: string) {
  const versions = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
  const args = ['--import', `data:text/javascript,${encodeURIComponent(versions)}`, `dist/${program}.js`, '--help']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  return { status, stdout: stdout.slice(0, 6), stderr }
}

test.each(['cli/main', 'cli/start', 'daemon/main'])(
  'dist/%s.js on an old Node.js prints one line and exits with 1',
  program => {
    for (const version of ['18.20.4', '20.18.3', '9.0.0']) {
      const stderr = `mesh-chat needs Node.js ${needed} or newer; this is ${version}\n`
      expect(run(program, version)).toEqual({ status: 1, stdout: '', stderr })
    }
    expect(run(program, `${needed}.0`)).toEqual({ status: 0, stdout: 'Usage:', stderr: '' })
  },
)

test('the entries and the version check import nothing that an old Node.js cannot load', () => {
  const staticImports = (file: string) =>
    [...readFileSync(file, 'utf8').matchAll(/^(?:import|export .*? from|import .*? from) ["']([^"']+)["']/gm)].map(
      ([, name]) => name,
    )
  for (const entry of ['cli/main.ts', 'cli/start.ts', 'daemon/main.ts'])
    expect(staticImports(entry), entry).toEqual(['../src/programs/command-line/require-node.ts'])
  expect(staticImports('src/programs/command-line/require-node.ts')).toEqual(['node:fs', '../package-root.ts'])
  expect(staticImports('src/programs/package-root.ts')).toEqual(['node:fs'])
})
