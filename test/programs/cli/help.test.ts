/** `--help` is the manual: what it says of the world around the programs is true, and whole. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { EXIT } from '../../../src/programs/fail.ts'

const texts = new Map<string, string>()

function help(program: 'cli' | 'daemon', ...more: string[]): string {
  const command = [`dist/${program}/main.js`, ...more, '--help']
  const known = texts.get(command.join(' '))
  if (known !== undefined) return known
  const text = execFileSync(process.execPath, command, { encoding: 'utf8', env: { ...process.env, COLUMNS: '80' } })
  texts.set(command.join(' '), text)
  return text
}

/** The terms of a section, in order. */
function terms(text: string, title: string): string[] {
  const [, section = ''] = text.split(`\n${title}:\n`)
  const [rows = ''] = section.split('\n\n')
  return rows.split('\n').flatMap(row => /^ {2}(\S.*?)(?: {2}|$)/.exec(row)?.[1] ?? [])
}

const files = (folder: string, end: RegExp) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => end.test(name))
    .map(name => readFileSync(join(folder, name), 'utf8'))
    .join('\n')

/** What a program's own sources read of its environment; not what they only set or hand on. */
function variables(folder: string): Set<string> {
  const source = files(folder, /\.tsx?$/).replace(/delete process\.env\.\w+|process\.env\.\w+ = .*/g, '')
  return new Set([...source.matchAll(/\benv\.([A-Z_]+)/g)].map(([, name = '']) => name))
}

describe('mesh-chat --help', () => {
  const text = help('cli')

  test('each variable that is read is told, and each that is told is read', () => {
    const told = terms(text, 'Environment')
    expect(told).toEqual(expect.arrayContaining([...variables('cli')]))
    // Settings are read by a library: what is bundled counts.
    const program = files('dist/cli', /\.js$/)
    for (const name of told) expect(program, name).toContain(name)
  })

  test('exit codes are those that there are', () => {
    const told = terms(text, 'Exit codes').flatMap(row => row.split(', ').map(Number))
    const guard = readFileSync('cli/terminal/guard.ts', 'utf8')
    const others = told.filter(code => code !== 0 && !Object.values<number>(EXIT).includes(code))
    for (const code of others) expect(guard).toMatch(new RegExp(`\\b${code}\\b`))
    expect(told).toEqual(expect.arrayContaining(Object.values(EXIT)))
  })
})

describe('mesh-chatd --help', () => {
  const text = help('daemon')

  test('each variable that is read is told, and each that is told is read', () => {
    expect(terms(text, 'Environment')).toEqual([...variables('daemon')])
  })

  test('exit codes are those that there are', () => {
    const source = files('daemon', /\.ts$/)
    const codes = [...source.matchAll(/(?:fail|exit)\((\d+)/g)].map(([, code]) => Number(code))
    const told = terms(text, 'Exit codes').map(Number)
    expect([...new Set(codes)].sort().filter(code => !told.includes(code))).toEqual([])
    expect(terms(help('daemon', 'check'), 'Exit codes').map(Number)).toEqual([0, 1, 2])
  })

  test('the fields of the config that name files are all told', () => {
    const told = terms(text, 'Files').join()
    for (const field of ['secretFile', 'tokenKeyFile', 'tls.cert', 'tls.key', 'tls.ca'])
      expect(text + told).toContain(field)
  })
})

test('it fits 80 columns', () => {
  for (const text of [help('cli'), help('daemon'), help('daemon', 'check')]) {
    expect(text.split('\n').filter(line => line.length > 80)).toEqual([])
  }
})

test('each example is a command that the program takes, but for what it does', () => {
  for (const [program, name] of [
    ['cli', 'mesh-chat'],
    ['daemon', 'mesh-chatd'],
  ] as const) {
    const examples = terms(help(program), 'Examples')
    expect(examples.length).toBeGreaterThan(3)
    for (const example of examples) {
      const words = /\bmesh-chatd? ?([^|)]*)/.exec(example)?.[1]?.replaceAll('"', '').split(' ').filter(Boolean) ?? []
      // With --help behind, a command is looked up and nothing is done; options that are none are found in the text.
      const text = help(program, ...words.filter((word, at) => at === 0 && /^[a-z]+$/.test(word)))
      for (const option of words.filter(word => word.startsWith('--')))
        expect(text, `${name} ${example}`).toContain(option)
    }
  }
})
