/** `--help` is checked against the code: environment variables, exit codes, files, examples. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { EXIT } from '../../../src/programs/command-line/fail.ts'

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

/** Environment variables that a program's sources read; not those that they only set or delete. */
function variables(folder: string): Set<string> {
  const source = files(folder, /\.tsx?$/).replace(/delete process\.env\.\w+|process\.env\.\w+ = .*/g, '')
  return new Set([...source.matchAll(/\benv\.([A-Z_]+)/g)].map(([, name = '']) => name))
}

describe('mesh-chat --help', () => {
  const text = help('cli')

  test('lists every environment variable that the program reads, and no other', () => {
    const listed = terms(text, 'Environment')
    expect(listed).toEqual(expect.arrayContaining([...variables('cli')]))
    // A library reads the settings folder: search the bundle.
    const program = files('dist/cli', /\.js$/)
    for (const name of listed) expect(program, name).toContain(name)
  })

  test('lists the exit codes that the program uses, and no other', () => {
    const listed = terms(text, 'Exit codes').flatMap(row => row.split(', ').map(Number))
    const guard = readFileSync('cli/terminal/guard.ts', 'utf8')
    const others = listed.filter(code => code !== 0 && !Object.values<number>(EXIT).includes(code))
    for (const code of others) expect(guard).toMatch(new RegExp(`\\b${code}\\b`))
    expect(listed).toEqual(expect.arrayContaining(Object.values(EXIT)))
  })
})

describe('mesh-chatd --help', () => {
  const text = help('daemon')

  test('lists every environment variable that the program reads, and no other', () => {
    expect(terms(text, 'Environment').sort()).toEqual([...variables('daemon')].sort())
  })

  test('lists every exit code that the program uses', () => {
    const source = files('daemon', /\.ts$/)
    const codes = [...source.matchAll(/(?:fail|exit)\((\d+)/g)].map(([, code]) => Number(code))
    const listed = terms(text, 'Exit codes').map(Number)
    expect(listed).toEqual([0, EXIT.general, EXIT.usage, EXIT.crash])
    expect([...new Set(codes)].filter(code => !listed.includes(code))).toEqual([])
    expect(terms(help('daemon', 'check'), 'Exit codes').map(Number)).toEqual([0, EXIT.general, EXIT.usage])
  })

  test('names every config field that is a file name', () => {
    for (const field of ['secretFile', 'tokenKeyFile', 'tls.cert', 'tls.key', 'tls.ca']) expect(text).toContain(field)
  })
})

test('the help fits 80 columns', () => {
  for (const text of [help('cli'), help('daemon'), help('daemon', 'check')]) {
    expect(text.split('\n').filter(line => line.length > 80)).toEqual([])
  }
})

test('every example uses an existing command and existing options', () => {
  for (const [program, name] of [
    ['cli', 'mesh-chat'],
    ['daemon', 'mesh-chatd'],
  ] as const) {
    const examples = terms(help(program), 'Examples')
    expect(examples.length).toBeGreaterThan(3)
    for (const example of examples) {
      const words = /\bmesh-chatd? ?([^|)]*)/.exec(example)?.[1]?.replaceAll('"', '').split(' ').filter(Boolean) ?? []
      // The help of the command must list each option. Running the example itself would connect.
      const text = help(program, ...words.filter((word, at) => at === 0 && /^[a-z]+$/.test(word)))
      for (const option of words.filter(word => word.startsWith('--')))
        expect(text, `${name} ${example}`).toContain(option)
    }
  }
})
