#!/usr/bin/env node
import { Argument, Command, Option } from 'commander'
import { completionScript, SHELLS, type Shell } from '../src/programs/completion.ts'
import { setProgramName } from '../src/programs/fail.ts'
import { VERSION } from '../src/programs/package.ts'
import { AUTH_MODES } from '../src/protocol/credentials.ts'
import { printToken, type TokenArguments } from './auth/print-token.ts'
import { type CheckArguments, check } from './check/check.ts'
import { CHECK_HELP, HELP } from './help.ts'
import { runCommand } from './run-command.ts'
import { serve } from './serve.ts'
import type { ServeArguments } from './settings/settings.ts'

setProgramName('mesh-chatd')
const program = new Command('mesh-chatd')
  .description('Runs one server of the mesh.')
  .version(VERSION)
  .enablePositionalOptions()
  .option('--id <id>', 'which server of the config this is')
  .option('--config <file>', 'the mesh: ids, addresses and ports (default: config.json here, else the one shipped)')
  .option('--host <address>', 'listen on this address instead of the one in the config')
  .option('--port <port>', 'listen on this port instead of the one in the config')
  .option('--join <url...>', 'join the mesh of the server at this address; no config is needed')
  .option('--advertise <url>', 'where others reach this server, if that is not where it listens')
  .option(
    '--backbone <url...>',
    'NATS servers that carry the links, nats://host:port, instead of a link from each to each',
  )
  .option('--workers <count>', 'so many processes on one port, or auto: one for each CPU')
  .option('--link-port <port>', 'of the first worker for links, the next has the next (default: any that is free)')
  .option('--admin-port <port>', 'serve /healthz, /readyz and /metrics on this port; the next worker has the next')
  .option('--admin-host <address>', 'on this address (default: 127.0.0.1)')
  .addOption(new Option('--log-format <format>', 'text or json').choices(['text', 'json']))
  .addOption(
    new Option('--log-level <level>', 'how much to tell (default: debug as text, info as json)').choices([
      'debug',
      'info',
      'warn',
      'error',
    ]),
  )
  .addOption(
    new Option('--auth <mode>', 'how users prove their names, instead of what the config says').choices(AUTH_MODES),
  )
  .option('--insecure', 'listen to the network without a secret: whoever reaches this server can be a peer')
  .option('--log-text', "log the messages' texts, not only their lengths")
  .addHelpText('after', HELP)
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))
  .action((args: ServeArguments) => runCommand(serve(args)))
program
  .command('token')
  .description('Prints a token that says who a user is, where the mesh has auth: token.')
  .requiredOption('--user <name>', 'whom it is for')
  .option('--expires <time>', 'how long it is good for: 12h, 30d …', '30d')
  .option('--key <file>', 'the key that signs it (default: tokenKeyFile of the config)')
  .option('--config <file>', 'the mesh (default: config.json here, else the one shipped)')
  .action((args: TokenArguments) => runCommand(printToken(args)))
program
  .command('check')
  .description('Looks at a config, its files, and each server of it; changes nothing in the mesh.')
  .option('--config <file>', 'the mesh (default: config.json here, else the one shipped)')
  .option('--id <id>', 'the server that is to run here; it is not asked itself')
  .option('--timeout <seconds>', 'how long a server may take to answer', '5')
  .option('--insecure', 'as for the server: no secret and no auth are needed')
  .option('--json', 'as JSON lines')
  .addHelpText('after', CHECK_HELP)
  .action((args: CheckArguments) => runCommand(check(args).then(code => process.exit(code))))
program
  .command('completion')
  .description('Prints the script that teaches a shell to complete mesh-chatd; it says how to load it.')
  .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
  .action((shell: Shell) => console.log(completionScript(shell, program)))
await program.parseAsync()
