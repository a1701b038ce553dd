/** The slash commands and keys about rooms. */
import { beforeEach, describe, expect, test } from 'vitest'
import { runCommand } from '../../../../../cli/chat/model/commands/run-command.ts'
import { finderMatches } from '../../../../../cli/chat/model/finding/finder.ts'
import type { ScreenRequest } from '../../../../../cli/chat/model/model.ts'
import { ChatDriver, KEYS } from '../chat-driver.ts'

const SAVE = { type: 'save' } as const
const F8 = '\u001b[19~'
const ALT_J = '\u001bj'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy', 'Carla'])
})

const run = (line: string): ScreenRequest[] => {
  chat.model.notice = undefined
  return runCommand(chat.model, line)
}
const matches = () => chat.model.finder && finderMatches(chat.model, chat.model.finder)
const lastText = () => chat.model.current?.entries.at(-1)?.text

describe('/join', () => {
  test.each([
    ['join #ops', '#ops'],
    ['join ops', '#ops'],
    ['join #Öps', '#öps'],
    ['j Team.1', '#team.1'],
  ])('/%s joins %s and opens it', (line, room) => {
    expect(run(line)).toEqual([{ type: 'join', room }, SAVE])
    expect([chat.thread, chat.model.rooms.get(room)?.state]).toEqual([room, { state: 'waiting' }])
  })

  test.each(['join #', 'join #a b', 'join #a/b'])('/%s is an error', line => {
    expect(run(line)).toEqual([])
    expect(chat.model.notice).toMatchObject({ text: expect.stringContaining('a room name has #'), tone: 'error' })
  })

  test('of a room that the user is in only opens it', () => {
    chat.room('#ops', ['Billy'])
    expect(run('join #ops')).toEqual([SAVE])
    expect([chat.thread, chat.model.rooms.get('#ops')?.members.size]).toEqual(['#ops', 2])
  })
})

describe('/part', () => {
  beforeEach(() => chat.room('#ops', ['Billy']))

  test('leaves the open room, and opens another thread', () => {
    chat.message('Billy', 'Anna', 'hello')
    run('query #ops')
    expect(run('part')).toEqual([{ type: 'part', room: '#ops' }, SAVE])
    expect([chat.thread, chat.notice]).toEqual(['Billy', 'left #ops'])
    chat.room('#ops', [], { state: { state: 'parted' } })
    expect(chat.model.threadsByActivity().map(({ name }) => name)).toEqual(['Billy'])
  })

  test('leaves a room by its name', () => {
    run('query Carla')
    expect(run('part ops')).toEqual([{ type: 'part', room: '#ops' }, SAVE])
    expect(chat.thread).toBe('Carla')
  })

  test.each([
    ['part', 'no room is open; name one with its #, such as #ops'],
    ['names', 'no room is open; name one with its #, such as #ops'],
    ['topic #dev', 'you are not in #dev; /join #dev'],
    ['part #dev', 'you are not in #dev; /join #dev'],
    ['names #opps', 'you are not in #opps; did you mean #ops?'],
  ])('/%s is an error', (line, text) => {
    expect(run(line)).toEqual([])
    expect(chat.model.notice).toEqual({ text, tone: 'error' })
  })

  test('is what leaves a room: /close does not', () => {
    run('query #ops')
    expect(run('close')).toEqual([])
    expect(chat.model.notice).toEqual({ text: 'you are in #ops; /part leaves it', tone: 'error' })
  })
})

describe('/msg and /query', () => {
  test('send to a room, and open it', () => {
    chat.room('#ops', ['Billy'])
    expect(run('msg #Ops hello there')).toEqual([{ type: 'send', to: '#ops', text: 'hello there' }, SAVE])
    run('query Billy')
    expect(run('query #ops')).toEqual([SAVE])
    expect(chat.thread).toBe('#ops')
  })

  test('a text for a room that the user is not in stays in the input line', () => {
    expect(run('msg #ops hello')).toEqual([SAVE])
    const notice = { text: 'you are not in #ops; /join #ops to write there', tone: 'error' }
    expect([chat.thread, chat.input, chat.model.notice]).toEqual(['#ops', 'hello', notice])
    expect(chat.type(KEYS.enter)).toEqual([])
    expect([chat.input, chat.model.notice]).toEqual(['hello', notice])
  })

  test('a text for a room where only operators write stays, too, unless the user is one', () => {
    chat.room('#news', ['Billy'], { info: { write: 'operators', operators: ['Billy'] } })
    run('query #news')
    expect(chat.type('hello\r')).toEqual([])
    expect(chat.model.notice).toEqual({ text: 'only operators may write in #news', tone: 'error' })
    chat.room('#news', ['Billy'], { info: { write: 'operators', operators: ['Anna'] } })
    expect(chat.type('\r')).toEqual([{ type: 'send', to: '#news', text: 'hello' }])
  })
})

describe('/rooms', () => {
  const list = () =>
    chat.tell({
      type: 'room-list',
      rooms: [
        { room: '#ops', members: 12, topic: 'Deploys' },
        { room: '#dev', members: 3 },
      ],
      total: 2,
    })

  test('asks for the rooms, lists them with members and topic, and Enter joins one', () => {
    chat.room('#secret', [])
    expect(run('rooms')).toEqual([{ type: 'list-rooms' }])
    list()
    expect(matches()).toEqual(['#ops', '#dev', '#secret'])
    expect(chat.screen()).toMatch(/Rooms 2\n/)
    expect(chat.screen()).toMatch(/ {2}#ops {2}12 {2}Deploys\n/)
    expect(chat.screen()).toMatch(/● #secret {2}1\n/)
    expect(chat.type(KEYS.down + KEYS.enter)).toContainEqual({ type: 'join', room: '#dev' })
    expect([chat.thread, chat.model.finder]).toEqual(['#dev', undefined])
  })

  test('filters by name and topic', () => {
    list()
    run('rooms depl')
    expect(matches()).toEqual(['#ops'])
  })

  test('says that there is no list yet', () => {
    run('rooms')
    expect(chat.screen()).toContain('waiting for the list of rooms…')
    chat.tell({ type: 'connection', state: { phase: 'connecting', server: '', attempt: 1 } })
    expect(chat.screen()).toContain('not connected: no list of rooms')
  })
})

describe('/names', () => {
  test('lists the members, operators marked, and then those who spoke last and are not there', () => {
    chat.room('#ops', ['Billy', 'Carla'], { info: { operators: ['Carla'] } })
    for (const from of ['Emil', 'Billy', 'Dora']) chat.message(from, '#ops', 'hello')
    run('query #ops')
    run('names')
    expect(matches()).toEqual(['Anna', 'Billy', 'Carla', 'Dora', 'Emil'])
    expect(chat.screen()).toMatch(/Members of #ops 3\n.*● Anna \(you\)\n.*● Billy\n.*● Carla {2}operator\n.*○ Dora\n/)
    expect(chat.type(`dor${KEYS.enter}`)).toContainEqual(SAVE)
    expect(chat.thread).toBe('Dora')
  })

  test.each([F8, '\u001bm'])('%j lists those of the open room', key => {
    chat.room('#ops', ['Billy'])
    chat.type(key)
    expect(chat.notice).toContain('no room is open')
    run('query #ops')
    chat.type(key)
    expect(matches()).toEqual(['Anna', 'Billy'])
    chat.type(KEYS.enter)
    expect([chat.thread, chat.model.finder]).toEqual(['#ops', undefined])
  })
})

test('/topic with a text says where topics come from', () => {
  for (const text of ['Deploys on Friday', 'Deploys']) {
    chat.type(`/topic ${text}\r`)
    expect(chat.notice).toMatch(/^topics are set in the config of the servers/)
  }
})

test('/topic shows the whole topic in the thread', () => {
  chat.room('#ops', [], { info: { topic: 'Deploys and incidents' } })
  run('topic #ops')
  expect(chat.notice).toBe('topic of #ops: Deploys and incidents')
  run('query #ops')
  run('topic')
  expect(lastText()).toBe('topic of #ops: Deploys and incidents')
  chat.room('#ops', [])
  run('topic')
  expect(chat.notice).toBe('#ops has no topic')
})

describe('/invite', () => {
  test.each([
    ['invite Billy', 'Billy', '#ops', 'invited Billy to #ops'],
    ['invite Anna Bell #Dev', 'Anna Bell', '#dev', expect.stringContaining('Anna Bell to #dev; they are offline')],
  ])('/%s sends a message', (line, to, room, notice) => {
    chat.message('Anna Bell', 'Anna', 'hello')
    chat.room('#ops', [])
    run('query #ops')
    expect(run(line)).toEqual([{ type: 'send', to, text: `Join ${room}: /join ${room}` }])
    expect([chat.notice, chat.thread]).toEqual([notice, '#ops'])
  })

  test('needs a room and a valid name', () => {
    run('invite Billy')
    expect(chat.model.notice).toEqual({ text: 'no room is open; name one with its #, such as #ops', tone: 'error' })
    run('invite #ops')
    expect(chat.notice).toContain('a user name cannot start with #')
  })

  test('is accepted with Alt+J while it is the newest message of the open thread', () => {
    chat.message('Billy', 'Anna', 'Join #ops: /join #ops')
    expect(chat.notice).toBe('Billy invites you to #ops; /join #ops')
    expect(chat.type(ALT_J)).toEqual([])
    expect(chat.notice).toBe('no invitation to a room here')
    run('query Billy')
    chat.model.notice = undefined
    expect(chat.screen()).toContain('Alt+J joins #ops')
    chat.message('Billy', 'Anna', 'Join #dev: /join #dev')
    expect(chat.notice).toBe('Billy invites you to #dev; Alt+J to join')
    expect(chat.type(ALT_J)).toContainEqual({ type: 'join', room: '#dev' })
    expect(chat.thread).toBe('#dev')
    run('query Billy')
    expect(chat.type(ALT_J)).toEqual([])
  })

  test('that the search has found is accepted, too', () => {
    chat.message('Billy', 'Anna', 'Join #ops: /join #ops')
    chat.message('Billy', 'Anna', 'please')
    run('query Billy')
    expect(chat.type(ALT_J)).not.toContainEqual({ type: 'join', room: '#ops' })
    Object.assign(chat.model.current ?? {}, { searchMatch: { id: '1', text: 'join' } })
    expect(chat.type(ALT_J)).toContainEqual({ type: 'join', room: '#ops' })
  })

  test.each(['Join #ops: /join #dev', 'Join #Ops: /join #Ops', 'join #ops: /join #ops', 'Join #a/b: /join #a/b'])(
    'is not %j',
    text => {
      chat.message('Billy', 'Anna', text)
      run('query Billy')
      expect(chat.notice).toBeUndefined()
      expect(chat.type(ALT_J).map(({ type }) => type)).not.toContain('join')
    },
  )
})

test('/mute takes a room in any spelling, and /ignore and /key are about users', () => {
  run('mute #Ops')
  expect(chat.model.preferences.muted).toEqual(['#ops'])
  run('ignore #ops')
  expect([chat.model.preferences.ignored, chat.model.notice?.tone]).toEqual([[], 'error'])
  chat.tell({ type: 'key', user: 'Billy', key: 'b', state: 'new', own: 'AAAA', known: new Map() })
  chat.room('#ops', [])
  run('query #ops')
  run('key')
  expect(chat.notice).toMatch(/^your key: /)
})
