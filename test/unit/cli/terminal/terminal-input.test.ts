import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Key } from '../../../../cli/terminal/key-decoder.ts'
import { listenToTerminalInput } from '../../../../cli/terminal/terminal-input.ts'

let stdin: EventEmitter & { setEncoding: (encoding: string) => void; resume: () => void }
let encodings: string[]
let stdout: EventEmitter
let keys: Key[]
let resizes: number
let ended: boolean

beforeEach(() => {
  vi.useFakeTimers()
  encodings = []
  stdin = Object.assign(new EventEmitter(), {
    setEncoding: (encoding: string) => void encodings.push(encoding),
    resume: () => {},
  })
  stdout = new EventEmitter()
  keys = []
  resizes = 0
  ended = false
  listenToTerminalInput(
    more => keys.push(...more),
    () => resizes++,
    () => {
      ended = true
    },
    { stdin, stdout },
  )
})

afterEach(() => {
  vi.useRealTimers()
})

const ESCAPE_KEY = { type: 'key', name: 'escape' }

test('reads UTF-8, and passes the keys of a chunk on at once', () => {
  expect(encodings).toEqual(['utf8'])
  stdin.emit('data', 'hi\r')
  expect(keys).toEqual([
    { type: 'text', text: 'hi' },
    { type: 'key', name: 'enter' },
  ])
})

describe('an Escape', () => {
  test('is the Escape key if nothing follows for 50 ms', () => {
    stdin.emit('data', '\u001b')
    vi.advanceTimersByTime(49)
    expect(keys).toEqual([])
    vi.advanceTimersByTime(1)
    expect(keys).toEqual([ESCAPE_KEY])
  })

  test('starts a sequence if more follows in that time', () => {
    stdin.emit('data', '\u001b')
    vi.advanceTimersByTime(49)
    stdin.emit('data', '[A')
    vi.advanceTimersByTime(100)
    expect(keys).toEqual([{ type: 'key', name: 'up' }])
  })

  test('has 50 ms again after each part of a sequence', () => {
    for (const part of ['\u001b', '[1;', '5D']) {
      stdin.emit('data', part)
      vi.advanceTimersByTime(49)
    }
    expect(keys).toEqual([{ type: 'key', name: 'C-left' }])
  })

  test('in a paste is not a key', () => {
    stdin.emit('data', '\u001b[200~a\u001b')
    vi.advanceTimersByTime(100)
    stdin.emit('data', '[201~')
    expect(keys).toEqual([{ type: 'paste', text: 'a' }])
  })
})

test('a paste without its end ends after 1 s without input, and Enter works again', () => {
  stdin.emit('data', '\u001b[200~abc')
  vi.advanceTimersByTime(999)
  stdin.emit('data', 'def')
  vi.advanceTimersByTime(999)
  expect(keys).toEqual([])
  vi.advanceTimersByTime(1)
  stdin.emit('data', '\r')
  expect(keys).toEqual([
    { type: 'paste', text: 'abcdef' },
    { type: 'key', name: 'enter' },
  ])
})

test('Escape alone ends a paste without its end after 50 ms', () => {
  stdin.emit('data', '\u001b[200~abc')
  stdin.emit('data', '\u001b')
  vi.advanceTimersByTime(50)
  expect(keys).toEqual([{ type: 'paste', text: 'abc' }, ESCAPE_KEY])
})

test('resize events in close succession are reported once, 30 ms after the last one', () => {
  for (let n = 0; n < 5; n++) {
    stdout.emit('resize')
    vi.advanceTimersByTime(29)
  }
  expect(resizes).toBe(0)
  vi.advanceTimersByTime(1)
  expect(resizes).toBe(1)
})

test('the end of the input is reported', () => {
  stdin.emit('end')
  expect(ended).toBe(true)
})
