/**
 * Shell completion for bash, zsh and fish, generated from a program's commands and options. Both programs print a
 * script; Tab does not start the program, so completion is as fast as the shell.
 */

/** An option, as declared with Commander. */
interface DeclaredOption {
  readonly flags: string
  readonly short?: string | undefined
  readonly long?: string | undefined
  readonly description: string
  /** Whether it requires a value. */
  readonly required: boolean
  readonly argChoices?: readonly string[] | undefined
}

/** A command, as declared with Commander. */
export interface DeclaredCommand {
  name(): string
  description(): string
  readonly options: readonly DeclaredOption[]
  readonly commands: readonly DeclaredCommand[]
  readonly registeredArguments: readonly { readonly argChoices?: readonly string[] | undefined }[]
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** A candidate word and its description. */
interface Word {
  text: string
  description: string
}

/** Completion of an option's value: one of some words, a file, or nothing to suggest. */
type ValueCompletion = readonly string[] | 'file' | 'anything'

/** A position on the command line: after the program's name and the commands of `path`. */
interface CommandNode {
  /** Commands, separated by spaces; empty for the program itself. */
  path: string
  commands: Word[]
  words: Word[]
  options: Word[]
  /** Flag → completion of its value. */
  values: Map<string, ValueCompletion>
}

/** The completion script of a program for a shell. */
export function completionScript(shell: Shell, program: DeclaredCommand): string {
  const name = program.name()
  const nodes = collectNodes(program, [])
  return { bash, zsh, fish }[shell](name, name.replaceAll('-', '_'), nodes)
}

function collectNodes(command: DeclaredCommand, path: readonly string[]): CommandNode[] {
  const values = new Map<string, ValueCompletion>()
  const options: Word[] = []
  const help = { flags: '-h, --help', short: '-h', long: '--help', description: 'display help', required: false }
  for (const option of [...command.options, help]) {
    for (const text of [option.long, option.short]) {
      if (text === undefined) continue
      options.push({ text, description: option.description })
      if (option.required) values.set(text, valueCompletion(option))
    }
  }
  const commands = command.commands.map(one => ({ text: one.name(), description: one.description() }))
  const words = command.registeredArguments.flatMap(({ argChoices = [] }) =>
    argChoices.map(text => ({ text, description: '' })),
  )
  const here = { path: path.join(' '), commands, words, options, values }
  return [here, ...command.commands.flatMap(one => collectNodes(one, [...path, one.name()]))]
}

function valueCompletion({ flags, argChoices }: DeclaredOption): ValueCompletion {
  if (argChoices !== undefined) return argChoices
  return /<file>/.test(flags) ? 'file' : 'anything'
}

/** Quotes a text for bash and zsh. */
const shellQuote = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`
const casePattern = ({ path }: CommandNode, word: string) => shellQuote(`${path}:${word}`)

/** A loop that finds the current command: it skips the values of options and follows subcommands. */
function walkScript(nodes: readonly CommandNode[], wordList: string): string[] {
  const lines = nodes.flatMap(node => [
    ...[...node.values.keys()].map(flag => `      ${casePattern(node, flag)}) skip=1 ;;`),
    ...node.commands.map(({ text }) => {
      return `      ${casePattern(node, text)}) at=${shellQuote(node.path === '' ? text : `${node.path} ${text}`)} ;;`
    }),
  ])
  return [
    `  for word in ${wordList}; do`,
    '    if [[ -n $skip ]]; then [[ $word == = ]] || skip=; continue; fi',
    '    case "$at:$word" in',
    ...lines,
    '    esac',
    '  done',
  ]
}

function bash(name: string, identifier: string, nodes: readonly CommandNode[]): string {
  const values = nodes.flatMap(node =>
    [...node.values].map(([flag, value]) => {
      const words =
        value === 'file'
          ? `compopt -o filenames 2>/dev/null; IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$cur"))`
          : value === 'anything'
            ? 'COMPREPLY=()'
            : `COMPREPLY=($(compgen -W ${shellQuote(value.join(' '))} -- "$cur"))`
      return `    ${casePattern(node, flag)}) ${words}; return ;;`
    }),
  )
  const words = nodes.map(node => {
    const texts = (list: readonly Word[]) => shellQuote(list.map(({ text }) => text).join(' '))
    return `    ${shellQuote(node.path)}) options=${texts(node.options)} words=${texts([...node.commands, ...node.words])} ;;`
  })
  return [
    `# Completion of ${name} for bash. Load it in ~/.bashrc with:  source <(${name} completion bash)`,
    `_${identifier}() {`,
    `  local IFS=$' \\t\\n' cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}`,
    "  local at='' skip='' word options='' words=''",
    '  # Bash splits --option=value into three words.',
    `  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi`,
    ...walkScript(nodes, `"\${COMP_WORDS[@]:1:COMP_CWORD-1}"`),
    '  case "$at:$prev" in',
    ...values,
    '  esac',
    '  case $at in',
    ...words,
    '  esac',
    '  if [[ $cur == -* ]]; then words=$options; fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    '}',
    `complete -F _${identifier} ${name}`,
  ].join('\n')
}

function zsh(name: string, identifier: string, nodes: readonly CommandNode[]): string {
  // `_describe` separates word and description by a colon.
  const described = ({ text, description }: Word) =>
    shellQuote(`${text.replaceAll(':', String.raw`\:`)}${description === '' ? '' : `:${description}`}`)
  const values = nodes.flatMap(node =>
    [...node.values].map(([flag, value]) => {
      const words =
        value === 'file' ? '_files' : value === 'anything' ? ':' : `compadd -- ${value.map(shellQuote).join(' ')}`
      return `    ${casePattern(node, flag)}) ${words}; return ;;`
    }),
  )
  const words = nodes.map(node => {
    const texts = (list: readonly Word[]) => `(${list.map(described).join(' ')})`
    return `    ${shellQuote(node.path)}) options=${texts(node.options)} commands=${texts([...node.commands, ...node.words])} ;;`
  })
  return [
    `#compdef ${name}`,
    `# Completion of ${name} for zsh. Load it in ~/.zshrc, after compinit, with:  source <(${name} completion zsh)`,
    `_${identifier}() {`,
    '  local at= skip= word',
    '  local -a options commands',
    ...walkScript(nodes, '$words[2,CURRENT-1]'),
    '  case "$at:$words[CURRENT-1]" in',
    ...values,
    '  esac',
    '  case $at in',
    ...words,
    '  esac',
    '  if [[ $words[CURRENT] == -* ]]; then _describe -o option options; else _describe command commands; fi',
    '}',
    `if [[ $funcstack[1] == _${identifier} ]]; then _${identifier}; else compdef _${identifier} ${name}; fi`,
  ].join('\n')
}

function fish(name: string, identifier: string, nodes: readonly CommandNode[]): string {
  const fishQuote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines = nodes.flatMap(node => {
    const here = `complete -c ${name} -n ${fishQuote(`test (__${identifier}_at) = "${node.path}"`)}`
    const options = node.options.map(({ text, description }) => {
      const value = node.values.get(text)
      const follows =
        value === undefined
          ? ''
          : value === 'file'
            ? ' -r -F'
            : value === 'anything'
              ? ' -x'
              : ` -x -a ${fishQuote(value.join(' '))}`
      const flag = text.startsWith('--') ? `-l ${text.slice(2)}` : `-s ${text.slice(1)}`
      return `${here} ${flag} -d ${fishQuote(description)}${follows}`
    })
    const words = [...node.commands, ...node.words].map(
      ({ text, description }) =>
        `${here} -a ${fishQuote(text)}${description === '' ? '' : ` -d ${fishQuote(description)}`}`,
    )
    return [...options, ...words]
  })
  const steps = nodes.flatMap(node => [
    ...[...node.values.keys()].map(flag => `      case ${fishQuote(`${node.path}:${flag}`)}; set skip 1`),
    ...node.commands.map(({ text }) => {
      return `      case ${fishQuote(`${node.path}:${text}`)}; set at ${fishQuote(node.path === '' ? text : `${node.path} ${text}`)}`
    }),
  ])
  return [
    `# Completion of ${name} for fish. Put it into ~/.config/fish/completions/${name}.fish`,
    `function __${identifier}_at`,
    "  set -l at ''",
    "  set -l skip ''",
    '  for word in (commandline -opc)[2..-1]',
    '    if test -n "$skip"; set skip \'\'; continue; end',
    '    switch "$at:$word"',
    ...steps,
    '    end',
    '  end',
    '  echo $at',
    'end',
    `complete -c ${name} -f`,
    ...lines,
  ].join('\n')
}
