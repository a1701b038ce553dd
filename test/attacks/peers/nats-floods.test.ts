/** A neighbour on a real NATS floods the handshake subjects while an honest server joins and users chat. */
import { afterEach, describe, expect, test } from 'vitest'
import { newParty } from '../../../daemon/links/handshake.ts'
import { LEGACY_SUBJECTS, SUBJECTS } from '../../../daemon/links/nats/envelopes/envelopes.ts'
import { type FloodMessage, NatsFlood } from '../../support/attacks/nats-flood.ts'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { freePorts, Program, stopAll, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

const SECRET = { MESH_CHAT_SECRET: 'a secret of sixteen or more' }
/** Requests per second that kept a peer out before requests had a budget. */
const REQUESTS_PER_SECOND = 39_000
/** Broadcasts reach all servers, which share the machine of the tests. */
const BROADCASTS_PER_SECOND = 9_000
const LEGACY_INBOX = '_INBOX.AbCdEfGhIjKlMnOpQrStUv'
const INBOX = `${SUBJECTS.inbox('stranger')}.AbCdEfGhIjKlMnOpQrStUv`
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
  stopAll()
})

/** What a server answers to one kind of request at most: at once, and per second. */
interface Budget {
  burst: number
  perSecond: number
}

const dialler = newParty({ id: 'stranger', incarnation: 'x', protocol: 2 })
const request = JSON.stringify({ dialler })
const floods: [name: string, perSecond: number, messages: (id: string) => FloodMessage[], answered: Budget][] = [
  [
    'requests of version 0.1',
    REQUESTS_PER_SECOND,
    id => [{ subject: LEGACY_SUBJECTS.handshake(id), reply: `${LEGACY_INBOX}.x`, payload: request }],
    { burst: 80, perSecond: 20 },
  ],
  [
    'proofs of version 0.1 for guessed challenges',
    REQUESTS_PER_SECOND,
    id => [
      {
        subject: LEGACY_SUBJECTS.handshake(id),
        reply: `${LEGACY_INBOX}.x`,
        payload: JSON.stringify({ link: 'guessed'.padEnd(22, 'x'), proof: 'x' }),
      },
    ],
    { burst: 0, perSecond: 0 },
  ],
  [
    'requests that are not signed',
    REQUESTS_PER_SECOND,
    id => [
      {
        subject: SUBJECTS.handshake(id, 'stranger'),
        reply: `${INBOX}.x`,
        payload: request,
      },
    ],
    { burst: 200, perSecond: 50 },
  ],
  [
    'broadcasts and frames that are not signed',
    BROADCASTS_PER_SECOND,
    id => [
      { subject: SUBJECTS.broadcast('stranger'), payload: request },
      { subject: SUBJECTS.link(id, 'stranger'), payload: request },
      { subject: LEGACY_SUBJECTS.broadcast, payload: request },
    ],
    { burst: 0, perSecond: 0 },
  ],
]

describe.skipIf(natsMissingReason !== undefined)('a flood over NATS', () => {
  test.each(floods)(
    'of %s keeps no server out, and users chat',
    { timeout: 180_000 },
    async (_, perSecond, messages, answered) => {
      const nats = await NatsServer.start()
      cleanups.push(() => nats.kill())
      const ports = await freePorts(3)
      const start = (n: number) => {
        const args = [
          '--id',
          `server-${n}`,
          '--port',
          `${ports[n - 1]}`,
          '--backbone',
          nats.url,
          '--log-format',
          'text',
        ]
        return new Program('daemon', args, SECRET)
      }
      const join = (user: string, n: number) => {
        const client = new RealClient(user, [`http://127.0.0.1:${ports[n - 1]}`])
        cleanups.push(() => client.close())
        return client
      }
      const programs = [start(1), start(2)]
      const areLinked = (count: number) =>
        programs.every(program => program.count('Outbound connection to peer') >= count - 1)
      await until('the first two servers are linked', () => areLinked(2))
      const clients = [join('Anna', 1), join('Billy', 2)]

      const flood = new NatsFlood(nats.port, messages('server-1'), perSecond, [`${LEGACY_INBOX}.>`, `${INBOX}.>`])
      cleanups.push(() => flood.stop())
      await until('the flood has begun', () => flood.sent > perSecond)
      programs.push(start(3))
      await until('the third server has joined', () => areLinked(3), 90_000)
      clients.push(join('Carla', 3))
      const [anna, billy, carla] = clients
      const users = 'Anna,Billy,Carla'
      await until('all see each other', () => clients.every(({ roster }) => roster.join() === users), 60_000)
      for (let n = 0; n < 10; n++) {
        anna?.send('Carla', `a ${n}`)
        carla?.send('Billy', `c ${n}`)
        billy?.send('Anna', `b ${n}`)
      }
      await until(
        'all messages are confirmed',
        () => clients.every(({ held, shown }) => held.length === 0 && shown.length === 20),
        60_000,
      )
      await until('the flood was long', () => flood.sent > 5 * perSecond)
      expect(flood.isConnected).toBe(true)
      expect(flood.responses).toBeLessThanOrEqual(answered.burst + answered.perSecond * (flood.seconds + 1))
    },
  )
})
