/**
 * Ends the process with one line if Node.js is too old. Each program's entry imports this first, and the program itself
 * after that: dependencies use syntax and modules that an old Node.js rejects before any code runs. For the same reason
 * this module imports only what Node.js 18 has.
 */
import { readFileSync } from 'node:fs'
import { packageRoot } from '../package-root.ts'

/** The `engines.node` field of package.json: `>=MAJOR.MINOR`. */
const { engines } = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')) as {
  engines: { node: string }
}
const needed = engines.node.replace('>=', '')
const actual = process.versions.node

if (isOlder(actual, needed)) {
  console.error(`mesh-chat needs Node.js ${needed} or newer; this is ${actual}`)
  process.exit(1)
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [thanMajor = 0, thanMinor = 0] = than.split('.').map(Number)
  return major < thanMajor || (major === thanMajor && minor < thanMinor)
}
