/** A hostile server and hostile siblings against the client session, and everything that shows its events. */
import { expect, test } from 'vitest'
import { eventToJson } from '../../cli/modes/json/format.ts'
import { formatEvent } from '../../cli/modes/line/format.ts'
import { ConfusableNames } from '../../src/common/confusables.ts'
import { compareMessages } from '../../src/common/hybrid-clock.ts'
import { MAX_TIME_MS, MIN_TIME_MS } from '../../src/common/time.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import { sanitizedJson } from '../../src/protocol/text.ts'
import { SessionFuzzer } from '../support/attacks/session-fuzzer.ts'
import { Random } from '../support/random.ts'
import { ChatDriver } from '../unit/cli/chat/chat-driver.ts'

const PAYLOADS = Number(process.env.MESH_CHAT_FUZZ_PACKETS ?? 300)
const SEED = Number(process.env.MESH_CHAT_FUZZ_SEED ?? Date.now() % 1_000_000)

test.each([SEED, SEED + 1, 1])(
  `a session survives ${PAYLOADS} hostile payloads (seed %d)`,
  { timeout: 120_000 + PAYLOADS * 20 },
  seed => {
    const screen = new ChatDriver()
    const confusables = new ConfusableNames()
    const fuzzer = new SessionFuzzer(new Random(seed), event => {
      formatEvent(event, 'Anna', confusables)
      sanitizedJson(eventToJson(event, 'Anna', confusables) ?? null)
      screen.tell(event)
    })
    const checkLog = () => {
      const { messages } = fuzzer.session
      expect(messages).toEqual([...messages].sort(compareMessages))
      // Each room has a log of its own.
      const keys = messages.map(({ from, id, to }) => `${from}\n${id}\n${isRoom(to) ? to : ''}`)
      expect(new Set(keys).size).toBe(messages.length)
      for (const { at, from, to } of messages) {
        expect(at).toBeGreaterThanOrEqual(MIN_TIME_MS)
        expect(at).toBeLessThanOrEqual(MAX_TIME_MS)
        if (!isRoom(to)) expect([from, to]).toContain('Anna')
      }
    }
    for (let n = 0; n < PAYLOADS; n++) {
      fuzzer.play()
      if (n % 100 === 0) expect(screen.screen().length).toBeGreaterThan(0)
      if (n % 500 === 0) checkLog()
    }
    checkLog()
    for (const type of ['identified', 'im', 'relay', 'fate', 'key', 'roster', 'room', 'view', 'names'])
      expect(fuzzer.inputs.get(type), type).toBeGreaterThan(0)
    const id = fuzzer.recover()
    expect(fuzzer.session.messages.map(message => message.id)).toContain(id)
  },
)
