/** When the lists of the servers that peers know are requested and sent. */
import { expect, test } from 'vitest'
import type { ServerAddress } from '../../../../src/protocol/messages.ts'
import { RecordedPeers } from '../../../support/harness/recorded-peers.ts'

const address = (id: string) => ({ id, url: `http://${id}:1` })

/** A server with peers that dial in; `pass` lets a second pass, in which each sends a heartbeat with its digest. */
class Lists {
  readonly mesh = new RecordedPeers()
  readonly #links = new Map<string, number>()
  readonly digests = new Map<string, string>()

  add(id: string, digest: string): void {
    this.#links.set(id, this.mesh.acceptLink(id))
    this.digests.set(id, digest)
  }

  beat(id: string): void {
    const members = this.digests.get(id) ?? ''
    this.mesh.frame(this.#link(id), { event: 'beat', payload: { incarnation: `${id}#1`, seq: 0, at: 1, members } })
  }

  list(id: string, ...members: ServerAddress[]): void {
    this.mesh.frame(this.#link(id), { event: 'members', payload: members })
  }

  /** Returns the peers whose lists were requested in each of these seconds. */
  pass(seconds: number): string[][] {
    return Array.from({ length: seconds }, () => {
      for (const id of this.digests.keys()) this.beat(id)
      this.mesh.advance(1_000)
      return this.takeRequested()
    })
  }

  takeRequested(): string[] {
    const links = this.mesh
      .takeEffects()
      .flatMap(one => (one.type === 'send' && one.frame.event === 'request-members' ? [one.link] : []))
    return [...this.#links].flatMap(([id, link]) => (links.includes(link) ? [id] : []))
  }

  #link(id: string): number {
    const link = this.#links.get(id)
    if (link === undefined) throw new Error(`no link from ${id}`)
    return link
  }
}

/** A server that has read a list: the next ones are not urgent. */
function setUp(): Lists {
  const lists = new Lists()
  lists.add('two', 'first')
  lists.beat('two')
  lists.list('two', address('two'))
  lists.mesh.advance(20_000)
  lists.beat('two')
  lists.mesh.takeEffects()
  return lists
}

test('a server that has read no list requests the first one that differs at once', () => {
  const lists = new Lists()
  lists.add('two', 'x')
  lists.add('three', 'x')
  lists.beat('two')
  lists.beat('three')
  expect(lists.takeRequested()).toEqual(['two'])
})

test('a list with the digest of the own one is not requested', () => {
  const lists = setUp()
  const link = lists.mesh.dialLink('five')
  const sent = lists.mesh.takeSent(link)
  const own = sent.flatMap(([event, payload]) => (event === 'beat' ? [(payload as { members: string }).members] : []))
  lists.add('three', own[0] ?? 'missing')
  expect(lists.pass(3).flat()).toEqual([])
})

test('a list that differs is requested when its digest has settled, once', () => {
  const lists = setUp()
  lists.add('three', 'x')
  expect(lists.pass(3)).toEqual([[], ['three'], []])
  lists.list('three', address('three'))
  expect(lists.pass(100).flat()).toEqual([])
  lists.digests.set('three', 'y')
  expect(lists.pass(3)).toEqual([[], ['three'], []])
})

test('a list that changes all the time is requested after 5 s', () => {
  const lists = setUp()
  lists.add('three', 'x')
  const requested = Array.from({ length: 6 }, (_, n) => {
    lists.digests.set('three', `x${n}`)
    return lists.pass(1).flat()
  })
  expect(requested).toEqual([[], [], [], [], ['three'], []])
})

test('lists are requested one after the other, also if some peers do not answer', () => {
  const lists = setUp()
  for (const id of ['a', 'b', 'c', 'd']) lists.add(id, `of ${id}`)
  const requested = lists.pass(60)
  expect(Math.max(...requested.map(({ length }) => length))).toBe(1)
  expect(requested.flat().slice(0, 4)).toEqual(['a', 'b', 'c', 'd'])
  // The time between requests that bring no unknown server doubles, up to 16 s.
  expect(requested.flat().length).toBeLessThan(9)
})

test('a list with an unknown server makes the next request due after a second', () => {
  const lists = setUp()
  for (const id of ['a', 'b', 'c', 'd', 'e']) lists.add(id, `of ${id}`)
  const requested = Array.from({ length: 8 }, (_, second) => {
    const ids = lists.pass(1).flat()
    for (const id of ids) lists.list(id, address(id), address(`new-${second}`))
    return ids
  })
  expect(requested.flat()).toEqual(['a', 'b', 'c', 'd', 'e'])
})

test('a list that still differs is read again after two minutes', () => {
  const lists = setUp()
  lists.add('three', 'x')
  lists.pass(3)
  lists.list('three', address('three'))
  expect(lists.pass(119).flat()).toEqual([])
  expect(lists.pass(3).flat()).toEqual(['three'])
})

test('a requested list is sent at most once in 5 s', () => {
  const mesh = new RecordedPeers()
  const link = mesh.dialLink('two')
  mesh.takeEffects()
  const request = () => mesh.frame(link, { event: 'request-members', payload: null })
  const lists = () => mesh.takeSent(link).filter(([event]) => event === 'members')
  request()
  request()
  expect(lists()).toEqual([['members', [{ id: 'server-1', url: 'http://127.0.0.1:1' }, address('two')]]])
  mesh.context.now += 4_999
  request()
  expect(lists()).toEqual([])
  mesh.context.now += 1
  request()
  expect(lists()).toHaveLength(1)
})

test('a new link starts with an empty list, and with the whole one to a server of 0.2', () => {
  const mesh = new RecordedPeers()
  const lists = (link: number) => mesh.takeSent(link).filter(([event]) => event === 'members')
  const old = mesh.dialLink('two')
  expect(lists(old)).toEqual([['members', [{ id: 'server-1', url: 'http://127.0.0.1:1' }, address('two')]]])
  expect(lists(mesh.dialLink('three', { seq: 0 }, { compact: true }))).toEqual([['members', []]])
})
