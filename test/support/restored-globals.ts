/**
 * Unit tests share their worker's globals. A file that leaves fake timers or a replaced global behind would break
 * whichever file comes next, which depends on the order of the run: here it fails itself.
 */
import { afterAll, expect, vi } from 'vitest'

const NAMES = [
  ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'],
  ...['queueMicrotask', 'Date', 'performance', 'fetch'],
]
const ORIGINALS = Symbol.for('mesh-chat: original globals')

type Globals = Record<string | symbol, unknown>

const globals = globalThis as unknown as Globals
globals[ORIGINALS] ??= current()

function current(): Globals {
  return Object.fromEntries([
    ...NAMES.map(name => [name, globals[name]]),
    ['performance.now', performance.now],
    ['Math.random', Math.random],
    ['process.cwd', process.cwd],
    ['process.nextTick', process.nextTick],
    ['console.error', console.error],
  ])
}

afterAll(() => {
  // Vitest does this before the next file, even for spies that were restored: one made over a fake timer brings it back.
  vi.restoreAllMocks()
  const originals = globals[ORIGINALS] as Globals
  const replaced = Object.entries(current()).flatMap(([name, value]) => (value === originals[name] ? [] : [name]))
  expect(replaced, 'globals that this file replaced and left so').toEqual([])
})
