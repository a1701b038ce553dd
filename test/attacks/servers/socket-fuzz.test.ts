/** A hostile server with hostile siblings on real sockets, against the session of the library and against the program. */
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { SocketFuzzer } from '../../support/attacks/socket-fuzzer.ts'
import { Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'
import { Tmux } from '../../support/programs/tmux.ts'

const PAYLOADS = Number(process.env.MESH_CHAT_FUZZ_PACKETS ?? 300)
const SEED = Number(process.env.MESH_CHAT_FUZZ_SEED ?? Date.now() % 1_000_000)
/** Most connections of one run: each costs the client a delay before the next one. */
const MAX_CONNECTIONS = 15

let fuzzer: SocketFuzzer | undefined
const tmux = new Tmux()
let isTmuxRunning = false
afterEach(async () => {
  if (isTmuxRunning) tmux.kill()
  isTmuxRunning = false
  await fuzzer?.server.close()
  stopAll()
})

/** Sends payloads until `count` were sent, or the client has left the server too often. */
async function play(fuzzer: SocketFuzzer, count: number): Promise<void> {
  while (fuzzer.sent < count && fuzzer.online < MAX_CONNECTIONS) {
    for (let n = 0; n < 20; n++) fuzzer.play()
    await until('the client is online', () => fuzzer.play(), 60_000)
  }
}

/** Waits until the client shows a valid message of the server. */
async function recover(fuzzer: SocketFuzzer, isShown: (id: string) => boolean): Promise<void> {
  const before = fuzzer.online
  fuzzer.becomeHonest()
  await until('the client returns', () => fuzzer.online > before, 60_000)
  let attempt = 0
  let lastAt = 0
  await until('a valid message is shown', () => {
    // The client goes online a moment after it was let in.
    if (performance.now() - lastAt > 200) {
      lastAt = performance.now()
      fuzzer.deliver(`${++attempt}`)
    }
    return isShown('honest')
  })
}

test.each([SEED, 1])(
  `a session survives ${PAYLOADS} hostile payloads on a socket (seed %d)`,
  {
    timeout: 240_000 + PAYLOADS * 20,
  },
  async seed => {
    const warnings: Error[] = []
    const note = (warning: Error) => warnings.push(warning)
    process.on('warning', note)
    fuzzer = await SocketFuzzer.start(seed)
    const client = new RealClient('Anna', [fuzzer.server.url])
    try {
      client.send('Billy', 'hello')
      await play(fuzzer, PAYLOADS)
      await recover(fuzzer, text => client.shown.some(message => message.text.startsWith(text)))
      await until('the held message is delivered', () => client.held.length === 0, 90_000)
      expect(warnings).toEqual([])
      for (const { from, to } of client.shown) expect([from, to]).toContain('Anna')
    } finally {
      process.off('warning', note)
      client.close()
    }
  },
)

test.each(['--json', '--plain'])('the program with %s survives hostile payloads', { timeout: 240_000 }, async mode => {
  fuzzer = await SocketFuzzer.start(SEED)
  const folder = temporaryFolder()
  const env = { XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder }
  const program = new Program('cli', ['--user', 'Anna', mode, '--server', fuzzer.server.url], env)
  await play(fuzzer, Math.min(PAYLOADS, 100))
  await recover(fuzzer, text => program.out.includes(mode === '--json' ? `"text":"${text}` : text))
  expect(program.exitStatus, program.out.slice(-2_000)).toBeUndefined()
  expect(program.out).not.toMatch(/TypeError|RangeError|Warning: /)
  expect(program.out).not.toContain('\u001b')
  // A text cannot start a line.
  expect(program.out).not.toMatch(/^Billy: forged/m)
  program.child.stdin?.end()
  await program.waitForExit()
  expect(program.exitStatus?.code).toBe(0)
})

test('the full screen survives hostile payloads, and /quit restores the terminal', { timeout: 240_000 }, async () => {
  fuzzer = await SocketFuzzer.start(SEED)
  const folder = temporaryFolder()
  const client = `${process.execPath} ${join(process.cwd(), 'dist/cli/main.js')}`
  const env = `env -u CI -u NO_COLOR XDG_STATE_HOME=${folder} XDG_CONFIG_HOME=${folder}`
  isTmuxRunning = true
  const window = tmux.open('fuzz', 'env PS1="shell> " bash --norc --noprofile -i', 120)
  await window.until(screen => expect(screen).toContain('shell>'))
  window.sendKeys(`${env} ${client} --user Anna --to Billy --server ${fuzzer.server.url}; echo "status $?"`, 'Enter')
  await play(fuzzer, Math.min(PAYLOADS, 100))
  await recover(fuzzer, text => window.screen().includes(text))
  expect(window.query('alternate_on')).toBe('1')
  window.sendKeys('still usable')
  await window.until(screen => expect(screen).toContain('› still usable'))
  window.sendKeys('C-u')
  await window.until(screen => expect(screen).not.toContain('still usable'))
  window.sendKeys('/quit', 'Enter')
  await window.until(screen => expect(screen).toContain('status 0'))
  expect(window.query('alternate_on')).toBe('0')
  expect(window.screen('-S', '-')).not.toMatch(/TypeError|RangeError|Warning: /)
  window.sendKeys('echo whole', 'Enter')
  await window.until(screen => expect(screen).toMatch(/^whole$/m))
})
