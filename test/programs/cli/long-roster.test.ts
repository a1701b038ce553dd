/** The full screen and line mode when more users are online than clients are told of. */
import { join } from 'node:path'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'
import { Tmux } from '../../support/programs/tmux.ts'

const mesh = new TestMesh()
const tmux = new Tmux()
const crowd: Socket[] = []

function open(name: string, args: string) {
  const home = join(mesh.folder, name)
  const program = `${process.execPath} ${join(process.cwd(), 'dist/cli/main.js')} --port ${mesh.ports[0]} ${args}`
  const env = `env -u CI -u NO_COLOR XDG_STATE_HOME=${home} XDG_CONFIG_HOME=${home}`
  return tmux.open(name, `${env} ${program}; exec sleep 600`, 100, 20)
}

function join1(user: string): void {
  const socket = io(`http://127.0.0.1:${mesh.ports[0]}`, { transports: ['websocket'], forceNew: true })
  socket.on('connect', () => socket.emit('identify', { user, client: 'bare/1', protocol: 2 }, () => {}))
  crowd.push(socket)
}

beforeAll(async () => {
  await mesh.configure(1, { limits: { wholeRoster: 30 } })
  const server = mesh.start(1)
  await until(() => expect(server.out).toContain('Listening for connections'))
  for (let n = 0; n < 200; n++) join1(`user-${1_000 + n}`)
  join1('zoe')
})

afterAll(() => {
  for (const socket of crowd) socket.disconnect()
  tmux.kill()
  mesh.stop()
})

test('the sidebar shows the start of the list; anyone is found, completed and written to', async () => {
  const anna = open('anna', '--user Anna --to Billy')
  await anna.until(screen => expect(screen).toMatch(/202 online/))
  await anna.until(screen => expect(screen).toMatch(/user-1000 +│/))
  await anna.until(screen => expect(screen).toMatch(/more +│/))
  // Ctrl+O: the server finds who is not in the client's part of the list.
  anna.sendKeys('C-o')
  anna.sendKeys('zo')
  await anna.until(screen => expect(screen).toContain('zoe'))
  anna.sendKeys('Enter')
  await anna.until(screen => expect(screen).toMatch(/│ zoe +● online/))
  anna.sendKeys('hello', 'Enter')
  await anna.until(screen => expect(screen).toMatch(/Anna +hello/))
  // Tab, with a name that the client does not know.
  anna.sendKeys('/msg user-119')
  anna.sendKeys('Tab')
  await anna.until(screen => expect(screen).toContain('› /msg user-1190'))
  anna.sendKeys('C-u')
  // One who leaves is seen to leave.
  crowd.at(-1)?.disconnect()
  await anna.until(screen => expect(screen).toMatch(/│ zoe +○ offline/))
  await anna.until(screen => expect(screen).toMatch(/201 online/))
})

test('line mode tells how many are online, and finds users', async () => {
  const carol = open('carol', '--user Carol --plain --to Billy')
  await carol.until(screen => expect(screen).toMatch(/\* 20\d online; \/who NAME finds users/))
  carol.sendKeys('/who ER-117', 'Enter')
  await carol.until(screen => expect(screen).toContain('* online: user-1170, user-1171'))
})
