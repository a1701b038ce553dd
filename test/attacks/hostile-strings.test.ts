/** Hostile texts and names, pushed through all that shows them: the log, line mode, JSON lines, and the full screen. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, expect, test } from 'vitest'
import { nameSchema, urlSchema } from '../../src/protocol/messages.ts'
import { isUserName, parseUserName } from '../../src/protocol/names.ts'
import { ESCAPE_SEQUENCES, HOSTILE_STRINGS } from '../support/attacks/hostile-strings.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { Tmux } from '../support/programs/tmux.ts'

const tmux = new Tmux()
afterAll(() => {
  tmux.kill()
  stopAll()
})

/** Whatever moves a cursor or hides, but for the end of a line. */
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u
const findControlCharacter = (text: string) => CONTROL_CHARACTERS.exec(text.replaceAll('\n', ''))
/** All escape sequences that the full screen sends: colours, moves, modes, the title, and one frame at a time. */
const EXPECTED_SEQUENCES =
  /\u001b\[(?:\d{0,3}(?:;\d{1,3})?[ABCDGHJK]|(?:0|1|2|3|4|7|22|23|24|27|39|49|3[1-7]|9\d)?m|\?(?:25|1049|2004|2026)[hl])|\u001b\]2;[^\p{C}]*\u0007/gu

test('there are more than two hundred, all different', () => {
  expect(new Set(HOSTILE_STRINGS).size).toBe(HOSTILE_STRINGS.length)
  expect(HOSTILE_STRINGS.length).toBeGreaterThan(200)
})

test('as a name each is refused, or has a form in which nothing hides', () => {
  for (const text of HOSTILE_STRINGS) {
    const name = parseUserName(text)
    if (name.ok) expect(findControlCharacter(name.value), name.value).toBe(null)
    if (name.ok) expect(name.value).not.toMatch(/\p{Default_Ignorable_Code_Point}|^\p{M}|[^\S ]/u)
    // What another program claims to be a name is looked at, too.
    expect(nameSchema.safeParse(text).success).toBe(isUserName(text))
    if (isUserName(text)) expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
    expect(findControlCharacter(urlSchema.safeParse(`http://host/${text}`).data ?? '')).toBe(null)
  }
  expect(isUserName(`x${'y'.repeat(300)}`)).toBe(false)
  expect(isUserName('')).toBe(false)
})

test('not one escape byte of theirs arrives anywhere', { timeout: 90_000 }, async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'config.json')
  const ports = await freePorts(2)
  writeFileSync(
    file,
    JSON.stringify({ servers: ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port })) }),
  )
  const log = ['text', 'json'].map(
    (format, at) =>
      new Program('daemon', [
        ...['--id', `server-${at + 1}`, '--config', file],
        ...['--log-format', format, '--log-level', 'debug', '--log-text'],
      ]),
  )
  await until('the servers meet', () => log.every(one => one.out.includes('Inbound connection from peer')))

  const here = { XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder }
  const anna = (port: number | undefined) => ['--user', 'Anna', '--port', `${port}`, '--no-history']
  const lines = new Program('cli', [...anna(ports[1]), '--plain'], here)
  const json = new Program('cli', [...anna(ports[1]), '--json'], here)
  const bytes = join(folder, 'screen.bytes')
  const command = `XDG_STATE_HOME=${folder} XDG_CONFIG_HOME=${folder} exec ${process.execPath} dist/cli/main.js`
  const window = tmux.open('anna', `sleep 0.3; ${command} ${anna(ports[0]).join(' ')} --to Mallory`, 200, 100)
  tmux.run('pipe-pane', '-t', 'anna', `cat > ${bytes}`)
  await until('all clients are online', () => log.some(one => one.out.includes('User: Anna connected 2 times')))
  await window.until(screen => expect(screen).toContain('Anna'))

  // As names.
  for (let at = 0; at < HOSTILE_STRINGS.length; at += 60) {
    const sockets = HOSTILE_STRINGS.slice(at, at + 60).map((name, n) => {
      const socket = io(`http://127.0.0.1:${ports[n % 2]}`, { transports: ['websocket'], forceNew: true })
      socket.on('connect', () => {
        socket.emit('im', { from: name, to: name, text: name })
        socket.emit('identify', name)
        socket.emit('identify', { user: name, client: name.slice(0, 90), protocol: 2 }, () => socket.disconnect())
        socket.emit(name, name)
      })
      return socket
    })
    await until('the names were tried', () => sockets.every(socket => !socket.active))
  }

  // As texts, a screenful at a time, so that each one is shown.
  const mallory = io(`http://127.0.0.1:${ports[0]}`, { transports: ['websocket'], forceNew: true })
  mallory.emit('identify', 'Mallory')
  const screenful = 20
  for (let at = 0; at < HOSTILE_STRINGS.length; at += screenful) {
    HOSTILE_STRINGS.slice(at, at + screenful).forEach((text, n) => {
      mallory.emit('im', { to: 'Anna', text: `<${at + n}>${text}` })
    })
    const last = `<${Math.min(at + screenful, HOSTILE_STRINGS.length) - 1}>`
    await window.until(screen => expect(screen).toContain(last))
  }
  mallory.disconnect()
  const last = `<${HOSTILE_STRINGS.length - 1}>`
  await until('all were printed', () => [lines, json, ...log].every(one => one.out.includes(last)))

  for (const { out } of [lines, ...log, json]) expect(findControlCharacter(out)).toBe(null)
  // What programs read is whole.
  const texts = json.out
    .split('\n')
    .filter(line => line.includes('"type":"message"'))
    .map(line => (JSON.parse(line) as { text: string }).text)
  expect(texts).toEqual(HOSTILE_STRINGS.map((text, at) => `<${at}>${text}`))

  const shown = readFileSync(bytes, 'utf8')
  for (const sequence of ESCAPE_SEQUENCES) expect(shown.includes(sequence), JSON.stringify(sequence)).toBe(false)
  expect(
    findControlCharacter(shown.replaceAll('\r\n', '\n').replaceAll(EXPECTED_SEQUENCES, '').replaceAll('\r', '')),
  ).toBe(null)
})
