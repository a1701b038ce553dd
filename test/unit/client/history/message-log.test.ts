import { describe, expect, test } from 'vitest'
import { type Archive, MessageLog, NO_ARCHIVE } from '../../../../src/client/history/message-log.ts'
import { lowerBound, messageHash } from '../../../../src/client/history/positions.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { archiveOf, messageOf } from '../../../support/harness/session-harness.ts'
import { seeded } from '../../../support/random.ts'

const message = (id: string, at: number, from = 'Billy') => messageOf({ id, at, from })
const idsOf = (messages: readonly Message[]) => messages.map(({ id }) => id)

test('M3: messages are ordered by (at, id), whatever the order of their arrival', () => {
  const log = new MessageLog(NO_ARCHIVE)
  for (const [id, at] of [
    ['c', 2],
    ['a', 2],
    ['z', 1],
    ['b', 2],
    ['y', 3],
  ] as const)
    log.add(message(id, at))
  expect(idsOf(log.between({ from: 0 }))).toEqual(['z', 'a', 'b', 'c', 'y'])
})

test('M7: a message is added once per sender and id', () => {
  const log = new MessageLog(NO_ARCHIVE)
  expect(log.add(message('1', 5))).toBe(true)
  expect(log.add(message('1', 5))).toBe(false)
  expect(log.add(message('1', 9))).toBe(false)
  expect(log.add(message('1', 5, 'Carla'))).toBe(true)
  expect(log.size).toBe(2)
})

test('M7: a message of the archive is not added again', () => {
  const log = new MessageLog(archiveOf([message('1', 5), message('2', 5)]))
  expect(log.add(message('2', 5))).toBe(false)
  expect(log.add(message('2', 5, 'Carla'))).toBe(true)
  expect(log.add(message('3', 4))).toBe(true)
  expect(idsOf(log.between({ from: 0 }))).toEqual(['3', '1', '2', '2'])
})

test('S4: fingerprints are right whatever the order of arrival', () => {
  const log = new MessageLog(NO_ARCHIVE)
  const random = seeded(3)
  const all: Message[] = []
  for (let n = 0; n < 300; n++) {
    const one = message(`${n}`, Math.floor(random() * 50))
    all.push(one)
    log.add(one)
    const from = Math.floor(random() * 50)
    const to = from + Math.floor(random() * 20)
    const within = all.filter(({ at }) => at >= from && at < to).map(messageHash)
    const xor = (half: 'a' | 'b') => within.reduce((sum, hash) => sum ^ hash[half], 0) >>> 0
    expect(log.fingerprint({ from, to })).toMatchObject({
      count: within.length,
      hash: xor('a').toString(16) + xor('b').toString(16).padStart(8, '0'),
    })
  }
})

test('M12: a message is added although the archive has another one with its time and hash', () => {
  const wanted = message('wanted', 5)
  const { a, b } = messageHash(wanted)
  const inArchive = (...messages: Message[]): Archive & { reads: number } => ({
    at: Float64Array.from(messages, () => 5),
    hashA: Int32Array.from(messages, () => a),
    hashB: Int32Array.from(messages, () => b),
    reads: 0,
    read(index) {
      this.reads++
      return messages[index]
    },
    find: () => undefined,
  })
  const crafted = Array.from({ length: 100 }, (_, n) => message(`crafted ${n}`, 5, 'Mallory'))
  for (const count of [1, 2, 100]) {
    const archive = inArchive(...crafted.slice(0, count))
    const log = new MessageLog(archive)
    expect(log.add(wanted)).toBe(true)
    expect(log.add(wanted)).toBe(false)
    expect(idsOf(log.between({ from: 0 }))).toContain('wanted')
  }
  const log = new MessageLog(inArchive(...crafted, wanted))
  expect(log.add(wanted)).toBe(false)
})

test('M12: messages of one time and hash in the archive are read once, however many arrive', () => {
  const wanted = message('wanted', 5)
  const { a, b } = messageHash(wanted)
  const count = 1_000
  let reads = 0
  const log = new MessageLog({
    at: new Float64Array(count).fill(5),
    hashA: new Int32Array(count).fill(a),
    hashB: new Int32Array(count).fill(b),
    read: index => {
      reads++
      return message(`crafted ${index}`, 5, 'Mallory')
    },
    find: () => undefined,
  })
  for (let n = 0; n < 100; n++) expect(log.add(wanted)).toBe(n === 0)
  expect(reads).toBeLessThanOrEqual(count)
})

test('S4: a range includes its start and excludes its end', () => {
  const log = new MessageLog(archiveOf([message('1', 1), message('2', 2)]))
  log.add(message('3', 3))
  log.add(message('4', 4))
  expect(idsOf(log.between({ from: 2, to: 4 }))).toEqual(['2', '3'])
  expect(log.fingerprint({ from: 2, to: 4 })).toMatchObject({ from: 2, to: 4, count: 2 })
  expect(log.fingerprint({ from: 4 })).toMatchObject({ from: 4, count: 1 })
  expect(log.fingerprint({ from: 4 })).not.toHaveProperty('to')
})

test('S4: a fingerprint does not depend on which messages are archived, nor on their order of arrival', () => {
  const random = seeded(1)
  const messages = Array.from({ length: 500 }, (_, at) => message(`${at}`, Math.floor(random() * 300)))
  const logs = [0, 0.3, 1].map(share => {
    const log = new MessageLog(archiveOf(messages.filter((_, at) => at < share * messages.length)))
    for (const one of [...messages].sort(() => random() - 0.5)) log.add(one)
    return log
  })
  for (let n = 0; n < 50; n++) {
    const from = Math.floor(random() * 300)
    const to = from + Math.floor(random() * 100)
    const prints = logs.map(log => log.fingerprint({ from, to }))
    expect(prints[1]).toEqual(prints[0])
    expect(prints[2]).toEqual(prints[0])
    expect(prints[0]?.count).toBe(messages.filter(({ at }) => at >= from && at < to).length)
  }
})

test('S4, S5: the hash of a range has the documented value', () => {
  const log = new MessageLog(NO_ARCHIVE)
  expect(log.fingerprint({ from: 0 })).toEqual({ from: 0, count: 0, hash: '000000000' })
  log.add(messageOf({ id: 'run.1', from: 'Anna', at: 1 }))
  const { a, b } = messageHash({ id: 'run.1', from: 'Anna' })
  expect([a >>> 0, b >>> 0]).toEqual([fnv('Anna\nrun.1', 0x811c9dc5), fnv('Anna\nrun.1', 0x01000193)])
  const hash = (a >>> 0).toString(16) + (b >>> 0).toString(16).padStart(8, '0')
  expect(log.fingerprint({ from: 0 })).toEqual({ from: 0, count: 1, hash })
})

/** The hash of docs/PROTOCOL.md, rule S5, in arithmetic of big integers. */
function fnv(text: string, basis: number): number {
  const mask = 0xffff_ffffn
  let h = BigInt(basis)
  for (const unit of text) h = ((h ^ BigInt(unit.charCodeAt(0))) * 0x01000193n) & mask
  h = ((h ^ (h >> 16n)) * 0x85ebca6bn) & mask
  return Number(h ^ (h >> 13n))
}

test('a split covers the range without gaps in parts of about equal size', () => {
  const log = new MessageLog(archiveOf(Array.from({ length: 800 }, (_, at) => message(`${at}`, at))))
  const parts = log.split({ from: 100, to: 700 }, 8, true)
  expect(parts).toHaveLength(8)
  expect(parts[0]?.from).toBe(100)
  expect(parts.at(-1)?.to).toBe(700)
  parts.slice(1).forEach(({ from }, at) => {
    expect(from).toBe(parts[at]?.to)
  })
  expect(parts.map(({ count }) => count)).toEqual(Array(8).fill(75))
})

test('for a client of 0.1, a split keeps messages with one time together', () => {
  const log = new MessageLog(NO_ARCHIVE)
  for (let n = 0; n < 100; n++) log.add(message(`${n}`, 7))
  expect(log.split({ from: 0 }, 8, false).map(({ count }) => count)).toEqual([0, 100])
  expect(log.split({ from: 7 }, 8, false)).toEqual([log.fingerprint({ from: 7 })])
})

test('texts of the archive are read only for the requested range', () => {
  const archive = archiveOf(Array.from({ length: 1_000 }, (_, at) => message(`${at}`, at)))
  const log = new MessageLog(archive)
  log.fingerprint({ from: 0 })
  log.split({ from: 0 }, 8, false)
  expect(archive.reads).toBe(0)
  // A repeated message: its hash alone does not tell that it is the same.
  log.add(message('500', 500))
  expect(archive.reads).toBe(1)
  log.between({ from: 10, to: 20 })
  expect(archive.reads).toBe(11)
})

test('the newest time is that of the archive or of a message since', () => {
  expect(new MessageLog(NO_ARCHIVE).lastAt).toBe(0)
  const log = new MessageLog(archiveOf([message('1', 5)]))
  expect(log.lastAt).toBe(5)
  log.add(message('2', 4))
  expect(log.lastAt).toBe(5)
  log.add(message('3', 6))
  expect(log.lastAt).toBe(6)
})

test('with an archive, the texts of old messages of this run are read from it', () => {
  const stored: Message[] = []
  const finds: string[] = []
  const find: Archive['find'] = ref => {
    finds.push(ref.id)
    return stored.find(one => one.id === ref.id)
  }
  const log = new MessageLog({ ...archiveOf([]), find })
  for (let at = 0; at < 40_000; at++) {
    const one = message(`${at}`, at)
    if (at < 3) stored.push(one)
    log.add(one)
  }
  expect(idsOf(log.between({ from: 0, to: 3 }))).toEqual(['0', '1', '2'])
  expect(finds).toEqual(['0', '1', '2'])
  expect(idsOf(log.between({ from: 39_999 }))).toEqual(['39999'])
  expect(finds).toHaveLength(3)
})

test('M7, S4: 30,000 messages in random order, each repeated later, are added once each, in order', () => {
  const random = seeded(5)
  const all = Array.from({ length: 30_000 }, (_, n) => message(`${n}`, Math.floor(n / 3)))
  const shuffled = all.map(one => ({ one, rank: random() })).sort((a, b) => a.rank - b.rank)
  const log = new MessageLog(NO_ARCHIVE)
  shuffled.forEach(({ one }, n) => {
    expect(log.add(one)).toBe(true)
    expect(log.add(shuffled[Math.floor(random() * (n + 1))]?.one ?? one)).toBe(false)
  })
  for (const one of all) if (log.add(one)) throw new Error('a message is added twice')
  const inOrder = new MessageLog(NO_ARCHIVE)
  for (const one of all) inOrder.add(one)
  for (const [from, to] of [
    [0, undefined],
    [5_000, 5_001],
    [100, 9_900],
  ] as const)
    expect(log.fingerprint({ from, to })).toEqual(inOrder.fingerprint({ from, to }))
  expect(log.split({ from: 0 }, 8, true)).toEqual(inOrder.split({ from: 0 }, 8, true))
})

describe('without an archive', () => {
  test('the texts of the latest 20,000 messages are kept, and the places of all', () => {
    const log = new MessageLog(NO_ARCHIVE)
    for (let at = 0; at < 20_010; at++) log.add(message(`${at}`, at))
    expect(log.between({ from: 0 })).toHaveLength(20_000)
    expect(idsOf(log.between({ from: 0, to: 12 }))).toEqual(['10', '11'])
    expect(log.fingerprint({ from: 0 }).count).toBe(20_010)
    expect(log.add(message('3', 3))).toBe(false)
  })

  test('texts of at most 32 Mi units are kept', () => {
    const log = new MessageLog(NO_ARCHIVE)
    const text = 'x'.repeat(262_144)
    for (let at = 0; at < 130; at++) log.add({ ...message(`${at}`, at), text })
    expect(log.between({ from: 0 })).toHaveLength(128)
    expect(log.fingerprint({ from: 0 }).count).toBe(130)
  })
})

test('lowerBound finds the first index that is not before', () => {
  for (let first = 0; first <= 5; first++) expect(lowerBound(5, index => index < first)).toBe(first)
})

describe('a long run', () => {
  /** An archive that grows with `stored`, as the history on disk does. */
  const growing = (stored: Message[], reads: string[] = []): Archive => {
    const archive = archiveOf(stored.toSorted((a, b) => a.at - b.at))
    return {
      ...archive,
      read: index => {
        const found = archive.read(index)
        if (found !== undefined) reads.push(found.id)
        return found
      },
      refreshed: () => growing(stored, reads),
    }
  }

  test('M7: messages that are stored by now are taken from the archive, each once and in order', () => {
    const stored: Message[] = []
    const reads: string[] = []
    const log = new MessageLog(growing(stored, reads))
    const all = new MessageLog(NO_ARCHIVE)
    const added: Message[] = []
    for (let n = 0; n < 12_000; n++) {
      // Some arrive out of order, and every tenth cannot be stored.
      const next = message(`${n}`, n % 7 === 0 ? n - 100 : n)
      expect(log.add(next)).toBe(true)
      all.add(next)
      added.push(next)
      if (n % 10 !== 0) stored.push(next)
    }
    expect(log.size).toBe(12_000)
    expect(log.fingerprint({ from: 0 })).toEqual(all.fingerprint({ from: 0 }))
    expect(log.fingerprint({ from: 300, to: 11_800 })).toEqual(all.fingerprint({ from: 300, to: 11_800 }))
    expect(idsOf(log.between({ from: 900, to: 950 }))).toEqual(idsOf(all.between({ from: 900, to: 950 })))
    expect(reads.length).toBeGreaterThan(0)
    for (const one of added) expect(log.add(one)).toBe(false)
    // With another time, too.
    expect(log.add({ ...message('11990', 20_000) })).toBe(false)
    expect(log.add({ ...message('5001', 20_000) })).toBe(false)
  })
})
