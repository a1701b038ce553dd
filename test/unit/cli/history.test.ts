/** What earlier runs said: on disk, in the model, on the screen. */
import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { loadPage, searchThread } from '../../../cli/chat/history-pages.ts'
import { handleKey } from '../../../cli/chat/model/handle-key.ts'
import { Model } from '../../../cli/chat/model/model.ts'
import { update } from '../../../cli/chat/model/update.ts'
import { renderScreen } from '../../../cli/chat/views/render.ts'
import { rowText } from '../../../cli/chat/views/row.ts'
import { History } from '../../../cli/history/history.ts'
import {
  EMPTY_COLUMNS,
  type IndexColumns,
  type IndexEntry,
  indexOfEntry,
  mergeEntries,
} from '../../../cli/history/index-columns.ts'
import { KeyDecoder } from '../../../cli/terminal/key-decoder.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'
import { Tmux } from '../../support/programs/tmux.ts'
import { Random } from '../../support/random.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const before = process.env.XDG_STATE_HOME
let state = ''

beforeEach(() => {
  state = temporaryFolder()
  process.env.XDG_STATE_HOME = state
})

afterAll(() => {
  if (before === undefined) delete process.env.XDG_STATE_HOME
  else process.env.XDG_STATE_HOME = before
  stopAll()
})

const file = (name = 'Anna.jsonl') => join(state, 'mesh-chat', name)

function message(n: number, more: Partial<Message> = {}): Message {
  return { id: `id-${n}`, at: DAY + n * 1_000, from: 'Billy', to: 'Anna', text: `message ${n}`, ...more }
}

/** Writes so many messages, as programs before have. */
function write(count: number, more: (n: number) => Partial<Message> = () => ({})): void {
  mkdirSync(join(state, 'mesh-chat'), { recursive: true })
  const lines = Array.from({ length: count }, (_, n) => JSON.stringify({ message: message(n, more(n)) }))
  writeFileSync(file(), `${lines.join('\n')}\n`)
}

const texts = (messages: Iterable<Message>) => [...messages].map(({ text }) => text)

test('columns hold each entry once, in the order of time, as a plain model does', () => {
  const random = new Random(7)
  let columns: IndexColumns = EMPTY_COLUMNS
  const model = new Map<string, IndexEntry>()
  for (let round = 0; round < 300; round++) {
    const added = Array.from({ length: random.below(6) }, (): IndexEntry => {
      const [at, a, b] = [random.below(40), random.below(3), random.below(3)]
      return { at, a, b, peer: a, offset: at * 100 + a * 10 + b, length: at }
    })
    // Twins are one entry, whichever of them: here they are alike but for nothing.
    for (const entry of added) model.set(`${entry.at} ${entry.a} ${entry.b}`, entry)
    columns = mergeEntries(columns, added)
    expect([...columns.at]).toEqual([...model.values()].map(({ at }) => at).sort((one, other) => one - other))
    for (const entry of model.values()) expect(columns.offset[indexOfEntry(columns, entry)]).toBe(entry.offset)
    expect(indexOfEntry(columns, { at: random.below(40), a: 5, b: 5 })).toBe(-1)
  }
})

describe('the history on disk', () => {
  test('is in order, each message once, whatever the order and number of its lines', () => {
    const history = new History('Anna')
    for (const n of [3, 1, 2, 3, 1, 5, 4, 5]) history.store(message(n))
    history.store(message(6, { from: 'Anna', to: 'Carla' }))
    const again = new History('Anna')
    expect(texts(again.all())).toEqual([1, 2, 3, 4, 5, 6].map(n => `message ${n}`))
    expect(texts(again.all('Billy'))).toHaveLength(5)
    expect(again.threads()).toEqual([
      { name: 'Carla', lastAt: DAY + 6_000 },
      { name: 'Billy', lastAt: DAY + 5_000 },
    ])
  })

  test('a line torn by a crash is passed over, and not glued to the next', () => {
    new History('Anna').store(message(1))
    appendFileSync(file(), '{"message":{"id":"id-2","at":17')
    const history = new History('Anna')
    history.store(message(3))
    expect(texts(new History('Anna').all())).toEqual(['message 1', 'message 3'])
    expect(history.page('Billy', 10).map(({ id }) => id)).toEqual(['id-1', 'id-3'])
  })

  test('several programs write at once, and each sees all', async () => {
    const seen = new History('Anna')
    const script = `
      const { History } = await import(process.argv[1])
      const history = new History('Anna')
      for (let n = 0; n < 500; n++) history.store({ id: process.argv[2] + n, at: n, from: 'Billy', to: 'Anna', text: 'x'.repeat(n) })`
    const program = join(process.cwd(), 'dist/cli/history/history.js')
    const ended = ['a', 'b', 'c'].map(name => {
      const writer = spawn(process.execPath, ['--input-type=module', '-e', script, program, name], { env: process.env })
      return new Promise(resolve => writer.on('exit', resolve))
    })
    expect(await Promise.all(ended)).toEqual([0, 0, 0])
    seen.refresh()
    expect([...seen.all()]).toHaveLength(1_500)
  })

  test('an index makes the start quick; without it, or with a broken one, all is the same', () => {
    write(20_000)
    new History('Anna').close()
    expect(statSync(file('Anna.index')).size).toBeGreaterThan(20_000 * 32)
    const page = texts(new History('Anna').page('Billy', 3))
    expect(page).toEqual(['message 19997', 'message 19998', 'message 19999'])
    for (const broken of [Buffer.from('nonsense'), readFileSync(file('Anna.index')).subarray(0, 999)]) {
      writeFileSync(file('Anna.index'), broken)
      expect(texts(new History('Anna').page('Billy', 3))).toEqual(page)
    }
    // What the index covers is not read again: a line that has changed there is still counted.
    const bytes = readFileSync(file())
    bytes.fill('#', 0, 50)
    writeFileSync(file(), bytes)
    expect(new History('Anna').archive.at).toHaveLength(20_000)
    rmSync(file('Anna.index'))
    expect(new History('Anna').archive.at).toHaveLength(19_999)
  })

  test('pages go back and forth without a gap, also among messages of one time', () => {
    write(1_000, n => ({ at: DAY + Math.floor(n / 7), id: `id-${`${n}`.padStart(4, '0')}` }))
    const history = new History('Anna')
    const all = texts(history.all())
    const back: string[] = []
    for (
      let page = history.page('Billy', 70);
      page.length > 0;
      page = history.page('Billy', 70, { before: page[0] ?? message(0) })
    ) {
      back.unshift(...texts(page))
    }
    expect(back).toEqual(all)
    const forth: string[] = []
    for (
      let page = history.page('Billy', 70, { after: { at: -1, id: '' } });
      page.length > 0;
      page = history.page('Billy', 70, { after: page.at(-1) ?? message(0) })
    ) {
      forth.push(...texts(page))
    }
    expect(forth).toEqual(all)
  })

  test('search finds from the end back, whatever the case, in its thread only', () => {
    write(5_000, n =>
      n % 1_000 === 7 ? { text: `A "Needle"\nin ${n}` } : n === 4_500 ? { from: 'Carla', text: 'needle' } : {},
    )
    const history = new History('Anna')
    const find = (from?: Message) =>
      [...history.search('Billy', '"needle"\nin', from)].find(found => found !== undefined)
    let found = find()
    const order: string[] = []
    while (found !== undefined) {
      order.push(found.id)
      found = find(found)
    }
    expect(order).toEqual(['id-4007', 'id-3007', 'id-2007', 'id-1007', 'id-7'])
  })

  test('what a dead program held is taken over by one, what a living one holds by none', () => {
    const mine = new History('Anna')
    mine.hold(message(1, { from: 'Anna', to: 'Billy' }))
    const script = `
      const { History } = await import(process.argv[1])
      const history = new History('Anna')
      if (history.held.length > 0) throw new Error('it took what a living program holds')
      for (const id of ['two', 'three']) history.hold({ id, at: 1, from: 'Anna', to: 'Billy', text: id })
      history.release('three')
      process.kill(process.pid, 'SIGKILL')`
    const program = join(process.cwd(), 'dist/cli/history/history.js')
    const run = (text: string) =>
      execFileSync(process.execPath, ['--input-type=module', '-e', text, program], { encoding: 'utf8', stdio: 'pipe' })
    expect(() => run(script)).toThrow(/SIGKILL|Command failed/)
    const heir = `
      const { History } = await import(process.argv[1])
      console.log(new History('Anna').held.map(message => message.id).join())
      process.kill(process.pid, 'SIGKILL')`
    try {
      run(heir)
    } catch (error) {
      expect((error as { stdout: string }).stdout.trim()).toBe('two')
    }
    expect(readdirSync(join(state, 'mesh-chat')).filter(name => name.includes('outbox'))).toHaveLength(2)
    expect(mine.held.map(({ id }) => id)).toEqual(['id-1'])
    mine.release('id-1')
    expect(readdirSync(join(state, 'mesh-chat')).filter(name => name.includes('outbox'))).toHaveLength(1)
  })

  test('mesh-chat history prints it', () => {
    write(3)
    const print = (...more: string[]) =>
      execFileSync(process.execPath, ['dist/cli/main.js', 'history', '--user', 'Anna', ...more], { encoding: 'utf8' })
    expect(print().trim().split('\n')).toHaveLength(3)
    expect(print('--with', 'Billy')).toMatch(/2026-11-24 \d\d:\d\d Billy → Anna: message 0\n/)
    expect(print('--with', 'Carla')).toBe('')
    expect(JSON.parse(print('--json').split('\n')[1] ?? '')).toEqual(message(1))
  })
})

describe('a thread with a long history', () => {
  function opened(count: number, more: (n: number) => Partial<Message> = () => ({})) {
    write(count, more)
    const history = new History('Anna')
    const model = new Model('Anna')
    Object.assign(model, { columns: 50, rows: 10 })
    model.hasHistory = true
    for (const { name, lastAt } of history.threads()) model.ensureThread(name).markStored(lastAt)
    model.openThread('Billy')
    const perform = (requests: ReturnType<typeof handleKey>) => {
      for (const request of requests) {
        if (request.type === 'page') loadPage(model, history, request.part)
        if (request.type === 'search' && model.current !== undefined) {
          for (const _ of searchThread(model, model.current, history, request.text, request.older));
        }
      }
    }
    const type = (text: string) => {
      for (const key of new KeyDecoder().feed(text)) perform(handleKey(model, key))
    }
    perform([{ type: 'page', part: 'latest' }])
    const say = (text: string) => {
      const composed = message(5_001, { id: text, from: 'Anna', to: 'Billy', text })
      history.store(composed)
      perform(update(model, { type: 'message', message: composed, origin: 'composed' }, DAY))
    }
    const screen = () => renderScreen(model, DAY).rows.map(rowText).join('\n')
    return { model, type, say, screen }
  }

  test('shows its end, pages back to its beginning and forth again, and keeps little in memory', () => {
    const { model, type, say, screen } = opened(5_000)
    expect(screen()).toContain('message 4999')
    const seen = new Set<string>()
    for (let n = 0; n < 1_500; n++) {
      for (const [text] of screen().matchAll(/message \d+/g)) seen.add(text)
      type('\u001b[5~')
    }
    expect(seen.size).toBe(5_000)
    expect(screen()).toContain('message 0\n')
    expect(model.current?.entries.length).toBeLessThanOrEqual(2_000)
    for (let n = 0; n < 1_500; n++) type('\u001b[6~')
    expect(screen()).toMatch(/message 4999\n(?!↓)/)
    type('\u001b[1;3H')
    expect(screen()).toContain('message 0\n')
    type('\u001b[1;3F')
    expect(screen()).toContain('message 4999\n')
    type('\u001b[1;3H')
    say('written from long ago')
    expect(screen()).toMatch(/message 4999\n.*written from long ago/)
    type('/close\r/query Billy\r')
    expect(screen()).toContain('written from long ago')
  })

  test('^S finds while one types, again further back, and marks what it found', () => {
    const { model, type, screen } = opened(5_000, n => (n % 2_000 === 3 ? { text: `the Needle of ${n}` } : {}))
    type('\u0013nee')
    expect(screen()).toContain('the Needle of 4003')
    const marked = renderScreen(model, DAY)
      .rows.flat()
      .filter(segment => segment.inverse && segment.text === 'Nee')
    expect(marked).toHaveLength(1)
    type('\u0013')
    expect(screen()).toContain('the Needle of 2003')
    type('\u0013\u0013')
    expect(screen()).toContain('search: nothing found')
    type('\u001b[A')
    expect(screen()).toContain('the Needle of 3')
    type('\u0007')
    expect(screen()).toContain('message 4999')
    type('/search needle of 2003\r')
    expect(screen()).toContain('the Needle of 2003')
    type('\r')
    expect(model.search).toBeUndefined()
    expect(screen()).toContain('the Needle of 2003')
  })
})

test('in a terminal: 100,000 messages on disk, the end at once, pages back, a search', async () => {
  write(100_000, n => (n === 20 ? { text: 'long ago: xyzzy' } : {}))
  const mesh = new TestMesh()
  const tmux = new Tmux()
  try {
    await mesh.configure(1)
    const server = mesh.start(1)
    await until(() => expect(server.out).toContain('Listening'))
    const env = `env -u CI XDG_STATE_HOME=${state} XDG_CONFIG_HOME=${state}`
    const program = join(process.cwd(), 'dist/cli/main.js')
    const window = tmux.open(
      'long',
      `${env} ${process.execPath} ${program} --user Anna --to Billy --port ${mesh.ports[0]}`,
    )
    await window.until(screen => expect(screen).toContain('message 99999'))
    window.sendKeys('PPage', 'PPage')
    await window.until(screen => expect(screen).toMatch(/message 999[0-5]\d\n[\s\S]*↓/))
    window.sendKeys('C-s')
    window.sendKeys('XYZZY')
    await window.until(screen => expect(screen).toContain('long ago: xyzzy'))
    expect(window.screen('-e')).toMatch(/long ago: .*\u001b\[7mxyzzy/)
    window.sendKeys('Escape')
    await window.until(screen => expect(screen).toContain('message 99999'))
  } finally {
    tmux.kill()
    mesh.stop()
  }
}, 60_000)
