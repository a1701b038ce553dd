import type { Command, CommanderError } from 'commander'
import { EXIT, fail } from './fail.ts'
import { print } from './print.ts'
import { didYouMean } from './suggestion.ts'

/**
 * Makes a program and its commands report wrong usage like every other error: one line that starts with the program's
 * name and says what to do, and exit code 2. Call it when all commands are declared.
 */
export function reportUsageErrors(command: Command): void {
  command.configureOutput({ writeOut: print, outputError: () => {} }).exitOverride(error => {
    if (error.exitCode === 0) process.exit(0)
    // A group of commands without a command: Commander has printed its help.
    if (error.code === 'commander.help') process.exit(EXIT.usage)
    fail(EXIT.usage, usageError(command, error))
  })
  for (const child of command.commands) reportUsageErrors(child)
}

/**
 * Adds the command `help`, which prints the help of the program or of a command. Commander has one only for programs that do
 * nothing without a command.
 */
export function addHelpCommand(program: Command): void {
  program
    .command('help')
    .description('Print the help of a command.')
    .argument('[command...]', 'the command')
    .action((names: string[]) => {
      let command = program
      for (const name of names) {
        const child = command.commands.find(one => one.name() === name)
        if (child === undefined) {
          fail(EXIT.usage, withHelp(unknownCommand(command, name), `${fullName(command)} --help`))
        }
        command = child
      }
      command.outputHelp()
    })
}

/** An error of Commander as one line, with the command that prints the help. */
function usageError(command: Command, error: CommanderError): string {
  const help = `${fullName(command)} --help`
  // Only a program or a group of commands has commands. The option of a misspelt command is unknown, too.
  const [name = ''] = command.args
  const isUnknownCommand =
    error.code === 'commander.unknownCommand' ||
    error.code === 'commander.excessArguments' ||
    (error.code === 'commander.unknownOption' && name !== '' && !name.startsWith('-'))
  if (isUnknownCommand && command.commands.length > 0) return withHelp(unknownCommand(command, name), help)
  // Commander looks for missing options first; a misspelt one is the reason.
  const misspelt = command.args.find(arg => /^--[a-z]/.test(arg))
  if (error.code === 'commander.missingMandatoryOptionValue' && misspelt !== undefined) {
    const [option = ''] = misspelt.split('=')
    const options = command.options.flatMap(({ long }) => long ?? [])
    return withHelp(`unknown option '${option}'${didYouMean(option, options)}`, help)
  }
  if (error.code === 'commander.excessArguments') {
    return withHelp(`unexpected argument '${command.args[command.registeredArguments.length]}'`, help)
  }
  // Commander writes "error: PROBLEM.\n(Did you mean OPTION?)".
  const problem = error.message
    .replace(/^error: /, '')
    .replace(
      /^command-argument value ('.*') is invalid for argument '(.*)'\. Allowed choices are /,
      'unknown $2 $1; give one of: ',
    )
    .replace(/^option '(\S+).*' argument '(.*)' is invalid\. Allowed choices are /, '$1 $2 is unknown; give one of: ')
    .replace(/\s*\(Did you mean (.*)\?\)$/, '; did you mean $1?')
    .replace(/\.$/, '')
  if (error.code === 'commander.optionMissingArgument' && takesRoom(command, error)) {
    return withHelp(`${problem}; a shell takes # for a comment, so quote a room: '#ops'`, help)
  }
  return withHelp(problem, help)
}

/** Whether the value of the option that an error is about may be a room: its description shows one. */
function takesRoom({ options }: Command, { message }: CommanderError): boolean {
  return options.some(({ flags, description }) => message.includes(`'${flags}'`) && description.includes("'#"))
}

function unknownCommand({ commands }: Command, name: string): string {
  const names = commands.map(child => child.name())
  return `unknown command '${name}'${didYouMean(name, names)}`
}

function withHelp(problem: string, help: string): string {
  return problem.endsWith('?') ? `${problem} See ${help}` : `${problem}; see ${help}`
}

/** The words that run a command: the program's name, and those of its commands. */
function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`
}
