/** The npm package, installed in another folder and imported by name. */
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { relativeLinks } from '../../support/markdown.ts'
import { stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

type Package = typeof import('../../../.config/index.ts')

const folder = temporaryFolder()
const modules = join(folder, 'node_modules')
let files: string[] = []

/** Links a package of this checkout next to the packed one, as an installation would. */
function link(name: string): void {
  const place = join(modules, name)
  mkdirSync(dirname(place), { recursive: true })
  symlinkSync(join(process.cwd(), 'node_modules', name), place)
}

beforeAll(() => {
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    encoding: 'utf8',
  })
  const [made] = z
    .array(z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) }))
    .parse(JSON.parse(packed))
  if (made === undefined) throw new Error('npm packed nothing')
  files = made.files.map(({ path }) => path)
  const home = join(modules, 'mesh-chat')
  mkdirSync(home, { recursive: true })
  execFileSync('tar', ['-xzf', join(folder, made.filename), '--strip-components=1', '-C', home])
  const { dependencies } = z
    .object({ dependencies: z.record(z.string(), z.string()) })
    .parse(JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')))
  // Only the declared dependencies.
  for (const name of [...Object.keys(dependencies), '@types/node']) link(name)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
})

afterAll(stopAll)

/** Compiles programs that use the package, with strict type checks. */
function compile(...sources: string[]): void {
  const options = ['--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023', '--types', 'node', '--strict']
  const more = ['--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--pretty', 'false']
  const tsc = join(process.cwd(), 'node_modules/.bin/tsc')
  try {
    execFileSync(tsc, [...options, ...more, ...sources.map(source => join(folder, source))], {
      cwd: folder,
      encoding: 'utf8',
    })
  } catch (error) {
    throw new Error((error as { stdout: string }).stdout)
  }
}

test('the package contains the two programs, the library with its types, documentation, examples, and nothing else', () => {
  const rest = files.filter(
    path =>
      !/^dist\/.*\.js$|^dist\/(.config\/index|src\/.*|cli\/session\/(library|chat-client)|daemon\/library)\.d\.ts$|^docs\/|^examples\//.test(
        path,
      ),
  )
  expect(rest.sort()).toEqual([
    '.github/SECURITY.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'LICENSE',
    'README.md',
    'config.json',
    'package.json',
  ])
  expect(files.filter(path => path.startsWith('examples/')).sort()).toEqual(
    readdirSync('examples')
      .map(name => `examples/${name}`)
      .sort(),
  )
  const docs = files.filter(path => path.startsWith('docs/'))
  const others = docs.filter(path => !/^docs\/(decisions\/)?[\w-]+\.md$/.test(path))
  expect(others.sort()).toEqual([
    'docs/grafana-dashboard.json',
    'docs/scale.svg',
    'docs/screens/client-dark.svg',
    'docs/screens/client-light.svg',
    'docs/screens/lab.svg',
  ])
  expect(files).toEqual(expect.arrayContaining(['dist/cli/main.js', 'dist/daemon/main.js', 'dist/.config/index.js']))
})

test('holds every file that the README links to', () => {
  const targets = relativeLinks('README.md').map(({ path }) => path)
  expect(targets.length).toBeGreaterThan(10)
  for (const path of targets) expect(files).toContain(path)
})

test('holds every file that one of its pages links to', () => {
  const pages = files.filter(path => path.endsWith('.md'))
  const dead = pages.flatMap(page =>
    relativeLinks(page).flatMap(({ path, target }) => (files.includes(path) ? [] : [`${page}: ${target}`])),
  )
  expect(dead).toEqual([])
})

describe('imported by name', () => {
  const imported = async (): Promise<Package> => {
    const file = createRequire(join(folder, 'here.js')).resolve('mesh-chat')
    expect(file).toBe(join(modules, 'mesh-chat/dist/.config/index.js'))
    return import(pathToFileURL(file).href)
  }

  test('the echo bot has at most ten lines and replies', async () => {
    const lines = readFileSync('examples/echo-bot.ts', 'utf8').trim().split('\n')
    expect(lines.length).toBeLessThanOrEqual(10)
    copyFileSync('examples/echo-bot.ts', join(folder, 'echo-bot.ts'))
    compile('echo-bot.ts')
    const { createServer, connect } = await imported()
    const server = await createServer({ id: 'server-1' })
    const other = await createServer({ id: 'server-2', join: [server.url] })
    const bot = spawn(process.execPath, [join(folder, 'echo-bot.js'), other.url], { stdio: 'inherit' })
    const anna = await connect({ user: 'Anna', servers: server.url })
    await until('the bot is online', () => anna.isOnline('Parrot'))
    const heard: string[] = []
    anna.on('message', ({ from, text }) => heard.push(`${from}: ${text}`))
    expect(await anna.send('Parrot', 'hello')).toMatchObject({ state: 'delivered', connections: 1 })
    await until('the bot replies', () => heard.length > 0)
    expect(heard).toEqual(['Parrot: You said: hello'])
    bot.kill()
    anna.close()
    await Promise.all([server.close(), other.close()])
  })

  test('the program in the README compiles', () => {
    const [, program] = /```ts\n(.*?)```/s.exec(readFileSync('README.md', 'utf8')) ?? []
    writeFileSync(join(folder, 'readme.ts'), program ?? 'none')
    compile('readme.ts')
  })

  test('the programs in docs/library.md compile and print what their comments say', async () => {
    const docs = readFileSync('docs/library.md', 'utf8')
    const programs = [...docs.matchAll(/```ts\n(.*?)```/gs)].map(([, program = '']) => program)
    expect(programs.length).toBeGreaterThan(1)
    const names = programs.map((_, at) => `doc-${at}`)
    for (const [at, program] of programs.entries()) writeFileSync(join(folder, `${names[at]}.ts`), program)
    compile(...names.map(name => `${name}.ts`))
    for (const [at, program] of programs.entries()) {
      const output = execFileSync(process.execPath, [join(folder, `${names[at]}.js`)], {
        encoding: 'utf8',
        timeout: 60_000,
      })
      // A comment `// →` gives each printed line.
      const told = [...program.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line)
      expect(told.length).toBeGreaterThan(0)
      expect(output.trim().split('\n')).toEqual(told)
    }
  })

  test('a missing option is a type error', () => {
    writeFileSync(join(folder, 'wrong.ts'), "import { connect } from 'mesh-chat'\nawait connect({ user: 'Anna' })\n")
    expect(() => compile('wrong.ts')).toThrow(/Property 'servers' is missing/)
  })
})
