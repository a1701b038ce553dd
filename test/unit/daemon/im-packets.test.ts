/** The `im` packet is written without the general JSON functions; JSON says what it must be. */
import { expect, test } from 'vitest'
import { imPacket } from '../../../daemon/transport/packets/im-packets.ts'
import { seeded } from '../../support/random.ts'

const random = seeded(8)
const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T

const TEXTS = [
  '',
  'Anna',
  'Grüße',
  '🙂',
  '\ud83d',
  '\ude42',
  'a"b',
  'a\\b',
  'a\nb',
  '\u0000',
  '\u007f',
  '\u2028',
  '","text":"',
]
const TIMES = [0, -0, 1, 1.5, 5e-324, 1e-7, 1_760_000_000_000.25, 2 ** 53 - 1, 2 ** 53, 1e21]
const any = () => pick([...TEXTS, 'plain', 'two words', `${pick(TEXTS)}${pick(TEXTS)}`])

test('an im packet is the same text as JSON.stringify makes', () => {
  for (let n = 0; n < 5_000; n++) {
    const payload = { id: any(), from: any(), to: any(), text: any(), at: pick(TIMES), forwarded: random() < 0.5 }
    expect(imPacket(payload)).toBe(`2${JSON.stringify(['im', payload])}`)
  }
})
