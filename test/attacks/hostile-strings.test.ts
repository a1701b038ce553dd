/** Hostile texts and names in every output: the log, line mode, JSON lines, and the full screen. */
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

/** Control, format and unassigned characters; line ends are removed before the search. */
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u
const findControlCharacter = (text: string) => CONTROL_CHARACTERS.exec(text.replaceAll('\n', ''))
/** Joiners and soft hyphens inside words and emoji sequences are shown as they are. */
const JOINERS = /(?<=[\p{L}\p{M}\p{Emoji}])[\u00ad\u200c\u200d](?=[\p{L}\p{M}\p{Emoji}])/gu
const findShownControlCharacter = (text: string) => findControlCharacter(text.replaceAll(JOINERS, ''))
/** All escape sequences that the full screen uses: colours, cursor moves, modes, reports, title, synchronized updates. */
const EXPECTED_SEQUENCES =
  /\u001b\[(?:>q)|\u001b\[(?:\d{0,3}(?:;\d{1,3})?[ABCDGHJK]|(?:0|1|2|3|4|7|22|23|24|27|39|49|3[1-7]|9\d)?m|\?(?:7|25|1000|1004|1006|1007|1049|2004|2026)[hlrs]|2[23];0t)|\u001b\]2;[^\p{C}]*\u0007/gu

test('there are more than 200 hostile strings, all different', () => {
  expect(new Set(HOSTILE_STRINGS).size).toBe(HOSTILE_STRINGS.length)
  expect(HOSTILE_STRINGS.length).toBeGreaterThan(200)
})

test('each hostile string is refused as a name, or normalized to a form without hidden characters', () => {
  for (const text of HOSTILE_STRINGS) {
    const name = parseUserName(text)
    if (name.ok) expect(findControlCharacter(name.value), name.value).toBe(null)
    if (name.ok) expect(name.value).not.toMatch(/\p{Default_Ignorable_Code_Point}|^\p{M}|[^\S ]/u)
    // Names from other programs are validated, too.
    expect(nameSchema.safeParse(text).success).toBe(isUserName(text))
    if (isUserName(text)) expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
    expect(findControlCharacter(urlSchema.safeParse(`http://host/${text}`).data ?? '')).toBe(null)
  }
  expect(isUserName(`x${'y'.repeat(300)}`)).toBe(false)
  expect(isUserName('')).toBe(false)
})

test('no escape sequence in a name or text reaches a log or a terminal', async () => {
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
  await until('the servers are linked', () => log.every(one => one.out.includes('Inbound connection from peer')))

  const here = { XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder }
  const anna = (port: number | undefined) => ['--user', 'Anna', '--port', `${port}`, '--no-history']
  const lineMode = new Program('cli', [...anna(ports[1]), '--plain'], here)
  const jsonMode = new Program('cli', [...anna(ports[1]), '--json'], here)
  const bytes = join(folder, 'screen.bytes')
  const command = `XDG_STATE_HOME=${folder} XDG_CONFIG_HOME=${folder} exec ${process.execPath} dist/cli/main.js`
  // The client starts when the pipe that records its output is in place.
  const ready = join(folder, 'ready')
  const waitForPipe = `until [ -e ${ready} ]; do sleep 0.05; done`
  const window = tmux.open('anna', `${waitForPipe}; ${command} ${anna(ports[0]).join(' ')} --to Mallory`, 200, 100)
  tmux.run('pipe-pane', '-t', 'anna', `cat > ${bytes}`)
  writeFileSync(ready, '')
  await until('all clients are online', () => log.some(one => one.out.includes('User: Anna connected 2 times')))
  await window.until(screen => expect(screen).toContain('Anna'))

  // As user names.
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
    await until('all names were tried', () => sockets.every(socket => !socket.active))
  }

  // As texts, a screenful at a time, so that each is drawn.
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
  await until('all outputs contain the last text', () =>
    [lineMode, jsonMode, ...log].every(({ out }) => out.includes(last) && out.endsWith('\n')),
  )

  for (const { out } of [lineMode, ...log, jsonMode]) expect(findShownControlCharacter(out)).toBe(null)
  // The JSON lines contain the texts unchanged.
  const texts = jsonMode.out
    .split('\n')
    .filter(line => line.includes('"type":"message"'))
    .map(line => (JSON.parse(line) as { text: string }).text)
  expect(texts).toEqual(HOSTILE_STRINGS.map((text, at) => `<${at}>${text}`))

  const shown = readFileSync(bytes, 'utf8')
  for (const sequence of ESCAPE_SEQUENCES) {
    // The mouse mode is turned on once, at the start.
    const isOwn = sequence.replaceAll(EXPECTED_SEQUENCES, '') === ''
    expect(shown.split(sequence).length - 1, JSON.stringify(sequence)).toBeLessThanOrEqual(isOwn ? 1 : 0)
  }
  expect(
    findShownControlCharacter(shown.replaceAll('\r\n', '\n').replaceAll(EXPECTED_SEQUENCES, '').replaceAll('\r', '')),
  ).toBe(null)
})
