/** The log of a server: the sentences of the original chat server, and JSON lines where stdout is not a terminal. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, expect, test } from 'vitest'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

const sockets: ReturnType<typeof io>[] = []

afterAll(() => {
  for (const socket of sockets) socket.disconnect()
  stopAll()
})

test('the log has every sentence of the original, and as JSON none about single messages', async () => {
  const ports = await freePorts(3)
  const config = join(temporaryFolder(), 'config.json')
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(config, JSON.stringify({ servers }))
  const run = (n: number, ...args: string[]) =>
    new Program('daemon', ['--id', `server-${n}`, '--config', config, ...args])
  const says = (program: Program, ...sentences: string[]) =>
    Promise.all(sentences.map(sentence => until(sentence, () => program.out.split('\n').includes(sentence))))
  const join_ = (user: string, n: number) => {
    const socket = io(`http://127.0.0.1:${ports[n - 1]}`, { forceNew: true, transports: ['websocket'] })
    socket.on('connect', () => socket.emit('identify', user))
    sockets.push(socket)
    return socket
  }

  const one = run(1, '--log-format', 'text', '--log-text')
  await says(one, `Listening for connections on port: ${ports[0]}`)
  const two = run(2, '--log-format', 'text', '--log-text')
  await says(two, 'Outbound connection to peer: server-1')
  const three = run(3)
  await says(
    one,
    `Loading config from: ${config}`,
    'Config loaded.',
    'My id: server-1',
    'Attempting to connect to peers...',
    `Attempt connection to peer: server-2 at: http://127.0.0.1:${ports[1]}`,
    'Outbound connection to peer: server-2',
    'Outbound connection to peer: server-3',
    'Replacing user list for peer: server-2',
    'Replacing user list for peer: server-3',
  )
  expect(one.out.indexOf('Listening for')).toBeLessThan(one.out.indexOf('Attempting to connect'))
  expect(one.out.indexOf('Attempting to connect')).toBeLessThan(one.out.indexOf('Attempt connection to peer'))

  const anna = join_('Anna', 1)
  await says(one, 'User: Anna connected 1 time.', 'Updating peers with connection count for user: Anna...')
  await says(two, 'Received update from peer: server-1', 'Adding user Anna to list for peer: server-1')
  const again = join_('Anna', 1)
  await says(one, 'User: Anna connected 2 times.', 'Updating clients with new user list...')
  await says(two, 'Replacing user Anna in list for peer: server-1')

  const billy = join_('Billy', 2)
  await says(one, 'Adding user Billy to list for peer: server-2')
  billy.emit('im', { to: 'Anna', text: 'Hi Anna' })
  await says(
    two,
    'Received IM from Billy to Anna: Hi Anna',
    'Recipient Anna not connected to this server',
    'Forwarding to peer: server-1...',
    'Sender Billy has 1 connection to this server, sending...',
  )
  await says(
    one,
    'Received forwarded IM from Billy to Anna: Hi Anna',
    'Recipient Anna has 2 connections to this server, sending...',
    'Sender Billy not connected to this server',
  )
  const carla = join_('Carla', 3)
  await says(one, 'Adding user Carla to list for peer: server-3')
  carla.emit('im', { to: 'Anna', text: 'Hi from three' })
  await says(one, 'Received forwarded IM from Carla to Anna: Hi from three')

  again.disconnect()
  await says(one, 'User Anna still has 1 connection.')
  anna.disconnect()
  await says(one, 'User Anna disconnected.')
  await says(two, 'Removing user Anna from list for peer: server-1')
  two.child.kill('SIGKILL')
  await says(one, 'Peer: server-2 disconnected. Will retry automatically.')

  // The last line may not be complete yet.
  const lines = three.out
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as { server: string; msg: string })
  const messages = lines.map(({ msg }) => msg)
  expect(new Set(lines.map(({ server }) => server))).toEqual(new Set(['server-3']))
  expect(messages).toEqual(expect.arrayContaining(['My id: server-3', 'User: Carla connected 1 time.']))
  expect(messages.filter(message => /\bIM\b|Recipient|Sender|Forwarding/.test(message))).toEqual([])
})

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const program = new Program('daemon', ['--version'])
  await program.waitForExit()
  expect(program.out.trim()).toBe(version)
})
