/**
 * Writes sbom.json, or the file that is given: the packages of an installation (CycloneDX, from the lockfile), and of these and others the ones whose
 * code is bundled into dist/cli. A scanner of node_modules does not see bundled code. The same sources give the same file.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bundleFolder = join(root, 'dist/cli')

/** Marks a component whose code is in the bundle. */
const BUNDLED = { name: 'mesh-chat:bundled-into', value: 'dist/cli' }

const readJson = file => JSON.parse(readFileSync(join(root, file), 'utf8'))
const compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0)

/** The folders of the packages in the bundle, from its source maps. */
function bundledFolders() {
  const folders = new Set()
  const maps = readdirSync(bundleFolder, { recursive: true }).filter(file => file.endsWith('.js.map'))
  if (maps.length === 0) throw new Error('dist/cli has no source maps; run npm run build')
  for (const map of maps) {
    for (const source of JSON.parse(readFileSync(join(bundleFolder, map), 'utf8')).sources) {
      const [folder] = /node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(source) ?? []
      if (folder !== undefined) folders.add(folder)
    }
  }
  return [...folders].sort()
}

/** Where each package of the lockfile is that users install, by name and version. */
function installedFolders() {
  const folders = new Map()
  for (const [folder, { dev, name, version }] of Object.entries(readJson('package-lock.json').packages))
    if (folder !== '' && !dev) folders.set(`${name ?? folder.replace(/^.*node_modules\//, '')}@${version}`, folder)
  return folders
}

/** The licences of a package that only its own file names: npm lists none for the old field `licenses`. */
function licensesOf(folder) {
  const { license, licenses = [] } = readJson(`${folder}/package.json`)
  const ids = [license, ...licenses].map(one => one?.type ?? one).filter(one => typeof one === 'string')
  return ids.map(id => ({ license: { id } }))
}

/** A UUID of the content (RFC 9562, version 8), so that the same content has the same number. */
function serialNumberOf(content) {
  const bytes = createHash('sha256').update(content).digest().subarray(0, 16)
  bytes[6] = (bytes[6] & 0x0f) | 0x80
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  return `urn:uuid:${bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}`
}

// With --omit dev, npm leaves out packages that a tool of the developers needs too.
const listing = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only']
const sbom = JSON.parse(execFileSync('npm', listing, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }))
const kept = installedFolders()
for (const folder of bundledFolders()) {
  const { name, version } = readJson(`${folder}/package.json`)
  if (!kept.has(`${name}@${version}`)) kept.set(`${name}@${version}`, folder)
  const component = sbom.components.find(one => one['bom-ref'] === `${name}@${version}`)
  if (component === undefined) throw new Error(`${folder} is bundled and not in the lockfile; run npm ci`)
  // The same version may be installed in several folders.
  if (!component.properties.includes(BUNDLED)) component.properties.push(BUNDLED)
}
sbom.components = sbom.components
  .filter(one => kept.has(one['bom-ref']))
  .sort((one, other) => compare(one['bom-ref'], other['bom-ref']))
for (const component of sbom.components) {
  component.scope = 'required'
  component.properties = component.properties.filter(({ name }) => !name.startsWith('cdx:'))
  if (component.licenses === undefined) component.licenses = licensesOf(kept.get(component['bom-ref']))
}
const { component: self } = sbom.metadata
// npm takes the name of the folder.
self.name = 'mesh-chat'
const { packages } = readJson('package-lock.json')
const direct = Object.keys(readJson('package.json').dependencies).map(
  name => `${name}@${packages[`node_modules/${name}`].version}`,
)
sbom.dependencies = sbom.dependencies
  .filter(({ ref }) => ref === self['bom-ref'] || kept.has(ref))
  // npm lists the tools of the developers too.
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: ref === self['bom-ref'] ? direct : dependsOn }))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(one => kept.has(one)).sort() }))
  .sort((one, other) => compare(one.ref, other.ref))
delete sbom.metadata.timestamp
delete sbom.serialNumber
const { $schema, bomFormat, specVersion, ...content } = sbom
const serialNumber = serialNumberOf(JSON.stringify(content))
const [, , file = join(root, 'sbom.json')] = process.argv
writeFileSync(file, `${JSON.stringify({ $schema, bomFormat, specVersion, serialNumber, ...content }, null, 2)}\n`)
const bundled = sbom.components.filter(({ properties }) => properties.includes(BUNDLED)).length
console.log(`${file}: ${sbom.components.length} packages, ${bundled} of them bundled into dist/cli`)
