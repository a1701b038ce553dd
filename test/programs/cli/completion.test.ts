/** The completion scripts that the programs print, run by real shells. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'

const folder = temporaryFolder()
writeFileSync(join(folder, 'my config.json'), '{}')
mkdirSync(join(folder, 'certificates'))

afterAll(stopAll)

const here = (shell: string) => spawnSync(shell, ['-c', ':']).error === undefined
const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`

/** The completion script of a program for a shell, as a file. */
function script(program: 'mesh-chat' | 'mesh-chatd', shell: string): string {
  const main = program === 'mesh-chat' ? 'dist/cli/main.js' : 'dist/daemon/main.js'
  const file = join(folder, `${program}.${shell}`)
  if (existsSync(file)) return file
  writeFileSync(file, execFileSync(process.execPath, [main, 'completion', shell]))
  return file
}

const lines = (text: string) =>
  text
    .split('\n')
    .filter(line => line !== '')
    .sort()

/** The completions that each shell offers for the last word after the program's name. */
const shells = {
  bash: (program: 'mesh-chat' | 'mesh-chatd', words: string[]) => {
    // Call the function registered with `complete`, as bash does.
    const commands = [
      `source ${quoted(script(program, 'bash'))}`,
      `f=$(complete -p ${program} | sed 's/.*-F \\([^ ]*\\) .*/\\1/')`,
      `COMP_WORDS=(${[program, ...words].map(quoted).join(' ')}) COMP_CWORD=${words.length}`,
      '"$f"',
      `printf '%s\\n' "\${COMPREPLY[@]}"`,
    ]
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', commands.join('\n')], {
      encoding: 'utf8',
      cwd: folder,
    })
    expect(stderr).toBe('')
    return lines(stdout)
  },
  // Stubs of zsh's completion functions print what zsh would show.
  zsh: (program: 'mesh-chat' | 'mesh-chatd', words: string[]) => {
    const commands = [
      'compdef() { completer=$1 }',
      `_describe() { [[ $1 == -o ]] && shift; print -rl -- \${\${(P)2}%%:*} }`,
      'compadd() { shift; print -rl -- $@ }',
      `_files() { print -rl -- *(N) }`,
      `source ${quoted(script(program, 'zsh'))}`,
      `words=(${[program, ...words].map(quoted).join(' ')}) CURRENT=${words.length + 1}`,
      '$completer',
    ]
    const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', commands.join('\n')], { encoding: 'utf8', cwd: folder })
    expect(stderr).toBe('')
    const last = words.at(-1) ?? ''
    return lines(stdout).filter(line => line.startsWith(last))
  },
  fish: (program: 'mesh-chat' | 'mesh-chatd', words: string[]) => {
    const line = [program, ...words.slice(0, -1).map(quoted), words.at(-1)].join(' ')
    const commands = `source ${quoted(script(program, 'fish'))}; complete -C ${quoted(line)}`
    const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder }
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', commands], {
      encoding: 'utf8',
      cwd: folder,
      env,
    })
    expect(stderr).toBe('')
    return lines(stdout).map(offered => offered.split('\t')[0] ?? '')
  },
}

describe.each(['bash', 'zsh', 'fish'] as const)('%s', shell => {
  const offers = shells[shell]

  test.skipIf(!here(shell))('completes commands, options, choices and file names', () => {
    expect(offers('mesh-chatd', [''])).toEqual(expect.arrayContaining(['check', 'completion', 'token']))
    expect(offers('mesh-chatd', ['--log-f'])).toEqual(['--log-format'])
    expect(offers('mesh-chatd', ['--log-format', 't'])).toEqual(['text'])
    expect(offers('mesh-chatd', ['--auth', ''])).toEqual(['key', 'open', 'token'])
    expect(offers('mesh-chatd', ['completion', ''])).toEqual(['bash', 'fish', 'zsh'])
    expect(offers('mesh-chatd', ['--config', 'my'])).toEqual([expect.stringMatching(/^my.?.? config\.json$/)])
    expect(offers('mesh-chat', ['w'])).toEqual(['who'])
    expect(offers('mesh-chat', ['identity', ''])).toEqual(expect.arrayContaining(['export', 'import', 'show']))
    expect(offers('mesh-chat', ['identity', 'import', '--re'])).toEqual(['--replace'])
    expect(offers('mesh-chat', ['send', '--to', 'Billy', '--ke'])).toEqual(['--keep'])
    // The value of an option is not a command, even if it has the same name.
    expect(offers('mesh-chat', ['--user', 'send', '--inl'])).toEqual(['--inline'])
    // Options of other commands are not offered.
    expect(offers('mesh-chat', ['who', '--kee'])).toEqual([])
    // Free-form values have no completions.
    expect(offers('mesh-chatd', ['--port', ''])).toEqual([])
  })
})

test.skipIf(!here('bash'))('bash completes the value after --option=', () => {
  expect(shells.bash('mesh-chatd', ['--log-format', '=', 'j'])).toEqual(['json'])
  expect(shells.bash('mesh-chatd', ['--log-format', '='])).toEqual(['json', 'text'])
  expect(shells.bash('mesh-chat', ['--user', '=', 'send', '--inl'])).toEqual(['--inline'])
})

test('an unknown shell gives a one-line error and exit code 2', () => {
  const { status, stderr } = spawnSync(process.execPath, ['dist/daemon/main.js', 'completion', 'tcsh'], {
    encoding: 'utf8',
  })
  expect({ status, lines: stderr.trim().split('\n') }).toEqual({
    status: 2,
    lines: [expect.stringMatching(/bash, zsh, fish/)],
  })
})
