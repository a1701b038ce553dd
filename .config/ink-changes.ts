/**
 * Changes of Ink and Yoga in the bundle. Ink's caches keep every text that was ever drawn: the memory of a busy chat would grow for ever.
 * Yoga reads its own code, a data URL, with `fetch`, whose modules take 30 ms to load: it decodes the URL instead.
 */

/** Most texts in a cache; some screens full. */
const MAX_TEXTS = 2_000

const CHANGES: Record<string, [from: string, to: string][]> = {
  'ink/build/measure-text.js': [
    ['cache.set(text, dimensions)', `if (cache.size >= ${MAX_TEXTS}) cache.clear();\n    cache.set(text, dimensions)`],
  ],
  'ink/build/wrap-text.js': [
    ['const cache = {};', 'let cache = {};\nlet size = 0;'],
    [
      'cache[cacheKey] = wrappedText',
      `if (++size > ${MAX_TEXTS}) {\n        cache = {};\n        size = 1;\n    }\n    cache[cacheKey] = wrappedText`,
    ],
  ],
  'yoga-layout/dist/binaries/yoga-wasm-base64-esm.js': [
    ['"function"!=typeof fetch?Promise.resolve()', 'true?Promise.resolve()'],
  ],
}

/** Changes a module of Ink or Yoga; undefined: another module. @throws Error if it has other code than expected */
export function changeInk(code: string, id: string): { code: string; map: null } | undefined {
  const file = Object.keys(CHANGES).find(name => id.replaceAll('\\', '/').endsWith(`/${name}`))
  if (file === undefined) return undefined
  const changed = (CHANGES[file] ?? []).reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`${file}: this code is not there once: ${from}`)
    return text.replace(from, to)
  }, code)
  return { code: changed, map: null }
}
