/** A peer that holds the mesh's secret, and lies: it may speak for its own users, and for nobody else. */
import { expect, test } from 'vitest'
import type { DiallerFrame } from '../src/protocol/frames.ts'
import { Desk } from './support/desk.ts'

const INCARNATION = 'server-2#1'

/** A server with Billy and Carla, and a link that server-2 dialled, which holds Anna. */
function setUp() {
  const desk = new Desk({})
  const billy = desk.join('Billy')
  desk.join('Carla')
  const link = desk.accept('server-2')
  const send = (frame: DiallerFrame) => void desk.step({ type: 'frame', link, frame })
  let seq = 1
  let number = 0
  const users: [string, number][] = [['Anna', 1]]
  send({ event: 'presence', payload: { type: 'snapshot', incarnation: INCARNATION, seq, users, more: false } })
  return {
    desk,
    leaves: (user: string) => {
      const payload = {
        type: 'delta' as const,
        incarnation: INCARNATION,
        seq: ++seq,
        changes: [[user, 0]] as [string, number][],
      }
      send({ event: 'presence', payload })
    },
    /** Lets time pass on a link that lives. */
    pass: (ms: number) => {
      for (let passed = 0; passed < ms; passed += 1_000) {
        desk.pass(1_000)
        send({ event: 'beat', payload: { incarnation: INCARNATION, seq } })
      }
    },
    /** What becomes of a message that the peer forwards: who is told of it, and its fate. */
    forwards: (from: string) => {
      desk.effects.length = 0
      send({ event: 'forward', payload: [[++number, `forged-${number}`, desk.now, from, 'Billy', 'hi']] })
      const told = desk.effects.flatMap(one => (one.type === 'emit' && one.message.event === 'im' ? [...one.to] : []))
      desk.step({ type: 'got', connection: billy, count: 100 })
      const fates = desk.effects.flatMap(one =>
        one.type === 'send' && one.frame.event === 'fates' ? one.frame.payload : [],
      )
      return { told, fates: fates.map(([, delivered, unconfirmed]) => ({ delivered, unconfirmed })) }
    },
    relays: (user: string, from = 'server-2:1') => {
      desk.effects.length = 0
      send({ event: 'relay', payload: { user, from, body: '"read everything"' } })
      return desk.effects.some(one => one.type === 'emit' && one.message.event === 'relay')
    },
    logged: () => desk.effects.flatMap(one => (one.type === 'log' ? [one.note.event] : [])),
    billy,
  }
}

test('a message from its own user arrives; one from a user of another, or of nobody, does not, and is logged', () => {
  const { forwards, logged, pass, billy } = setUp()
  expect(forwards('Anna')).toEqual({ told: [billy], fates: [{ delivered: 1, unconfirmed: false }] })
  for (const victim of ['Carla', 'Nobody', '__proto__']) {
    expect(forwards(victim)).toEqual({ told: [], fates: [{ delivered: 0, unconfirmed: true }] })
  }
  pass(1_000)
  expect(logged().filter(event => event === 'foreign-sender')).toHaveLength(1)
  expect(forwards('Anna').told).toEqual([billy])
})

test('what a user said before leaving may come after they have left, for a while', () => {
  const { forwards, leaves, pass, billy } = setUp()
  leaves('Anna')
  expect(forwards('Anna').told).toEqual([billy])
  pass(9_000)
  expect(forwards('Anna').told).toEqual([billy])
  pass(2_000)
  expect(forwards('Anna').told).toEqual([])
})

test('who comes, speaks and goes before the peer tells of it, is heard', () => {
  const { forwards, leaves, billy } = setUp()
  leaves('Dora')
  expect(forwards('Dora').told).toEqual([billy])
})

test("it does not speak to clients in the name of one of them that is not its own user's", () => {
  const { desk, relays } = setUp()
  desk.join('Anna')
  expect(relays('Carla')).toBe(false)
  expect(relays('Anna')).toBe(true)
  for (const from of ['server-1:1', 'server-3:1', 'server-2', '']) expect(relays('Anna', from)).toBe(false)
})
