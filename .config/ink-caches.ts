/** Bounds the caches of Ink, which keep every text that was ever drawn: the memory of a busy chat would grow for ever. */

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
}

/** Changes a module of Ink; undefined: another module. @throws Error if Ink has other code than expected */
export function boundInkCaches(code: string, id: string): { code: string; map: null } | undefined {
  const file = Object.keys(CHANGES).find(name => id.replaceAll('\\', '/').endsWith(`/${name}`))
  if (file === undefined) return undefined
  const changed = (CHANGES[file] ?? []).reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`${file}: this code of Ink is not there once: ${from}`)
    return text.replace(from, to)
  }, code)
  return { code: changed, map: null }
}
