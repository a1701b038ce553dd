/** Wrong usage of the programs: one line that starts with the program's name and says what to do; exit code 2. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const PROGRAMS = {
  'mesh-chat': 'dist/cli/main.js',
  'mesh-chatd': 'dist/daemon/main.js',
  'npm start --': 'dist/cli/start.js',
}

test.each<[keyof typeof PROGRAMS, string, string]>([
  ['mesh-chat', 'sned', "mesh-chat: unknown command 'sned'; did you mean send? See mesh-chat --help"],
  ['mesh-chat', 'sned --timeout 5', "mesh-chat: unknown command 'sned'; did you mean send? See mesh-chat --help"],
  [
    'mesh-chat',
    'send --tiemout 5',
    "mesh-chat: unknown option '--tiemout'; did you mean --timeout? See mesh-chat send --help",
  ],
  [
    'mesh-chat',
    'send hi --to',
    "mesh-chat: option '--to <name>' argument missing; a shell takes # for a comment, so quote a room: '#ops'; see mesh-chat send --help",
  ],
  [
    'mesh-chat',
    'send --too Anna hi',
    "mesh-chat: unknown option '--too'; did you mean --to? See mesh-chat send --help",
  ],
  ['mesh-chat', 'help sned', "mesh-chat: unknown command 'sned'; did you mean send? See mesh-chat --help"],
  ['mesh-chat', 'foo', "mesh-chat: unknown command 'foo'; see mesh-chat --help"],
  ['mesh-chat', '--prot 3001', "mesh-chat: unknown option '--prot'; did you mean --port? See mesh-chat --help"],
  ['mesh-chat', '--port', "mesh-chat: option '--port <port>' argument missing; see mesh-chat --help"],
  ['mesh-chat', 'send --to Anna', "mesh-chat: missing required argument 'text'; see mesh-chat send --help"],
  ['mesh-chat', 'send --to Anna a b', "mesh-chat: unexpected argument 'b'; see mesh-chat send --help"],
  [
    'mesh-chat',
    'identity exprot',
    "mesh-chat: unknown command 'exprot'; did you mean export? See mesh-chat identity --help",
  ],
  ['mesh-chatd', 'foo', "mesh-chatd: unknown command 'foo'; see mesh-chatd --help"],
  ['mesh-chatd', 'chek', "mesh-chatd: unknown command 'chek'; did you mean check? See mesh-chatd --help"],
  ['mesh-chatd', 'token', "mesh-chatd: required option '--user <name>' not specified; see mesh-chatd token --help"],
  [
    'mesh-chatd',
    '--log-format xml',
    'mesh-chatd: --log-format xml is unknown; give one of: text, json; see mesh-chatd --help',
  ],
  [
    'mesh-chat',
    'completion foo',
    "mesh-chat: unknown shell 'foo'; give one of: bash, zsh, fish; see mesh-chat completion --help",
  ],
  ['npm start --', '--nope', "mesh-chat: unknown option '--nope'; see npm start -- --help"],
])('%s %s', (program, args, line) => {
  const result = spawnSync(process.execPath, [PROGRAMS[program], ...args.split(' ')], { encoding: 'utf8' })
  expect(result).toMatchObject({ status: 2, stdout: '', stderr: `${line}\n` })
})

test.each([
  ['mesh-chat', 'help send', 'send --help'],
  ['mesh-chat', 'help identity export', 'identity export --help'],
  ['mesh-chat', 'help', '--help'],
  ['mesh-chatd', 'help check', 'check --help'],
] as const)('%s %s prints the same as %s', (program, args, same) => {
  const [one, other] = [args, same].map(line =>
    spawnSync(process.execPath, [PROGRAMS[program], ...line.split(' ')], { encoding: 'utf8' }),
  )
  expect(one).toMatchObject({ status: 0, stderr: '', stdout: other?.stdout })
})

test.each(['--help', '--version'])('%s succeeds', option => {
  const result = spawnSync(process.execPath, [PROGRAMS['mesh-chat'], option], { encoding: 'utf8' })
  expect(result).toMatchObject({ status: 0, stderr: '' })
})
