/** What an unfinished message holds, counted from the headers of frames, however TCP cuts them. */
import { describe, expect, test } from 'vitest'
import { FrameMeter } from '../../../../daemon/transport/budgets/frame-meter.ts'
import { clientFrame } from '../../../support/attacks/raw-web-socket.ts'

const OVERHEAD = 128
/** Of each chunk that a message came in. */
const CHUNK_OVERHEAD = 512
const heldBy = (bytes: Buffer, chunkBytes: number) => CHUNK_OVERHEAD * Math.ceil(bytes.length / chunkBytes)

/** Reads bytes in chunks of a size. */
function readIn(chunkBytes: number, bytes: Buffer, max = 1e9) {
  const meter = new FrameMeter()
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const violation = meter.read(bytes.subarray(at, at + chunkBytes), max)
    if (violation !== undefined) return violation
  }
  return meter.held
}

describe.each([1, 2, 3, 7, 100, 1e6])('in chunks of %d bytes', chunkBytes => {
  test.each([0, 1, 125, 126, 65_535, 65_536])('a complete message of %d bytes holds nothing', length => {
    expect(readIn(chunkBytes, clientFrame('x'.repeat(length)))).toBe(0)
  })

  test('fragments add up, with their overhead, until the last one', () => {
    const fragment = clientFrame('x'.repeat(300), { opcode: 0, final: false })
    const start = clientFrame('x'.repeat(200), { final: false })
    const ping = clientFrame('x'.repeat(100), { opcode: 9 })
    const unfinished = Buffer.concat([start, fragment, ping, fragment])
    expect(readIn(chunkBytes, unfinished)).toBe(800 + 3 * OVERHEAD + heldBy(unfinished, chunkBytes))
    const end = clientFrame('', { opcode: 0 })
    expect(readIn(chunkBytes, Buffer.concat([start, fragment, ping, fragment, end]))).toBe(0)
  })

  test('the part of a frame that has arrived counts', () => {
    const part = clientFrame('x'.repeat(500), { length: 70_000 })
    expect(readIn(chunkBytes, part)).toBe(500 + OVERHEAD + heldBy(part, chunkBytes))
  })

  test('a message is too large as soon as a header says so', () => {
    expect(readIn(chunkBytes, clientFrame('', { length: 1e6 }), 1e6)).toBe('too large')
    expect(readIn(chunkBytes, clientFrame('', { length: 2 ** 40 }), 1e6)).toBe('too large')
    const empty = Array.from({ length: 20 }, () => clientFrame('', { opcode: 0, final: false }))
    const all = Buffer.concat(empty)
    const { length } = all
    if (chunkBytes > length) expect(readIn(chunkBytes, all, 15 * OVERHEAD)).toBe('too large')
    expect(readIn(chunkBytes, all)).toBe(20 * OVERHEAD + heldBy(all, chunkBytes))
  })

  test('a binary frame is found at its header, also after text', () => {
    const frames = [clientFrame('text'), clientFrame('', { opcode: 2, length: 5 })]
    expect(readIn(chunkBytes, Buffer.concat(frames))).toBe('binary')
  })
})

test('a message that arrives in very small pieces counts what each of them costs', () => {
  const meter = new FrameMeter()
  meter.read(clientFrame('', { length: 60_000 }), 65_536)
  const pieces = Array.from({ length: 200 }, () => meter.read(Buffer.from('x'), 65_536))
  expect(pieces.indexOf('too fragmented')).toBe(127)
})

test('control frames in pieces hold nothing when they are complete', () => {
  const meter = new FrameMeter()
  for (let n = 0; n < 50; n++) {
    const ping = clientFrame('x'.repeat(100), { opcode: 9 })
    meter.read(ping.subarray(0, 50), 65_536)
    expect(meter.held).toBe(CHUNK_OVERHEAD)
    meter.read(ping.subarray(50), 65_536)
    expect(meter.held).toBe(0)
  }
})
