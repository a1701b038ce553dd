import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TopModel } from '../cli/top/model.ts'
import { renderTop } from '../cli/top/views/render.ts'
import { packageFile } from '../src/programs/package.ts'
import { Confirmer, OWN_COPY_DELAY_MS } from './support/confirmer.ts'
import { connectIdleUser } from './support/idle-user.ts'
import type { RawClient } from './support/raw-client.ts'
import { type Benchmark, type Measure, quantile } from './support/report.ts'
import { type System, sleep, startMesh, until } from './support/servers.ts'
import { Terminal } from './support/terminal.ts'
import { clusterOf } from './support/top-cluster.ts'

const BUILD = fileURLToPath(new URL('..', import.meta.url))
/** The bundled client, as shipped in the package. */
const CLIENT = packageFile('dist/cli/main.js')
const [COLUMNS, ROWS] = [80, 24]
const YARDSTICK_NAME = 'bare Ink'
/** The prompt of the input line, which the first frame shows. */
const FIRST_FRAME_TEXT = '› '
/** Users online that connect at the same time. */
const BATCH_SIZE = 200
/** Users who write to Anna; the first of them also writes to the rooms. */
const SPEAKERS = 50
/** Share of the messages that go to rooms. */
const ROOM_SHARE = 0.7

interface Size {
  rounds: number
  messages: number
  threads: number
  rooms: number
  users: number
  keys: number
  /** Time before the memory is read for the first time, and time until it is read again, s. */
  seconds: [number, number]
  servers: number
}

const FULL: Size = {
  rounds: 3,
  messages: 1_000_000,
  threads: 1_000,
  rooms: 100,
  users: 10_000,
  keys: 200,
  seconds: [10, 20],
  servers: 100,
}
const SMALL: Size = {
  ...FULL,
  rounds: 1,
  messages: 10_000,
  threads: 60,
  rooms: 10,
  users: 200,
  keys: 10,
  seconds: [1, 1],
}

const userName = (n: number) => `user-${n.toString().padStart(5, '0')}`
const roomName = (n: number) => `#room-${n.toString().padStart(3, '0')}`

/** Anna's data folder: she is in all rooms, and the history has messages of all threads in turn. */
async function prepareFolder(port: number, { messages, threads, rooms }: Size): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-bench-'))
  await joinRooms(folder, port, rooms)
  const meshes = join(folder, 'mesh-chat', 'meshes')
  const users = join(meshes, readdirSync(meshes)[0] ?? '', 'users')
  const file = createWriteStream(join(users, readdirSync(users)[0] ?? '', 'history.jsonl'))
  const since = Date.now() - messages * 1_000
  for (let n = 0; n < messages; n++) {
    const thread = n % threads
    const head = { id: `old-${n}`, at: since + n * 1_000 }
    const text = `message ${n}, of some words`
    const line =
      thread < rooms
        ? { room: { ...head, from: userName(n % 7), to: roomName(thread), text } }
        : { message: { ...head, from: userName(thread - rooms), to: 'Anna', text } }
    if (!file.write(`${JSON.stringify(line)}\n`)) await once(file, 'drain')
  }
  file.end()
  await once(file, 'finish')
  return folder
}

function environment(folder: string): NodeJS.ProcessEnv {
  return { XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder }
}

/** Has a client of Anna join the rooms, which it keeps in its data folder. */
async function joinRooms(folder: string, port: number, rooms: number): Promise<void> {
  const args = [CLIENT, '--user', 'Anna', '--port', `${port}`, '--json']
  const env = { ...process.env, ...environment(folder) }
  const client = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  let output = ''
  client.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const joined = () => output.split('\n').filter(line => line.includes('"type":"room"') && line.includes('"joined"'))
  for (let n = 0; n < rooms; n++) client.stdin.write(`${JSON.stringify({ type: 'join', room: roomName(n) })}\n`)
  await until('Anna is in all rooms', () => new Set(joined().map(line => /#room-\d+/.exec(line)?.[0])).size === rooms)
  client.stdin.end(`${JSON.stringify({ type: 'close' })}\n`)
  await once(client, 'exit')
}

/** The users online: some of them write to Anna and to her rooms. */
class Crowd {
  readonly #clients: RawClient[] = []
  readonly #rooms: number
  #sent = 0
  #timer: NodeJS.Timeout | undefined

  private constructor(rooms: number) {
    this.#rooms = rooms
  }

  static async connect(system: System, { users, rooms }: Size): Promise<Crowd> {
    const crowd = new Crowd(rooms)
    const [port = 0] = system.ports
    for (let first = 0; first < users; first += BATCH_SIZE) {
      const batch = Array.from({ length: Math.min(BATCH_SIZE, users - first) }, (_, n) => first + n)
      await Promise.all(batch.map(n => crowd.#connect(port, n)))
    }
    const [speaker] = crowd.#clients
    for (let n = 0; n < rooms; n++) speaker?.send(`2${n + 1}["join","${roomName(n)}"]`)
    return crowd
  }

  async #connect(port: number, n: number): Promise<void> {
    let confirmer: Confirmer | undefined
    this.#clients[n] = await connectIdleUser(port, userName(n), packet => {
      if (packet.subarray(0, 5).toString() === '2["im') confirmer?.receive(OWN_COPY_DELAY_MS)
      return true
    })
    confirmer = new Confirmer(this.#clients[n])
  }

  /** Sends this number of messages per second, until `stop`. */
  start(rate: number): void {
    const since = performance.now()
    const before = this.#sent
    this.#timer = setInterval(() => {
      const due = before + ((performance.now() - since) * rate) / 1_000
      while (this.#sent < due) this.#send()
    }, 5)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #send(): void {
    const number = ++this.#sent
    const toRoom = (number * ROOM_SHARE) % 1 < ROOM_SHARE
    const speaker = toRoom ? 0 : number % SPEAKERS
    const to = toRoom ? roomName((number * 7) % this.#rooms) : 'Anna'
    const message = {
      id: `bench-run-of-today.${number.toString(36)}`,
      at: Date.now(),
      to,
      text: `news ${number} of some words`,
    }
    this.#clients[speaker]?.send(`2${1_000 + number}${JSON.stringify(['im', message])}`)
  }

  close(): void {
    this.stop()
    for (const client of this.#clients) client.close()
  }
}

const LETTERS = 'abcdefghijklmnop'

/** The time from each of `count` keys until the terminal shows the text with it, ms. */
async function keyLatencies(terminal: Terminal, count: number): Promise<number[]> {
  const samples: number[] = []
  for (let typed = ''; samples.length < count; ) {
    await sleep(40)
    if (typed.length === LETTERS.length) {
      // Ctrl+U deletes the text.
      await terminal.keyLatency('\u0015')
      typed = ''
      continue
    }
    typed = LETTERS.slice(0, typed.length + 1)
    samples.push(await terminal.keyLatency(typed.slice(-1), typed))
  }
  return samples
}

/** Ends the client as a user does: it saves the index of its history. */
async function quit(terminal: Terminal): Promise<void> {
  await terminal.keyLatency('\u0015')
  terminal.type('\u0004')
  await until('the client has ended', () => terminal.hasEnded)
}

/** CPU in % of a core, and memory in MB at the end of both times. */
async function usageOver(terminal: Terminal, [first, second]: [number, number]) {
  const start = terminal.usage()
  await sleep(first * 1_000)
  const middle = terminal.usage()
  await sleep(second * 1_000)
  const end = terminal.usage()
  return { cpu: (end.cpu - start.cpu) / (first + second) / 10, early: middle.rss / 1e6, late: end.rss / 1e6 }
}

/** The time from each reading of a mesh until its frame is composed, ms. */
function topFrameTimes(servers: number, columns: number, rows: number): number[] {
  const model = new TopModel()
  model.resize(columns, rows)
  return Array.from({ length: 100 }, (_, n) => {
    const clusterStatus = clusterOf(servers, n)
    const since = performance.now()
    model.handleEvent({ type: 'reading', url: 'http://127.0.0.1:3001', clusterStatus }, n * 1_000)
    renderTop(model, n * 1_000)
    return performance.now() - since
  })
}

function topFrames({ servers, rounds }: Size, columns: number, rows: number): Measure {
  return {
    name: `top with ${servers} servers: a frame, p99, ${columns}×${rows}`,
    unit: 'ms',
    samples: Array.from({ length: rounds }, () => quantile(topFrameTimes(servers, columns, rows), 0.99)),
    limit: 20,
  }
}

export const bigClient: Benchmark = {
  name: 'big-client',
  about:
    'the client with 1,000,000 messages on disk, 1,000 threads, 10,000 users online, 100 rooms and 100 messages a second, and `top` with 100 servers',
  async run(small) {
    const size = small ? SMALL : FULL
    // First: `top` runs in another process than the crowd below, without its garbage.
    const top = [topFrames(size, 80, 24), topFrames(size, 200, 50)]
    const mesh = await startMesh(1)
    const [port = 0] = mesh.ports
    const folder = await prepareFolder(port, size)
    const crowd = await Crowd.connect(mesh, size)
    const own: Record<'start' | 'key' | 'cpu' | 'early' | 'late', number[]> = {
      start: [],
      key: [],
      cpu: [],
      early: [],
      late: [],
    }
    const bare: Record<'start' | 'key' | 'cpu', number[]> = { start: [], key: [], cpu: [] }
    const open = () =>
      new Terminal(
        [CLIENT, '--user', 'Anna', '--to', userName(1), '--port', `${port}`],
        COLUMNS,
        ROWS,
        environment(folder),
      )
    const online = `${(size.users + 1).toString()} online`
    try {
      // The first start builds the history index; it is not measured.
      const first = open()
      await first.waitForText(FIRST_FRAME_TEXT)
      await quit(first)
      for (let round = 0; round < size.rounds; round++) {
        let since = performance.now()
        const ink = new Terminal([join(BUILD, 'bench/yardsticks/bare-ink.js')], COLUMNS, ROWS, {
          NODE_ENV: 'production',
        })
        await ink.waitForText('the quick brown')
        bare.start.push(performance.now() - since)
        bare.key.push(quantile(await keyLatencies(ink, size.keys), 0.99))
        const keys = setInterval(() => void ink.keyLatency('x'), 10)
        bare.cpu.push((await usageOver(ink, [0, size.seconds[0]])).cpu)
        clearInterval(keys)
        ink.stop()

        since = performance.now()
        const anna = open()
        await anna.waitForText(FIRST_FRAME_TEXT)
        own.start.push(performance.now() - since)
        await anna.waitForText(online)
        crowd.start(100)
        await sleep(1_000)
        const { cpu, early, late } = await usageOver(anna, size.seconds)
        own.cpu.push(cpu)
        own.early.push(early)
        own.late.push(late)
        own.key.push(quantile(await keyLatencies(anna, size.keys), 0.99))
        crowd.stop()
        await quit(anna)
      }
    } finally {
      crowd.close()
      mesh.stop()
      rmSync(folder, { recursive: true, force: true })
    }
    const yardstick = (samples: number[]) => ({ name: YARDSTICK_NAME, samples })
    return [
      { name: 'start to first frame', unit: 'ms', samples: own.start, yardstick: yardstick(bare.start), limit: 600 },
      {
        name: 'key to frame, p99, at 100 messages/s',
        unit: 'ms',
        samples: own.key,
        yardstick: yardstick(bare.key),
        limit: 30,
      },
      {
        name: 'CPU at 100 messages/s',
        unit: '% of a core',
        samples: own.cpu,
        yardstick: yardstick(bare.cpu),
        limit: 25,
      },
      {
        name: 'memory at the end',
        unit: 'MB',
        samples: own.late,
        yardstick: { name: `after ${size.seconds[0]} s`, samples: own.early },
        aim: { atMost: 1.15 },
      },
      ...top,
    ]
  },
}
