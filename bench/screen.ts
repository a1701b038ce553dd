import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { io } from 'socket.io-client'
import { packageFile } from '../src/programs/package.ts'
import { type Benchmark, type Measure, median } from './support/report.ts'
import { sleep, startMesh } from './support/servers.ts'
import { Terminal } from './support/terminal.ts'

const BUILD = fileURLToPath(new URL('..', import.meta.url))
/** The bundled client, as shipped in the package. */
const CLIENT = packageFile('dist/cli/main.js')
const SIZES = [
  { columns: 80, rows: 24, keyLimit: 16 },
  { columns: 200, rows: 50, keyLimit: 30 },
]
const YARDSTICK_NAME = 'bare Ink'
/** The prompt of the input line, which the first frame shows, with or without a draft after it. */
const FIRST_FRAME_TEXT = '› '

/** Creates a state folder with this number of messages between Anna and Billy. */
function writeHistory(messages: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-bench-'))
  mkdirSync(join(folder, 'mesh-chat'))
  const since = Date.now() - messages * 1_000
  const lines = Array.from({ length: messages }, (_, n) =>
    JSON.stringify({
      message: {
        id: `old-${n}`,
        at: since + n * 1_000,
        from: 'Billy',
        to: 'Anna',
        text: `message ${n}, of some words`,
      },
    }),
  )
  writeFileSync(join(folder, 'mesh-chat', 'Anna.jsonl'), lines.map(line => `${line}\n`).join(''))
  return folder
}

async function measureKeyLatency(terminal: Terminal, count: number): Promise<number> {
  const samples: number[] = []
  for (let n = 0; n < count; n++) {
    await sleep(40)
    samples.push(await terminal.keyLatency(n % 20 === 19 ? '\u0015' : 'x'))
  }
  return median(samples)
}

export const screen: Benchmark = {
  name: 'screen',
  about:
    'the client in a terminal with 100,000 messages on disk, compared to a bare Ink program that draws as many cells',
  async run(small) {
    const [rounds, count, seconds] = small ? [1, 5, 0.5] : [5, 60, 5]
    const sizes = small ? SIZES.slice(0, 1) : SIZES
    const mesh = await startMesh(1)
    const full = writeHistory(small ? 1_000 : 100_000)
    const empty = writeHistory(0)
    const billy = io(`http://127.0.0.1:${mesh.ports[0]}`, { transports: ['websocket'] })
    await new Promise<void>(resolve => billy.on('connect', resolve))
    billy.emit('identify', 'Billy')
    const client = (folder: string, columns: number, rows: number) =>
      new Terminal([CLIENT, '--user', 'Anna', '--to', 'Billy', '--port', `${mesh.ports[0]}`], columns, rows, {
        XDG_STATE_HOME: folder,
        XDG_CONFIG_HOME: folder,
      })
    const measures: Measure[] = []
    try {
      // The first start builds the history index; it is not measured.
      const first = client(full, 80, 24)
      await first.waitForText(FIRST_FRAME_TEXT)
      first.stop()
      for (const { columns, rows, keyLimit } of sizes) {
        const at = `${columns}×${rows}`
        const start: number[] = []
        const key: number[] = []
        const bareStart: number[] = []
        const bareKey: number[] = []
        const cpu: number[] = []
        const rss: number[] = []
        const emptyRss: number[] = []
        for (let round = 0; round < rounds; round++) {
          let since = performance.now()
          const bare = new Terminal([join(BUILD, 'bench/yardsticks/bare-ink.js')], columns, rows, {
            NODE_ENV: 'production',
          })
          await bare.waitForText('the quick brown')
          bareStart.push(performance.now() - since)
          bareKey.push(await measureKeyLatency(bare, count))
          bare.stop()
          since = performance.now()
          const anna = client(full, columns, rows)
          await anna.waitForText(FIRST_FRAME_TEXT)
          start.push(performance.now() - since)
          await anna.waitForText('2 online')
          key.push(await measureKeyLatency(anna, count))
          const before = anna.usage()
          for (let n = 0; n < seconds * 100; n++) {
            billy.emit('im', { to: 'Anna', text: `live message ${n} of some words` })
            await sleep(10)
          }
          const after = anna.usage()
          cpu.push((after.cpu - before.cpu) / (seconds * 10))
          rss.push(after.rss / 1e6)
          anna.stop()
          const other = client(empty, columns, rows)
          await other.waitForText('2 online')
          for (let n = 0; n < seconds * 100; n++) {
            billy.emit('im', { to: 'Anna', text: `live message ${n} of some words` })
            await sleep(10)
          }
          emptyRss.push(other.usage().rss / 1e6)
          other.stop()
        }
        measures.push(
          {
            name: `start to first frame, ${at}`,
            unit: 'ms',
            samples: start,
            yardstick: { name: YARDSTICK_NAME, samples: bareStart },
            limit: 600,
          },
          {
            name: `key to frame, ${at}`,
            unit: 'ms',
            samples: key,
            yardstick: { name: YARDSTICK_NAME, samples: bareKey },
            aim: { atMost: 1.05 },
            limit: keyLimit,
          },
          { name: `CPU at 100 messages/s, ${at}`, unit: '% of a core', samples: cpu },
          {
            name: `memory, ${at}`,
            unit: 'MB',
            samples: rss,
            yardstick: { name: 'empty history', samples: emptyRss },
            aim: { atMost: 1.3 },
          },
        )
      }
    } finally {
      billy.close()
      mesh.stop()
      for (const folder of [full, empty]) rmSync(folder, { recursive: true, force: true })
    }
    return measures
  },
}
