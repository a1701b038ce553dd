import { Argument, Command } from 'commander'
import { addHelpCommand, reportUsageErrors } from '../src/programs/command-line/command-errors.ts'
import { completionScript, SHELLS, type Shell } from '../src/programs/command-line/completion.ts'
import { EXIT, exitOnCrash, fail } from '../src/programs/command-line/fail.ts'
import { printLine } from '../src/programs/command-line/print.ts'
import { VERSION } from '../src/programs/package.ts'
import { isRoom } from '../src/protocol/rooms.ts'
import { chat } from './commands/chat.ts'
import { printHistory } from './commands/history.ts'
import { identity } from './commands/identity.ts'
import { LAB_HELP, lab } from './commands/lab.ts'
import { forgetMesh, listMeshes } from './commands/mesh.ts'
import { roomMembers } from './commands/room-members.ts'
import { send } from './commands/send.ts'
import { tail } from './commands/tail.ts'
import { type WhoArguments, who } from './commands/who.ts'
import { withFirstRunAnswers } from './first-run.ts'
import { HELP } from './help.ts'
import {
  addServerOptions,
  addUserOptions,
  connectionTarget,
  parseThreadOption,
  type ServerArguments,
} from './options.ts'
import { SettingsFile } from './settings.ts'
import type { TopArguments } from './top/top.ts'

interface ChatArguments extends ServerArguments {
  user?: string
  to?: string
  history: boolean
  json?: boolean
  typing?: boolean
  plain?: boolean
  screenReader?: boolean
  inline?: boolean
  color: boolean
}

exitOnCrash()
const program = new Command('mesh-chat')
  .description('Chat with the users of a mesh: full screen on a terminal, line by line otherwise.')
  .version(VERSION)
  .enablePositionalOptions()
  .addHelpText('after', HELP)
addUserOptions(program)
  .option('--to <name>', "open the thread with this user, or join this room ('#ops')")
  .option('--inline', "print messages into the terminal's scrollback; draw only the input line below them")
  .option('--plain', 'line by line, also on a terminal')
  .option('--screen-reader', 'same as --plain: states are written as words, nothing is drawn')
  .option('--json', 'read and write JSON lines, for programs')
  .option('--typing', 'with --json: also tell who is writing a message')
  .option('--no-history', 'store no messages on disk, and load none')
  .option('--no-color', 'no colors (also: NO_COLOR in the environment)')
  .action(async (args: ChatArguments) => {
    const settings = new SettingsFile()
    const target = connectionTarget(await withFirstRunAnswers(args, settings), settings)
    const to = args.to === undefined ? undefined : parseThreadOption('--to', args.to)
    if (!args.color) disableColors()
    const plain = args.plain || args.json || args.screenReader || process.env.INK_SCREEN_READER === 'true'
    const terminal = process.stdin.isTTY && process.stdout.isTTY && !plain && process.env.TERM !== 'dumb'
    const screen = terminal ? (args.inline ? 'inline' : 'whole') : undefined
    const { history, json = false, typing = false } = args
    await chat({ ...target, to, settings, screen, history, json, typing })
  })

addUserOptions(program.command('send').description('Send one message; the exit code tells if it was delivered.'))
  .argument('<text>', 'text of the message; "-" reads it from stdin')
  .requiredOption('--to <name>', "recipient: a user, or a room ('#ops')")
  .option('--timeout <seconds>', 'how long to wait for the delivery', '10')
  .option('--keep', 'after the timeout keep the message in your outbox: your next client sends it')
  .action(send)

addUserOptions(program.command('tail').description('Print messages as they arrive, until interrupted.'))
  .option('--with <name>', "only messages from and to this user, or of this room ('#ops')")
  .option('--json', 'print JSON lines')
  .action(tail)

program
  .command('history')
  .description('Print the messages of one mesh that are stored on this machine, oldest first.')
  .option('--user <name>', 'whose messages (default: the last user)')
  .option('--with <name>', "only messages from and to this user, or of this room ('#ops')")
  .option('--mesh <name>', 'which mesh: its name, its key in words, or a server (default: that of the last server)')
  .option('--server <url>', 'the mesh of this server; it need not run')
  .option('--json', 'print JSON lines')
  .action(printHistory)

const identities = program.command('identity').description('Show, export or import your key, for meshes in key mode.')
const userOption = ['--user <name>', 'whose key (default: the last user)'] as const
identities
  .command('show')
  .description('Print your name, the fingerprint of your key in words, and the public key.')
  .option(...userOption)
  .action(args => identity('show', undefined, args))
identities
  .command('export')
  .description('Print the private key; anyone who has it can act as you.')
  .option(...userOption)
  .action(args => identity('export', undefined, args))
identities
  .command('import')
  .description('Import a key that was exported on another machine.')
  .argument('[file]', 'file with the exported key (default: stdin)')
  .option(...userOption)
  .option('--replace', 'replace the key that is stored here')
  .action((file, args) => identity('import', file, args))

const meshes = program.command('mesh').description('List or forget the meshes that you have met.')
meshes
  .command('list')
  .description('Print each known mesh: its name, auth mode, key in words, and servers.')
  .option('--json', 'print JSON lines')
  .action(listMeshes)
meshes
  .command('forget')
  .description('Forget which mesh a server belongs to, so that another one is accepted there.')
  .argument('<origin>', 'server URL')
  .option('--keep-history', 'it is the same mesh with a new key: keep its messages for it')
  .action(forgetMesh)

addUserOptions(
  program.command('who').description('Print the users online, or the members of a room, one name per line.'),
)
  .argument('[name]', "a room ('#ops') that you are in, or a part of the names to list")
  .option('--join', 'join the room for a moment if you are not in it; its members see that')
  .option('--json', 'print one JSON object')
  .action((name: string | undefined, args: WhoArguments) => {
    const trimmed = name?.trim()
    return trimmed !== undefined && isRoom(trimmed) ? roomMembers(trimmed, args) : who(trimmed, args)
  })

addServerOptions(
  program.command('top').description('Monitor the mesh live: servers, links, users, messages per second.'),
)
  .option('--json', 'print one reading as a JSON object, and exit')
  .option('--no-color', 'no colors (also: NO_COLOR in the environment)')
  // Loaded on demand: other commands start faster without it.
  .action(async (args: TopArguments) => (await import('./top/top.ts')).top(args))

program
  .command('lab')
  .description('Start the servers of a config and clients side by side in tmux, to watch them stay in sync.')
  .argument(
    '[clients...]',
    'clients to start, as NAME:PORT (default: Anna on the first two servers, Billy on the third)',
  )
  .option('--config <file>', 'config of the mesh (default: ./config.json, else the one in the package)')
  .option('--detach', 'start in the background, and print how to attach')
  .option('--socket <name>', 'socket name of the tmux server, as in tmux -L', 'mesh-chat')
  .addHelpText('after', LAB_HELP)
  .action(lab)

program
  .command('completion')
  .description('Print a completion script for a shell, with instructions to load it.')
  .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
  .action((shell: Shell) => printLine(completionScript(shell, program)))

addHelpCommand(program)
reportUsageErrors(program)
program
  .parseAsync()
  .catch((error: unknown) => fail(EXIT.general, error instanceof Error ? error.message : String(error)))

/** The libraries that draw know the option, too, and would not even draw a cursor: they get the variable only. */
function disableColors(): void {
  process.env.NO_COLOR = '1'
  process.argv = process.argv.filter(argument => argument !== '--no-color')
}
