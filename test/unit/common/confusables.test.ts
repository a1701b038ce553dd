/** Confusable names: refused where users have keys, marked where names are not proven. */
import { expect, test } from 'vitest'
import { Model } from '../../../cli/chat/model/model.ts'
import { update } from '../../../cli/chat/model/update.ts'
import { renderScreen } from '../../../cli/chat/views/render.ts'
import { ConfusableNames, skeletons } from '../../../src/common/confusables.ts'
import { SortedNames } from '../../../src/common/sorted-names.ts'
import { ServerHarness } from '../../support/harness/server-harness.ts'
import { seeded } from '../../support/random.ts'
import { keyNamed } from '../../support/simulation/plain-identity.ts'

/** Pairs of confusable names: Cyrillic А, and other letters that look like Latin ones. */
const ALIKE = [
  ['Anna', 'Аnna'],
  ['Anna', 'Αnna'],
  ['paypal', 'paypaI'],
  ['paypal', 'раураl'],
  ['modern', 'modem'],
  ['O', '0'],
  ['Billy', 'Bi11y'],
  ['ä', 'ӓ'],
  ['Anna', 'anna'],
  ['anna', 'ANNA'],
  ['Anna', 'Anna.'],
  ['Anna B', 'Anna  B'],
  ['Anna B', 'anna_b'],
  ['Billy', 'BILLY'],
  ['MODEM', 'modern'],
  ['Straße', 'STRASSE'],
  ['İstanbul', 'istanbul'],
  ['ДМИТРИЙ', 'дмитрий'],
  ['Ａnna', 'ANNA'],
  ['Νίκος', 'νίκος'],
] as const

test('confusable names are found, and no others', () => {
  const all = new ConfusableNames()
  for (const [name, alike] of ALIKE) {
    const names = new ConfusableNames()
    names.update([name, 'another user'], [])
    expect(names.find(alike), alike).toBe(name)
    expect(names.find(name)).toBeUndefined()
    names.update([alike], [])
    expect(names.find(name)).toBe(alike)
    names.update([], [name])
    expect(names.find(alike)).toBeUndefined()
    all.update([name, alike], [])
  }
  for (const name of ['Anne', 'Bill', 'Avva', '山田', 'é', '🙂', '...', 'user-1-1', '__proto__'])
    expect(all.find(name)).toBeUndefined()
})

test('names without letters are compared as they are', () => {
  const names = new ConfusableNames()
  names.update(['🙂', '...', '山田', 'user-11'], [])
  for (const name of ['🙃', '. .', '山 田', 'user-1-1']) expect(names.find(name), name).toBeUndefined()
})

test('the fast path for ASCII gives the skeleton of the general one', () => {
  for (let code = 32; code < 127; code++) {
    const character = String.fromCharCode(code)
    // A character of another script at the end selects the general path.
    const general = skeletons(`a${character}b山`)
    expect(general, character).toEqual([`${skeletons(`a${character}b`)[0]}山`])
  }
})

test('a kept name is compared while it is offline, too', () => {
  const names = new ConfusableNames()
  names.keep(['Anna'])
  expect(names.find('anna')).toBe('Anna')
  names.update(['Anna', 'Billy'], [])
  names.update([], ['Anna', 'Billy'])
  expect(names.find('anna')).toBe('Anna')
  expect(names.find('billy')).toBeUndefined()
})

test('joins and leaves in any order give the same result as comparing all names', () => {
  const random = seeded(5)
  const names = [...new Set(ALIKE.flat()), 'Carla']
  const online = new Set<string>()
  const confusables = new ConfusableNames()
  for (let step = 0; step < 600; step++) {
    const name = names[Math.floor(random() * names.length)] ?? ''
    if (random() < 0.5) {
      online.add(name)
      confusables.update([name], [])
    } else {
      online.delete(name)
      confusables.update([], [name])
    }
    const alone = new ConfusableNames()
    alone.update(online, [])
    for (const one of names) {
      const others = [...online].filter(other => other !== one && alone.find(one) !== undefined)
      expect(confusables.find(one) === undefined).toBe(others.length === 0 || alone.find(one) === undefined)
      expect(confusables.pairs().has(one)).toBe(online.has(one) && confusables.find(one) !== undefined)
    }
  }
})

test('with auth: key, a name that is confusable with one that is online is refused, on any server', () => {
  const harness = new ServerHarness({}, { auth: 'key', peers: [] })
  const join = (user: string) => {
    const connection = harness.connect()
    return { connection, answer: harness.identify(connection, user, 2, { kind: 'key', key: keyNamed(user) }) }
  }
  const { connection } = join('Anna')
  expect(join('Аnna').answer).toMatchObject({
    ok: false,
    code: 'look-alike',
    message: expect.stringContaining('like Anna'),
  })
  const link = harness.acceptLink('server-2', 'key')
  const incarnation = 'server-2#1'
  const users: [string, number, string, number][] = [['Billy', 1, keyNamed('Billy'), 1]]
  const snapshot = { type: 'snapshot' as const, incarnation, seq: 1, users, more: false }
  harness.step({ type: 'frame', link, frame: { event: 'presence', payload: snapshot } })
  expect(join('Bi11y').answer).toMatchObject({ ok: false, code: 'look-alike' })
  expect(join('Billy').answer).toMatchObject({ ok: true })
  harness.step({ type: 'disconnected', connection })
  expect(join('Аnna').answer).toMatchObject({ ok: false, code: 'look-alike' })
  harness.advance(13 * 3_600_000)
  expect(join('Аnna').answer).toMatchObject({ ok: true })
  expect(join('Anna').answer).toMatchObject({ ok: false, code: 'look-alike' })
})

test('the screen marks both names, and warns in the thread', () => {
  const model = new Model('Billy')
  model.columns = 100
  model.rows = 16
  const users = new SortedNames()
  users.reset(['Anna', 'Billy', 'Аnna'].sort())
  update(model, { type: 'connection', state: { phase: 'online', server: 's', url: 'http://s' } }, 0)
  update(model, { type: 'roster', users, joined: [...users], left: [] }, 0)
  const message = { id: 'm', at: 1_000, from: 'Аnna', to: 'Billy', text: 'it is me' }
  update(model, { type: 'message', message, origin: 'live' }, 1_000)
  model.openThread('Аnna')
  const shown = renderScreen(model, 2_000)
    .rows.map(row => row.map(({ text }) => text).join(''))
    .join('\n')
  expect(shown).toMatch(/Anna ≈/)
  expect(shown).toMatch(/Аnna ≈/)
  expect(shown).not.toMatch(/Billy.*≈/)
  expect(shown).toContain('Аnna looks like Anna, another user.')
})
