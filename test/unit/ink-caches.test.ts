/** The caches of Ink in the bundle are bounded. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { boundInkCaches } from '../../.config/ink-caches.ts'

const FILES = ['node_modules/ink/build/measure-text.js', 'node_modules/ink/build/wrap-text.js']

test.each(FILES)('%s has the code that is changed', file => {
  const code = readFileSync(file, 'utf8')
  const changed = boundInkCaches(code, `/x/${file}`)
  expect(changed?.code).toMatch(/2000/)
  expect(() => boundInkCaches(code.replaceAll('cache', 'memory'), `/x/${file}`)).toThrow('this code of Ink')
})

test('other modules stay as they are', () => {
  expect(boundInkCaches('cache.set(text, dimensions)', '/x/ink/build/render.js')).toBeUndefined()
})
