import { didYouMean } from '../../../../src/programs/command-line/suggestion.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { SETTINGS } from '../preferences.ts'
import type { Command } from './command.ts'
import { COMMANDS } from './commands.ts'

/** Runs a command line without its slash. A unique prefix of a command name is enough. */
export function runCommand(model: Model, line: string): ScreenRequest[] {
  const [, name = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(line) ?? []
  const command = COMMANDS.find(one => one.name === name) ?? commandByPrefix(name)
  if (command === undefined) {
    const isSetting = SETTINGS.some(setting => setting.name === name)
    const commands = COMMANDS.map(one => `/${one.name}`)
    const suggestion = isSetting ? `; did you mean /set ${name}?` : didYouMean(`/${name}`, commands)
    model.showNotice(`unknown command /${name}${suggestion || '; see /help'}`, 'error')
    return []
  }
  if (rest === '' && needsArguments(command)) {
    model.showNotice(`usage: /${command.name} ${command.usage}`, 'error')
    return []
  }
  return command.run(model, rest.trim())
}

/** Whether the usage has an argument outside brackets. */
function needsArguments({ usage }: Command): boolean {
  return /(?:^|\] )[^[]/.test(usage)
}

function commandByPrefix(prefix: string): Command | undefined {
  const matches = COMMANDS.filter(one => prefix !== '' && one.name.startsWith(prefix))
  return matches.length === 1 ? matches[0] : undefined
}
