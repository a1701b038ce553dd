import { Argument, Command, Option } from 'commander'
import { describe, expect, test } from 'vitest'
import { completionScript, SHELLS } from '../../../../src/programs/command-line/completion.ts'

/** A program with a flag, options with values, nested commands and an argument with choices. */
function program(): Command {
  const command = new Command('mesh-chat')
    .description('chat')
    .option('--json', 'print JSON')
    .option('-u, --user <name>', "the user's name")
    .option('--config <file>', 'a config')
    .addOption(new Option('--log-level <level>', 'log level').choices(['info', 'debug']))
  const identity = command.command('identity').description('keys: show or export')
  identity.command('show').description('show the key')
  command
    .command('completion')
    .description('shell completion')
    .addArgument(new Argument('<shell>').choices([...SHELLS, 'with:colon']))
  return command
}
const linesOf = (shell: (typeof SHELLS)[number]) => completionScript(shell, program()).split('\n')
const lineWith = (shell: (typeof SHELLS)[number], text: string) => linesOf(shell).find(line => line.includes(text))

describe.each(SHELLS)('%s', shell => {
  test('every option and command is completed', () => {
    const script = completionScript(shell, program())
    const dashes = shell === 'fish' ? '-l ' : '--'
    for (const option of ['json', 'user', 'config', 'log-level', 'help']) expect(script).toContain(`${dashes}${option}`)
    for (const word of ['identity', 'show', 'completion', 'bash', 'zsh', 'fish']) expect(script).toContain(word)
  })

  test('the script is named after the program', () => {
    const script = completionScript(shell, program().name('other-name'))
    expect(script).toContain('_other_name')
    expect(script).not.toContain('mesh-chat')
  })

  test('the first line says how to load it', () => {
    expect(linesOf(shell).slice(0, 2).join('\n')).toContain(`for ${shell}.`)
  })
})

describe('bash', () => {
  test('words are listed per command', () => {
    expect(lineWith('bash', "'') options=")).toBe(
      "    '') options='--json --user -u --config --log-level --help -h' words='identity completion' ;;",
    )
    expect(lineWith('bash', "'identity') options=")).toBe("    'identity') options='--help -h' words='show' ;;")
    expect(lineWith('bash', "'completion') options=")).toBe(
      "    'completion') options='--help -h' words='bash zsh fish with:colon' ;;",
    )
  })

  test('values are completed by their kind', () => {
    expect(lineWith('bash', "':--user') COMPREPLY")).toBe("    ':--user') COMPREPLY=(); return ;;")
    expect(lineWith('bash', "':--config') compopt")).toContain('compgen -f')
    expect(lineWith('bash', "':--log-level') COMPREPLY")).toContain("compgen -W 'info debug'")
  })

  test('a value of an option is not taken for a command', () => {
    expect(linesOf('bash')).toContain("      ':--user') skip=1 ;;")
    expect(linesOf('bash')).toContain("      ':identity') at='identity' ;;")
    expect(linesOf('bash')).toContain("      'identity:show') at='identity show' ;;")
    expect(linesOf('bash')).not.toContain("      ':--json') skip=1 ;;")
  })
})

describe('zsh', () => {
  test('words have descriptions; quotes and the colons of words are escaped', () => {
    expect(lineWith('zsh', "'') options=")).toContain("'identity:keys: show or export'")
    expect(lineWith('zsh', "'completion') options=")).toContain(String.raw`'with\:colon'`)
    expect(lineWith('zsh', "'') options=")).toContain(String.raw`'--user:the user'\''s name'`)
  })

  test('values are completed by their kind', () => {
    expect(linesOf('zsh')).toContain("    ':--user') :; return ;;")
    expect(linesOf('zsh')).toContain("    ':--config') _files; return ;;")
    expect(linesOf('zsh')).toContain("    ':--log-level') compadd -- 'info' 'debug'; return ;;")
  })
})

describe('fish', () => {
  const atRoot = `complete -c mesh-chat -n 'test (__mesh_chat_at) = ""'`

  test('options have descriptions and value kinds; quotes are escaped', () => {
    expect(linesOf('fish')).toContain(`${atRoot} -l json -d 'print JSON'`)
    expect(linesOf('fish')).toContain(String.raw`${atRoot} -l user -d 'the user\'s name' -x`)
    expect(linesOf('fish')).toContain(String.raw`${atRoot} -s u -d 'the user\'s name' -x`)
    expect(linesOf('fish')).toContain(`${atRoot} -l config -d 'a config' -r -F`)
    expect(linesOf('fish')).toContain(`${atRoot} -l log-level -d 'log level' -x -a 'info debug'`)
  })

  test('commands are completed where they can follow', () => {
    expect(linesOf('fish')).toContain(`${atRoot} -a 'identity' -d 'keys: show or export'`)
    expect(linesOf('fish')).toContain(
      `complete -c mesh-chat -n 'test (__mesh_chat_at) = "identity"' -a 'show' -d 'show the key'`,
    )
  })
})
