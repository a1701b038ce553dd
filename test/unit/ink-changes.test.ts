/** The caches of Ink in the bundle are bounded, and Yoga loads without `fetch`. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { changeInk } from '../../.config/ink-changes.ts'

test.each([
  ['node_modules/ink/build/measure-text.js', /2000/, 'cache'],
  ['node_modules/ink/build/wrap-text.js', /2000/, 'cache'],
  ['node_modules/yoga-layout/dist/binaries/yoga-wasm-base64-esm.js', /return w\|\|true\?Promise/, 'fetch'],
])('%s has the code that is changed', (file, expected, word) => {
  const code = readFileSync(file, 'utf8')
  const changed = changeInk(code, `/x/${file}`)
  expect(changed?.code).toMatch(expected)
  expect(() => changeInk(code.replaceAll(word, 'memory'), `/x/${file}`)).toThrow('this code is not there once')
})

test('other modules stay as they are', () => {
  expect(changeInk('cache.set(text, dimensions)', '/x/ink/build/render.js')).toBeUndefined()
})
