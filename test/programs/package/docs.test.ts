/** The documentation: its links and the paths that it names. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { BOT } from '../../../cli/trial.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'
import { headingAnchors, relativeLinks } from '../../support/markdown.ts'

const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  encoding: 'utf8',
})
  .trim()
  .split('\n')

describe('every relative link leads to a file and a heading of this repository', () => {
  test.each(pages)('%s', page => {
    const dead = relativeLinks(page).filter(({ path, anchor }) => {
      if (!existsSync(path)) return true
      return anchor !== undefined && path.endsWith('.md') && !headingAnchors(path).includes(anchor)
    })
    expect(dead.map(({ target }) => target)).toEqual([])
  })
})

test('no bot of an example has the name of the bot of npm start, with which they run', () => {
  const examples = readdirSync('examples').map(name => `examples/${name}`)
  for (const file of ['README.md', 'docs/library.md', 'docs/SCRIPTING.md', ...examples])
    expect(readFileSync(file, 'utf8'), file).not.toMatch(new RegExp(`(user:? '?|\\.sh )${BOT}\\b`))
})

test('the README has at most 150 lines', () => {
  expect(readFileSync('README.md', 'utf8').split('\n').length).toBeLessThanOrEqual(150)
})

test('every page of docs/decisions is in their index', () => {
  const index = new Set(relativeLinks('docs/decisions/README.md').map(({ path }) => path))
  const decisions = pages.filter(page => page.startsWith('docs/decisions/') && !page.endsWith('/README.md'))
  expect(decisions.filter(page => !index.has(page))).toEqual([])
})

test('the files and folders that ARCHITECTURE.md names exist', () => {
  const named = readFileSync('docs/ARCHITECTURE.md', 'utf8').matchAll(/`((?:src|daemon|cli|test|\.config)\/[\w./-]*)`/g)
  const missing = [...new Set([...named].map(([, path = '']) => path))].filter(path => !existsSync(path))
  expect(missing).toEqual([])
})

test('OPERATING.md lists every limit with its default', () => {
  const rows = readFileSync('docs/OPERATING.md', 'utf8').matchAll(/^\| `(\w+)` +\| (\d+) +\|/gm)
  expect(Object.fromEntries([...rows].map(([, name, value]) => [name, Number(value)]))).toEqual(DEFAULT_LIMITS)
})
