/** docs/PROTOCOL.md and the tests refer to each other correctly. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const doc = readFileSync('docs/PROTOCOL.md', 'utf8')
const rules = Array.from(doc.matchAll(/^- \*\*([A-Z])(\d+)\.\*\*/gm), ([, section = '', number]) => ({
  section,
  number: Number(number),
}))
const ids = new Set(rules.map(({ section, number }) => `${section}${number}`))

test('the rules of each section are numbered from 1 without gaps', () => {
  const last = new Map<string, number>()
  for (const { section, number } of rules) {
    expect([section, number]).toEqual([section, (last.get(section) ?? 0) + 1])
    last.set(section, number)
  }
  expect(rules.length).toBeGreaterThan(100)
})

test('every rule that a test names exists', () => {
  const files = readdirSync('test', { recursive: true, encoding: 'utf8' }).filter(file => /\.test\.tsx?$/.test(file))
  const named = files.flatMap(file => {
    const text = readFileSync(join('test', file), 'utf8')
    return Array.from(text.matchAll(/['"`]([A-Z]\d+(?:, [A-Z]\d+)*): /g), ([, list = '']) => ({ file, list }))
  })
  expect(named.length).toBeGreaterThan(100)
  for (const { file, list } of named) {
    for (const id of list.split(', ')) expect([file, id, ids.has(id)]).toEqual([file, id, true])
  }
})

test('every test file that the document lists exists', () => {
  const files = Array.from(doc.matchAll(/`(test\/[^`]+\.test\.tsx?)`/g), ([, file = '']) => file)
  expect(files.length).toBeGreaterThan(20)
  for (const file of files) expect([file, existsSync(file)]).toEqual([file, true])
})

test('every link to a section has its heading', () => {
  const anchors = Array.from(doc.matchAll(/^#+ (.*)$/gm), ([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  )
  for (const [, anchor] of doc.matchAll(/\]\(#([^)]+)\)/g)) expect(anchors).toContain(anchor)
})
