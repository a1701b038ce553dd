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

/** An error of Commander as one line, with the command that prints the help. */
function usageError(command: Command, error: CommanderError): string {
  const help = `${fullName(command)} --help`
  // Only a program or a group of commands has commands.
  const isUnknownCommand = error.code === 'commander.unknownCommand' || error.code === 'commander.excessArguments'
  if (isUnknownCommand && command.commands.length > 0) {
    const [name = ''] = command.args
    const names = command.commands.map(child => child.name())
    return withHelp(`unknown command '${name}'${didYouMean(name, names)}`, help)
  }
  if (error.code === 'commander.excessArguments') {
    return withHelp(`unexpected argument '${command.args[command.registeredArguments.length]}'`, help)
  }
  // Commander writes "error: PROBLEM.\n(Did you mean OPTION?)".
  const problem = error.message
    .replace(/^error: /, '')
    .replace(/\s*\(Did you mean (.*)\?\)$/, '; did you mean $1?')
    .replace(/\.$/, '')
  return withHelp(problem, help)
}

function withHelp(problem: string, help: string): string {
  return problem.endsWith('?') ? `${problem} See ${help}` : `${problem}; see ${help}`
}

/** The words that run a command: the program's name, and those of its commands. */
function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`
}
