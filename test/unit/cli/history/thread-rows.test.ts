/** The rows of an index by thread. */
import { expect, test } from 'vitest'
import { EMPTY_COLUMNS, type IndexColumns } from '../../../../cli/history/index-columns.ts'
import { ThreadRows } from '../../../../cli/history/thread-rows.ts'
import { seeded } from '../../../support/random.ts'

/** The numbers above 3 are of rooms. */
const isRoom = (peer: number) => peer > 3

function columnsOf(peers: readonly number[]): IndexColumns {
  return { ...EMPTY_COLUMNS, peer: Int32Array.from(peers) }
}

function rowsWhere(peers: readonly number[], has: (peer: number) => boolean): number[] {
  return peers.flatMap((peer, row) => (has(peer) ? row : []))
}

test('each thread has its rows, after any changes and also unpacked, and lists that were given do not change', () => {
  const random = seeded(3)
  let rows = new ThreadRows(isRoom)
  const given: { view: Uint32Array; content: number[] }[] = []
  let peers: number[] = []
  for (let step = 0; step < 300; step++) {
    // Most changes are at the end.
    const isFromStart = random() < 0.05
    const kept = isFromStart ? 0 : Math.max(0, peers.length - Math.floor(random() ** 3 * 20))
    const added = Array.from({ length: Math.floor(random() * 8) }, () => Math.floor(random() * 6))
    peers = random() < 0.02 ? [] : [...peers.slice(0, kept), ...added, ...(random() < 0.5 ? peers.slice(kept) : [])]
    rows.update(columnsOf(peers), Math.min(kept, peers.length))
    if (random() < 0.1) {
      const packed = rows.pack()
      rows = new ThreadRows(isRoom)
      rows.unpack(columnsOf(peers), packed)
    }
    for (let peer = 0; peer < 7; peer++) {
      const content = rowsWhere(peers, one => one === peer)
      expect([...rows.of(peer)]).toEqual(content)
      given.push({ view: rows.of(peer), content })
    }
    if (random() < 0.5) continue
    expect([...rows.ofUsers]).toEqual(rowsWhere(peers, peer => !isRoom(peer)))
    given.push({ view: rows.ofUsers, content: [...rows.ofUsers] })
  }
  for (const { view, content } of given) expect([...view]).toEqual(content)
})
