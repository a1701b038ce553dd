/** Each limit in docs/OPERATING.md has the default of the code, the rule of the protocol, and a test that hits it. */
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DEFAULT_LIMITS, type Limits } from '../../../src/protocol/limits.ts'

const DIRECTORY = new URL('../../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, DIRECTORY), 'utf8')

/** Where each limit is hit, and words that its row of the table must have. */
const TESTS: Record<keyof Limits, { files: readonly string[]; row: readonly string[] }> = {
  messagesPerSecond: { files: ['unit/server/limits', 'attacks/limits/overload'], row: ['rate-limited'] },
  burst: { files: ['unit/server/limits'], row: ['at once'] },
  textBytes: { files: ['unit/server/limits'], row: ['rejected'] },
  bufferedBytes: { files: ['attacks/limits/overload'], row: ['unread answers of long polling', 'closed'] },
  unconfirmedMessages: { files: ['unit/server/limits'], row: ['closed'] },
  connections: {
    files: ['unit/server/limits', 'attacks/limits/connection-counts'],
    row: ['Twice as many TCP', 'sessions'],
  },
  connectionsPerUser: { files: ['unit/server/limits', 'attacks/limits/connection-counts'], row: ['rejected'] },
  connectionsPerAddress: {
    files: ['unit/server/limits', 'attacks/limits/connection-counts'],
    row: ['sessions', 'Loopback'],
  },
  heldBytes: {
    files: ['attacks/limits/budgets', 'attacks/limits/http-requests'],
    row: ['unread answers of long polling'],
  },
  unreadBytes: { files: ['attacks/limits/unread-clients'], row: ['identified', 'the connection with the most'] },
  handshakes: { files: ['attacks/peers/handshake-floods', 'unit/daemon/pending-handshakes'], row: ['a random one'] },
  heldPerPeer: { files: ['unit/server/limits'], row: ['stay with their senders'] },
  linkBufferedBytes: { files: ['attacks/limits/overload'], row: ['the link is closed'] },
  peers: { files: ['unit/server/limits', 'attacks/peers/rogue-peer'], row: ['learned'] },
  usersPerPeer: { files: ['unit/server/limits', 'attacks/peers/hostile-frames'], row: ['is closed'] },
  wholeRoster: { files: ['unit/server/clients/roster-views'], row: ['view'] },
  identifyMs: { files: ['unit/server/limits', 'attacks/limits/budgets'], row: ['TCP connection'] },
  claimMs: { files: ['unit/presence/claim-memory'], row: ['0: not at all'] },
  roomsPerUser: { files: ['unit/server/limits', 'attacks/limits/rooms'], row: ['too-many-rooms'] },
  membersPerRoom: { files: ['unit/server/limits', 'attacks/limits/rooms'], row: ['room-full', 'mesh'] },
  roomMessagesPerSecond: { files: ['unit/server/limits', 'attacks/limits/rooms'], row: ['slow-mode', 'five times'] },
  membershipsPerPeer: { files: ['unit/server/limits', 'attacks/limits/rooms'], row: ['is closed'] },
  rememberedClaims: { files: ['unit/presence/claim-memory'], row: ['oldest'] },
}

const rows = new Map(
  [...read('docs/OPERATING.md').matchAll(/^\| `(\w+)` +\| (\d+) +\| (.*) \|$/gm)].map(
    ([, name = '', value, meaning = '']) => [name, { value: Number(value), meaning }],
  ),
)

test.each(Object.entries(TESTS))('%s', (name, { files, row }) => {
  const found = rows.get(name)
  expect(found?.value).toBe(DEFAULT_LIMITS[name as keyof Limits])
  for (const words of row) expect(found?.meaning).toContain(words)
  for (const file of files) {
    const path = `test/${file}.test.ts`
    expect([path, existsSync(new URL(path, DIRECTORY))]).toEqual([path, true])
    // Claims are counted by the memory of them, which gets the limit as a number.
    if (!file.endsWith('claim-memory') && !file.endsWith('pending-handshakes')) expect(read(path), path).toContain(name)
  }
})
