import { Argument, Command, Option } from 'commander'
import { addHelpCommand, reportUsageErrors } from '../src/programs/command-line/command-errors.ts'
import { completionScript, SHELLS, type Shell } from '../src/programs/command-line/completion.ts'
import { exitOnCrash, setProgramName } from '../src/programs/command-line/fail.ts'
import { printLine } from '../src/programs/command-line/print.ts'
import { VERSION } from '../src/programs/package.ts'
import { AUTH_MODES } from '../src/protocol/proofs/credentials.ts'
import type { TokenArguments } from './auth/print-token.ts'
import type { CheckArguments } from './check/check.ts'
import { CHECK_HELP, HELP } from './help.ts'
import { runCommand } from './run-command.ts'
import type { ServeArguments } from './settings/settings.ts'

setProgramName('mesh-chatd')
exitOnCrash()
const program = new Command('mesh-chatd')
  .description('Run one server of the mesh.')
  .version(VERSION)
  .enablePositionalOptions()
  .option('--id <id>', 'id of this server in the config')
  .option('--config <file>', 'config of the mesh (default: ./config.json, else the packaged one)')
  .option('--host <address>', 'address to listen on (default: from the config)')
  .option('--port <port>', 'port to listen on (default: from the config)')
  .option('--join <url...>', 'join the mesh of this server; no config is needed')
  .option('--advertise <url>', 'URL at which others reach this server (default: where it listens)')
  .option('--name <origin...>', 'origins at which clients reach this server through a proxy or balancer')
  .option('--origin <origin...>', 'origins of pages in a browser that may connect (default: its own only)')
  .option('--backbone <url...>', 'NATS servers that carry the links, nats://HOST:PORT, instead of direct links')
  .option('--workers <count>', 'number of worker processes on one port, or auto: one per CPU')
  .option('--link-port <port>', 'port for links of the first worker; others follow (default: free ports)')
  .option('--admin-port <port>', 'serve /healthz, /readyz and /metrics on this port; workers use the following ports')
  .option('--admin-host <address>', 'address of the admin port (default: 127.0.0.1)')
  .addOption(
    new Option('--log-format <format>', 'format of the log (default: text on a terminal, else json)').choices([
      'text',
      'json',
    ]),
  )
  .addOption(
    new Option('--log-level <level>', 'minimum level to log (default: debug as text, info as json)').choices([
      'debug',
      'info',
      'warn',
      'error',
    ]),
  )
  .addOption(new Option('--auth <mode>', 'how users prove their names (default: from the config)').choices(AUTH_MODES))
  .option('--insecure', 'allow network access without secret and auth: anyone can join as a server')
  .option('--log-text', 'log the texts of messages, not only their lengths')
  .option('--exit-with-stdin', 'shut down when standard input closes; for programs that launch servers')
  .addHelpText('after', HELP)
  .action(async (args: ServeArguments) => {
    const { serve } = await import('./serve.ts')
    await runCommand(serve(args))
  })
program
  .command('token')
  .description('Print a token for a user, for a mesh with auth: token.')
  .requiredOption('--user <name>', 'name of the user')
  .option('--expires <time>', 'lifetime of the token, such as 12h or 30d', '30d')
  .option('--key <file>', 'key to sign with (default: tokenKeyFile in the config)')
  .option('--audience <name>', 'aud of the token (default: tokenAudience in the config)')
  .option('--room <name...>', 'rooms that the user may join, in quotes because of the # (default: any)')
  .option('--issuer <name>', 'iss of the token (default: tokenIssuer in the config)')
  .option('--config <file>', 'config of the mesh (default: ./config.json, else the packaged one)')
  .action(async (args: TokenArguments) => {
    // Loads the modules that the command needs, and no others.
    const { printToken } = await import('./auth/print-token.ts')
    await runCommand(printToken(args))
  })
program
  .command('check')
  .description('Check a config, its files and its servers. Change nothing in the mesh.')
  .option('--config <file>', 'config of the mesh (default: ./config.json, else the packaged one)')
  .option('--id <id>', 'the server to run on this machine; it is not contacted')
  .option('--timeout <seconds>', 'how long to wait for a server', '5')
  .option('--insecure', 'accept a config without secret and auth, as the server does')
  .option('--json', 'print JSON lines')
  .addHelpText('after', CHECK_HELP)
  .action(async (args: CheckArguments) => {
    const { check } = await import('./check/check.ts')
    await runCommand(check(args).then(code => process.exit(code)))
  })
program
  .command('completion')
  .description('Print a completion script for a shell, with instructions to load it.')
  .addArgument(new Argument('<shell>', 'name of the shell').choices(SHELLS))
  .action((shell: Shell) => printLine(completionScript(shell, program)))
addHelpCommand(program)
reportUsageErrors(program)
await program.parseAsync()
