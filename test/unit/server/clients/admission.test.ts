/** Which connections may use a name. */
import { describe, expect, test } from 'vitest'
import { Replica } from '../../../../src/presence/replica.ts'
import { Admission } from '../../../../src/server/clients/admission.ts'
import type { Context } from '../../../../src/server/context.ts'
import { addConnection, advance, createContext } from '../../../support/harness/server-context.ts'

const KEY = 'k'.repeat(43)
const OTHER_KEY = 'o'.repeat(43)
const key = { kind: 'key', key: KEY } as const
const otherKey = { kind: 'key', key: OTHER_KEY } as const

/** A peer claims a name. */
function claimOnPeer(context: Context, name: string, claimKey: string, at: number): void {
  const replica = new Replica()
  replica.apply({ type: 'snapshot', incarnation: 'x', seq: 1, users: [[name, 1, claimKey, at]], more: false })
  context.directory.addReplica('server-2', replica)
}

test('open: any connection may use any name', () => {
  const admission = new Admission(createContext())
  expect(admission.check('Anna', undefined)).toBeUndefined()
  expect(admission.check('Anna', { kind: 'invalid', reason: 'expired' })).toBeUndefined()
})

test.each(['key', 'token'] as const)('%s: a missing, invalid or wrong credential is unauthorized', auth => {
  const admission = new Admission(createContext({}, { auth }))
  const wrong = auth === 'key' ? ({ kind: 'token', user: 'Anna', expires: 1 } as const) : key
  expect(admission.check('Anna', undefined)?.code).toBe('unauthorized')
  expect(admission.check('Anna', wrong)?.code).toBe('unauthorized')
  expect(admission.check('Anna', { kind: 'invalid', reason: 'bad signature' })).toEqual({
    code: 'unauthorized',
    message: 'bad signature',
  })
})

describe('token', () => {
  function tokens() {
    const context = createContext({}, { auth: 'token' })
    const admission = new Admission(context)
    const admit = (connection: number, lifetime: number) =>
      admission.admit(connection, 'Anna', { kind: 'token', user: 'Anna', expires: context.wall + lifetime })
    return { context, admission, admit }
  }

  test('a token is valid for its user only', () => {
    const { admission } = tokens()
    expect(admission.check('Anna', { kind: 'token', user: 'Anna', expires: 1 })).toBeUndefined()
    expect(admission.check('Billy', { kind: 'token', user: 'Anna', expires: 1 })?.code).toBe('unauthorized')
  })

  test('connections whose tokens expire are taken once, in one scan per second', () => {
    const { context, admission, admit } = tokens()
    admit(1, 100)
    admit(2, 200)
    admit(3, 5_000)
    expect(admission.deadline).toBe(context.now + 100)
    expect(admission.takeExpired()).toEqual([])
    advance(context, 100)
    expect(admission.takeExpired()).toEqual([1])
    expect(admission.deadline).toBe(context.now + 1_000)
    advance(context, 999)
    expect(admission.takeExpired()).toEqual([])
    advance(context, 1)
    expect(admission.takeExpired()).toEqual([2])
    expect(admission.deadline).toBe(6_000)
    advance(context, 5_000)
    expect(admission.takeExpired()).toEqual([3])
    expect(admission.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test('a released connection does not expire, and no deadline is left', () => {
    const { context, admission, admit } = tokens()
    admit(1, 100)
    admission.release(1)
    advance(context, 100)
    expect(admission.takeExpired()).toEqual([])
    expect(admission.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test('the expiry does not follow jumps of the wall clock', () => {
    const { context, admission, admit } = tokens()
    admit(1, 1_000)
    context.wall += 3_600_000
    expect(admission.takeExpired()).toEqual([])
    advance(context, 1_000)
    expect(admission.takeExpired()).toEqual([1])
  })
})

describe('key', () => {
  function keys() {
    const context = createContext({}, { auth: 'key' })
    const admission = new Admission(context)
    const connections = new Map()
    const join = (id: number, user: string, credential: typeof key | typeof otherKey) => {
      admission.admit(id, user, credential)
      const connection = addConnection(context, connections, id, user)
      admission.handlePresenceChange(user, undefined)
      return connection
    }
    const leave = (connection: ReturnType<typeof join>) => {
      const { user } = connection
      const claim = context.directory.ownClaim(user)
      context.directory.removeConnection(connection)
      admission.handlePresenceChange(user, claim)
    }
    return { context, admission, join, leave }
  }
  const HOURS_12 = 12 * 3_600_000

  test('A8: a name belongs to its key while it is online, and for 12 hours after', () => {
    const { context, admission, join, leave } = keys()
    const anna = join(1, 'Anna', key)
    expect(admission.check('Anna', key)).toBeUndefined()
    expect(admission.check('Anna', otherKey)?.code).toBe('name-taken')
    leave(anna)
    expect(admission.check('Anna', key)).toBeUndefined()
    advance(context, HOURS_12 - 1)
    expect(admission.check('Anna', otherKey)).toMatchObject({
      code: 'name-taken',
      message: 'Anna is held for a user who was online recently with another key; choose another name',
    })
    advance(context, 1)
    expect(admission.check('Anna', otherKey)).toBeUndefined()
  })

  test.each(['Аnna', 'anna', 'ANNA', 'Anna.', '  Anna '])('A9: %j is refused while Anna is held', name => {
    const { context, admission, join, leave } = keys()
    const anna = join(1, 'Anna', key)
    const refusal = { code: 'look-alike', message: expect.stringContaining('like Anna') }
    expect(admission.check(name, otherKey)).toMatchObject(refusal)
    leave(anna)
    expect(admission.check(name, otherKey)).toMatchObject(refusal)
    advance(context, HOURS_12 + 60_000)
    admission.forgetClaims()
    expect(admission.check(name, otherKey)).toBeUndefined()
    expect(context.rememberedClaims.size).toBe(0)
    expect(admission.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test('a user who returns continues the claim, which is not remembered any more', () => {
    const { context, join, leave } = keys()
    leave(join(1, 'Anna', key))
    const { at } = context.rememberedClaims.get('Anna', context.now) ?? { at: 0 }
    advance(context, 1_000)
    join(2, 'Anna', key)
    expect(context.directory.ownClaim('Anna')).toEqual({ key: KEY, at })
    expect(context.rememberedClaims.size).toBe(0)
  })

  test('a name is not held after its user has left if the limit claimMs is 0', () => {
    const context = createContext({ claimMs: 0 }, { auth: 'key' })
    const admission = new Admission(context)
    admission.handlePresenceChange('Anna', { key: KEY, at: 1 })
    expect(admission.check('Anna', otherKey)).toBeUndefined()
    expect(admission.check('Аnna', otherKey)).toBeUndefined()
  })

  test('a claim that a peer remembers takes the name from a younger one here, and not from an older one', () => {
    const { context, admission, join } = keys()
    join(1, 'Anna', otherKey)
    expect(admission.mergeClaims([['Anna', KEY, context.wall + 5, 1_000]])).toEqual([])
    expect(admission.mergeClaims([['Anna', OTHER_KEY, 1, 1_000]])).toEqual([])
    expect(admission.hasLostName('Anna')).toBe(false)
    expect(admission.mergeClaims([['Anna', KEY, context.wall - 5, 1_000]])).toEqual(['Anna'])
    expect(admission.hasLostName('Anna')).toBe(true)
    expect(admission.check('Anna', otherKey)?.code).toBe('name-taken')
    expect(admission.check('Anna', key)).toBeUndefined()
  })

  test('the younger claim of a name that an older one has taken is not remembered', () => {
    const { context, admission, join, leave } = keys()
    const connection = join(1, 'Anna', otherKey)
    admission.mergeClaims([['Anna', KEY, context.wall - 5, 60_000]])
    leave(connection)
    expect(context.rememberedClaims.get('Anna', context.now)).toMatchObject({ key: KEY })
  })

  test('the oldest claim of all servers owns a name', () => {
    const { context, admission } = keys()
    claimOnPeer(context, 'Anna', KEY, 5)
    expect(admission.oldestClaim('Anna')).toEqual({ key: KEY, at: 5 })
    expect(admission.check('Anna', otherKey)?.code).toBe('name-taken')
    context.directory.setClaim('Anna', { key: OTHER_KEY, at: 3 })
    expect(admission.oldestClaim('Anna')).toEqual({ key: OTHER_KEY, at: 3 })
    expect(admission.oldestClaim('Billy')).toBeUndefined()
  })

  test('a further connection inherits the time of the oldest claim', () => {
    const { context, admission } = keys()
    claimOnPeer(context, 'Anna', KEY, 5)
    admission.admit(1, 'Anna', key)
    expect(context.directory.ownClaim('Anna')).toEqual({ key: KEY, at: 5 })
  })

  test('a claim from the future is not inherited', () => {
    const { context, admission } = keys()
    claimOnPeer(context, 'Anna', KEY, context.wall + 3_600_000)
    admission.admit(1, 'Anna', key)
    expect(context.directory.ownClaim('Anna')).toEqual({ key: KEY, at: context.wall })
  })

  test('a name is lost to an older claim with another key only', () => {
    const { context, admission, join } = keys()
    join(1, 'Anna', key)
    expect(admission.hasLostName('Anna')).toBe(false)
    claimOnPeer(context, 'Anna', KEY, 5)
    expect(admission.hasLostName('Anna')).toBe(false)
    claimOnPeer(context, 'Anna', OTHER_KEY, 5)
    expect(admission.hasLostName('Anna')).toBe(true)
    expect(admission.hasLostName('Billy')).toBe(false)
  })
})
