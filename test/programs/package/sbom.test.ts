/** `npm run sbom`: the packages that users run, bundled ones included. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'

afterAll(stopAll)

const sbomSchema = z.object({
  bomFormat: z.literal('CycloneDX'),
  metadata: z.object({ component: z.object({ name: z.string(), version: z.string() }) }),
  components: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      purl: z.string(),
      properties: z.array(z.object({ name: z.string(), value: z.string() })),
    }),
  ),
})
const packageSchema = z.object({
  version: z.string(),
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
})

let sbom: z.infer<typeof sbomSchema>
const { version, dependencies, devDependencies } = packageSchema.parse(JSON.parse(readFileSync('package.json', 'utf8')))
const bundled = () => sbom.components.filter(({ properties }) => properties.some(({ value }) => value === 'dist/cli'))

beforeAll(() => {
  // The tests run on a build; the script itself does not need another one.
  const file = join(temporaryFolder(), 'sbom.json')
  execFileSync(process.execPath, ['.config/sbom.mjs', file])
  sbom = sbomSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
})

test('lists each dependency with its version, and no tool of the developers', () => {
  expect(sbom.metadata.component).toEqual({ name: 'mesh-chat', version })
  const names = sbom.components.map(({ name }) => name)
  for (const name of Object.keys(dependencies)) expect(names).toContain(name)
  for (const name of ['vitest', 'typescript', 'knip', 'rolldown'].filter(name => name in devDependencies))
    expect(names).not.toContain(name)
  for (const { name, version, purl } of sbom.components)
    expect(purl).toBe(`pkg:npm/${name.replace('@', '%40')}@${version}`)
})

test('marks the packages whose code is bundled into the client, each once', () => {
  const purls = bundled().map(({ purl }) => purl)
  expect(purls).toEqual([...new Set(purls)])
  for (const { properties } of bundled()) expect(properties).toHaveLength(1)
  const names = bundled().map(({ name }) => name)
  // A dependency, one of its own dependencies, and one with a scope.
  expect(names).toEqual(expect.arrayContaining(['ink', 'react-reconciler', '@noble/curves']))
  // Used by the server only, which is not bundled.
  expect(names).not.toContain('pino')
})
