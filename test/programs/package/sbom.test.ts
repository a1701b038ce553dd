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
  specVersion: z.literal('1.5'),
  serialNumber: z.string().regex(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  metadata: z.object({ component: z.object({ 'bom-ref': z.string(), name: z.string(), version: z.string() }) }),
  dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()) })),
  components: z.array(
    z.object({
      'bom-ref': z.string(),
      type: z.literal('library'),
      hashes: z.array(z.object({ alg: z.literal('SHA-512'), content: z.string().regex(/^[0-9a-f]{128}$/) })).min(1),
      licenses: z
        .array(z.union([z.object({ license: z.object({ id: z.string() }) }), z.object({ expression: z.string() })]))
        .min(1),
      name: z.string(),
      version: z.string(),
      purl: z.string(),
      properties: z.array(z.object({ name: z.string(), value: z.string() })),
    }),
  ),
})
const lockfileSchema = z.object({
  packages: z.record(z.string(), z.object({ version: z.string(), dev: z.boolean().optional() })),
})
const packageSchema = z.object({
  version: z.string(),
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
})

let text = ''
let sbom: z.infer<typeof sbomSchema>
const { version, dependencies, devDependencies } = packageSchema.parse(JSON.parse(readFileSync('package.json', 'utf8')))
const bundled = () => sbom.components.filter(({ properties }) => properties.some(({ value }) => value === 'dist/cli'))

beforeAll(() => {
  // The tests run on a build; the script itself does not need another one.
  text = write()
  sbom = sbomSchema.parse(JSON.parse(text))
})

function write(): string {
  const file = join(temporaryFolder(), 'sbom.json')
  execFileSync(process.execPath, ['.config/sbom.mjs', file])
  return readFileSync(file, 'utf8')
}

test('lists each dependency with its version, and no tool of the developers', () => {
  expect(sbom.metadata.component).toEqual({ 'bom-ref': `mesh-chat@${version}`, name: 'mesh-chat', version })
  const names = sbom.components.map(({ name }) => name)
  for (const name of Object.keys(dependencies)) expect(names).toContain(name)
  for (const name of ['vitest', 'typescript', 'knip', 'rolldown'].filter(name => name in devDependencies))
    expect(names).not.toContain(name)
  for (const { name, version, purl } of sbom.components)
    expect(purl).toBe(`pkg:npm/${name.replace('@', '%40')}@${version}`)
})

/** The short names of emoji, which are bundled: users do not install the package. */
const BUNDLED_DATA = 'node_modules/emojibase-data'

test('lists every package of the lockfile that users install, each once, with hash and licence', () => {
  const { packages } = lockfileSchema.parse(JSON.parse(readFileSync('package-lock.json', 'utf8')))
  const installed = Object.entries(packages).filter(
    ([folder, { dev }]) => folder !== '' && (dev !== true || folder === BUNDLED_DATA),
  )
  const ids = installed.map(([folder, { version }]) => `${folder.replace(/^.*node_modules\//, '')}@${version}`)
  // zod and ms, which tools of the developers need too, are among them.
  expect(sbom.components.map(one => one['bom-ref'])).toEqual([...new Set(ids)].sort())
})

test('names only listed packages as dependencies, and those of each package once', () => {
  const { 'bom-ref': self } = sbom.metadata.component
  const listed = new Set([self, ...sbom.components.map(one => one['bom-ref'])])
  expect(sbom.dependencies.map(({ ref }) => ref).sort()).toEqual([...listed].sort())
  for (const { dependsOn } of sbom.dependencies) expect(dependsOn.filter(one => !listed.has(one))).toEqual([])
  const direct = sbom.dependencies.find(({ ref }) => ref === self)?.dependsOn.map(one => one.replace(/@[^@]*$/, ''))
  expect(direct?.sort()).toEqual(Object.keys(dependencies).sort())
})

test('is the same for the same sources', () => {
  expect(write()).toBe(text)
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
