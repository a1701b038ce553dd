/**
 * Completion in bash, zsh and fish, from a program's own commands and options. Both programs print theirs; nothing runs
 * when somebody presses Tab, so it is as fast as the shell.
 */

/** An option as the programs' library for command lines has it. */
interface DeclaredOption {
  readonly flags: string
  readonly short?: string | undefined
  readonly long?: string | undefined
  readonly description: string
  /** Whether a value has to follow. */
  readonly required: boolean
  readonly argChoices?: readonly string[] | undefined
}

/** A command likewise. */
export interface DeclaredCommand {
  name(): string
  description(): string
  readonly options: readonly DeclaredOption[]
  readonly commands: readonly DeclaredCommand[]
  readonly registeredArguments: readonly { readonly argChoices?: readonly string[] | undefined }[]
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** A word that may stand somewhere, and what it means. */
interface Word {
  text: string
  means: string
}

/** What an option wants behind it: one of some words, a file, or what nobody can know here. */
type Value = readonly string[] | 'file' | 'anything'

/** A place on the command line: behind the program's name and these commands. */
interface Place {
  /** Commands, joined by blanks; empty for the program itself. */
  path: string
  commands: Word[]
  words: Word[]
  options: Word[]
  /** Flag → what is to follow it. */
  values: Map<string, Value>
}

/** The script that teaches a shell to complete a program's command line. */
export function completion(shell: Shell, program: DeclaredCommand): string {
  const name = program.name()
  const all = places(program, [])
  return { bash, zsh, fish }[shell](name, name.replaceAll('-', '_'), all)
}

function places(command: DeclaredCommand, path: readonly string[]): Place[] {
  const values = new Map<string, Value>()
  const options: Word[] = []
  const help = { flags: '-h, --help', short: '-h', long: '--help', description: 'display help', required: false }
  for (const option of [...command.options, help]) {
    for (const text of [option.long, option.short]) {
      if (text === undefined) continue
      options.push({ text, means: option.description })
      if (option.required) values.set(text, wantedBy(option))
    }
  }
  const commands = command.commands.map(one => ({ text: one.name(), means: one.description() }))
  const words = command.registeredArguments.flatMap(({ argChoices = [] }) =>
    argChoices.map(text => ({ text, means: '' })),
  )
  const here = { path: path.join(' '), commands, words, options, values }
  return [here, ...command.commands.flatMap(one => places(one, [...path, one.name()]))]
}

function wantedBy({ flags, argChoices }: DeclaredOption): Value {
  if (argChoices !== undefined) return argChoices
  return /<file>/.test(flags) ? 'file' : 'anything'
}

/** For bash and zsh alike: quotes a text, and the patterns of a `case`. */
const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`
const at = ({ path }: Place, word: string) => quoted(`${path}:${word}`)

/** Which words lead deeper, and behind which flags a value stands that leads nowhere. */
function walk(all: readonly Place[], each: string): string[] {
  const lines = all.flatMap(place => [
    ...[...place.values.keys()].map(flag => `      ${at(place, flag)}) skip=1 ;;`),
    ...place.commands.map(({ text }) => {
      return `      ${at(place, text)}) at=${quoted(place.path === '' ? text : `${place.path} ${text}`)} ;;`
    }),
  ])
  return [
    `  for word in ${each}; do`,
    '    if [[ -n $skip ]]; then [[ $word == = ]] || skip=; continue; fi',
    '    case "$at:$word" in',
    ...lines,
    '    esac',
    '  done',
  ]
}

function bash(name: string, identifier: string, all: readonly Place[]): string {
  const values = all.flatMap(place =>
    [...place.values].map(([flag, value]) => {
      const words =
        value === 'file'
          ? `compopt -o filenames 2>/dev/null; IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$cur"))`
          : value === 'anything'
            ? 'COMPREPLY=()'
            : `COMPREPLY=($(compgen -W ${quoted(value.join(' '))} -- "$cur"))`
      return `    ${at(place, flag)}) ${words}; return ;;`
    }),
  )
  const words = all.map(place => {
    const texts = (list: readonly Word[]) => quoted(list.map(({ text }) => text).join(' '))
    return `    ${quoted(place.path)}) options=${texts(place.options)} words=${texts([...place.commands, ...place.words])} ;;`
  })
  return [
    `# Completion of ${name} for bash. Load it in ~/.bashrc with:  source <(${name} completion bash)`,
    `_${identifier}() {`,
    `  local IFS=$' \\t\\n' cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}`,
    "  local at='' skip='' word options='' words=''",
    '  # What stands behind --option= is a word of its own here.',
    `  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi`,
    ...walk(all, `"\${COMP_WORDS[@]:1:COMP_CWORD-1}"`),
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

function zsh(name: string, identifier: string, all: readonly Place[]): string {
  // In a word, a colon ends it and begins what it means.
  const described = ({ text, means }: Word) =>
    quoted(`${text.replaceAll(':', String.raw`\:`)}${means === '' ? '' : `:${means}`}`)
  const values = all.flatMap(place =>
    [...place.values].map(([flag, value]) => {
      const words =
        value === 'file' ? '_files' : value === 'anything' ? ':' : `compadd -- ${value.map(quoted).join(' ')}`
      return `    ${at(place, flag)}) ${words}; return ;;`
    }),
  )
  const words = all.map(place => {
    const texts = (list: readonly Word[]) => `(${list.map(described).join(' ')})`
    return `    ${quoted(place.path)}) options=${texts(place.options)} commands=${texts([...place.commands, ...place.words])} ;;`
  })
  return [
    `#compdef ${name}`,
    `# Completion of ${name} for zsh. Load it in ~/.zshrc, behind compinit, with:  source <(${name} completion zsh)`,
    `_${identifier}() {`,
    '  local at= skip= word',
    '  local -a options commands',
    ...walk(all, '$words[2,CURRENT-1]'),
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

function fish(name: string, identifier: string, all: readonly Place[]): string {
  const said = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines = all.flatMap(place => {
    const here = `complete -c ${name} -n ${said(`test (__${identifier}_at) = "${place.path}"`)}`
    const options = place.options.map(({ text, means }) => {
      const value = place.values.get(text)
      const follows =
        value === undefined
          ? ''
          : value === 'file'
            ? ' -r -F'
            : value === 'anything'
              ? ' -x'
              : ` -x -a ${said(value.join(' '))}`
      const flag = text.startsWith('--') ? `-l ${text.slice(2)}` : `-s ${text.slice(1)}`
      return `${here} ${flag} -d ${said(means)}${follows}`
    })
    const words = [...place.commands, ...place.words].map(
      ({ text, means }) => `${here} -a ${said(text)}${means === '' ? '' : ` -d ${said(means)}`}`,
    )
    return [...options, ...words]
  })
  const steps = all.flatMap(place => [
    ...[...place.values.keys()].map(flag => `      case ${said(`${place.path}:${flag}`)}; set skip 1`),
    ...place.commands.map(({ text }) => {
      return `      case ${said(`${place.path}:${text}`)}; set at ${said(place.path === '' ? text : `${place.path} ${text}`)}`
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
