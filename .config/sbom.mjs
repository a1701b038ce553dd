/**
 * Writes sbom.json, or the file that is given: the packages of an installation (CycloneDX, from the lockfile), and of these and others the ones whose
 * code is bundled into dist/cli. A scanner of node_modules does not see bundled code.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bundleFolder = join(root, 'dist/cli')

/** Marks a component whose code is in the bundle. */
const BUNDLED = { name: 'mesh-chat:bundled-into', value: 'dist/cli' }

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

const listing = ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only']
const sbom = JSON.parse(execFileSync('npm', listing, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }))
// npm takes the name of the folder.
sbom.metadata.component.name = 'mesh-chat'
for (const folder of bundledFolders()) {
  const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
  let component = sbom.components.find(one => one.name === name && one.version === version)
  if (component === undefined) {
    // A development dependency of this project that is bundled.
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
    component = { 'bom-ref': `${name}@${version}`, type: 'library', name, version, purl, properties: [] }
    if (typeof license === 'string') component.licenses = [{ license: { id: license } }]
    sbom.components.push(component)
  }
  // The same version may be installed in several folders.
  if (!component.properties?.includes(BUNDLED)) component.properties = [...(component.properties ?? []), BUNDLED]
}
const [, , file = join(root, 'sbom.json')] = process.argv
writeFileSync(file, `${JSON.stringify(sbom, null, 2)}\n`)
const bundled = sbom.components.filter(({ properties }) => properties.includes(BUNDLED)).length
console.log(`${file}: ${sbom.components.length} packages, ${bundled} of them bundled into dist/cli`)
