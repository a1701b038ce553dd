import { Argument, Command } from 'commander'
import { completionScript, SHELLS, type Shell } from '../src/programs/completion.ts'
import { EXIT, fail } from '../src/programs/fail.ts'
import { VERSION } from '../src/programs/package.ts'
import { chat } from './commands/chat.ts'
import { printHistory } from './commands/history.ts'
import { identity } from './commands/identity.ts'
import { lab } from './commands/lab.ts'
import { send } from './commands/send.ts'
import { tail } from './commands/tail.ts'
import { who } from './commands/who.ts'
import { HELP } from './help.ts'
import { addServerOptions, addUserOptions, connectionTarget, parseNameOption, type ServerArguments } from './options.ts'
import { SettingsFile } from './settings.ts'
import type { TopArguments } from './top/top.ts'

interface ChatArguments extends ServerArguments {
  user?: string
  to?: string
  history: boolean
  json?: boolean
  plain?: boolean
  screenReader?: boolean
  inline?: boolean
  color: boolean
}

const program = new Command('mesh-chat')
  .description('Chats as a user of the mesh: full screen on a terminal, else line by line.')
  .version(VERSION)
  .enablePositionalOptions()
  .addHelpText('after', HELP)
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : EXIT.usage))
addUserOptions(program)
  .option('--to <name>', 'whose thread to open')
  .option('--inline', "print what is said into the terminal's own scrollback, and keep only the composer below")
  .option('--plain', 'line by line, on a terminal too')
  .option('--screen-reader', 'the same: plain lines, states as words, nothing drawn')
  .option('--json', 'JSON lines both ways, for programs')
  .option('--no-history', 'keep nothing on disk')
  .option('--no-color', 'no colours; so does NO_COLOR in the environment')
  .action(async (args: ChatArguments) => {
    const settings = new SettingsFile()
    const target = connectionTarget(args, settings)
    const to = args.to === undefined ? undefined : parseNameOption('--to', args.to)
    if (!args.color) process.env.NO_COLOR = '1'
    const plain = args.plain || args.json || args.screenReader || process.env.INK_SCREEN_READER === 'true'
    const terminal = process.stdin.isTTY && process.stdout.isTTY && !plain && process.env.TERM !== 'dumb'
    const screen = terminal ? (args.inline ? 'inline' : 'whole') : undefined
    await chat({ ...target, to, settings, screen, history: args.history, json: args.json === true })
  })

addUserOptions(program.command('send').description('Sends one message, and ends with what became of it.'))
  .argument('<text>', 'the message; - reads it from stdin')
  .requiredOption('--to <name>', 'to whom')
  .option('--timeout <seconds>', 'how long the recipient may stay offline', '10')
  .option('--keep', 'leave an undelivered message in the outbox, for your next client to send')
  .action(send)

addUserOptions(program.command('tail').description('Prints messages as they come, until a signal.'))
  .option('--with <name>', 'only those from and to NAME')
  .option('--json', 'as JSON lines')
  .action(tail)

program
  .command('history')
  .description('Prints what this machine keeps of your messages, the oldest first.')
  .option('--user <name>', 'whose (default: who you were last)')
  .option('--with <name>', 'only those from and to NAME')
  .option('--json', 'as JSON lines')
  .action(printHistory)

const identities = program.command('identity').description('Shows or moves your key, where users are known by keys.')
const userOption = ['--user <name>', 'whose (default: who you were last)'] as const
identities
  .command('show')
  .description('Prints your name, the words of your key, and the public key itself.')
  .option(...userOption)
  .action(args => identity('show', undefined, args))
identities
  .command('export')
  .description('Prints the private key: whoever has it is you.')
  .option(...userOption)
  .action(args => identity('export', undefined, args))
identities
  .command('import')
  .description('Takes a key that was exported on another machine.')
  .argument('[file]', 'the key (default: stdin)')
  .option(...userOption)
  .option('--replace', 'in place of the one that is here')
  .action((file, args) => identity('import', file, args))

addServerOptions(program.command('who').description('Prints who is online, one name a line.'))
  .option('--json', 'as one JSON object')
  .action(who)

addServerOptions(program.command('top').description('Shows the mesh live: servers, links, users, messages a second.'))
  .option('--json', 'prints one reading, as one JSON object')
  .option('--no-color', 'no colours; so does NO_COLOR in the environment')
  // Nobody else is to wait until it is loaded.
  .action(async (args: TopArguments) => (await import('./top/top.ts')).top(args))

program
  .command('lab')
  .description('Starts the servers of a config, and clients side by side in tmux, to watch them stay in sync.')
  .argument(
    '[clients...]',
    'who connects where, as NAME:PORT (default: Anna on the first two servers, Billy on the third)',
  )
  .option('--config <file>', 'the mesh (default: config.json here, else the one shipped)')
  .option('--detach', 'leave the tmux session running, and tell how to attach to it')
  .option('--socket <name>', "the name of tmux's socket", 'mesh-chat')
  .action(lab)

program
  .command('completion')
  .description('Prints the script that teaches a shell to complete mesh-chat; it says how to load it.')
  .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
  .action((shell: Shell) => console.log(completionScript(shell, program)))

program
  .parseAsync()
  .catch((error: unknown) => fail(EXIT.general, error instanceof Error ? error.message : String(error)))
