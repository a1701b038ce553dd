/** Opens a link with a program of the user. */
import { spawn } from 'node:child_process'

/** A program that fails later has probably been used. */
const FAILURE_TIMEOUT_MS = 5_000

/**
 * The command that opens a link: the user's, else `$BROWSER`, else that of the system. No shell sees the link.
 * @param opener `%u` is the link; without it, the link is the last argument
 */
export function openerCommand(
  url: string,
  opener: readonly string[],
  env: NodeJS.ProcessEnv,
  platform: string,
): string[] {
  const [browser = ''] = (env.BROWSER ?? '').split(':')
  const system = platform === 'darwin' ? ['open'] : ['xdg-open']
  const browserCommand = browser.trim() === '' ? system : browser.trim().split(/\s+/)
  const command = opener.length > 0 ? opener : browserCommand
  const filled = command.map(argument => argument.replaceAll(/%[us]/g, () => url))
  return command.some(argument => /%[us]/.test(argument)) ? filled : [...filled, url]
}

/** @param onError called with what happened, if the program cannot be started or fails at once */
export function openLink(url: string, opener: readonly string[], onError: (text: string) => void): void {
  const [program = '', ...args] = openerCommand(url, opener, process.env, process.platform)
  const child = spawn(program, args, { stdio: 'ignore', detached: true })
  child.unref()
  const startedAt = performance.now()
  child.on('error', ({ message }) => onError(`cannot open the link: ${message}; set "opener" in the settings file`))
  child.on('exit', code => {
    if (code !== null && code !== 0 && performance.now() - startedAt < FAILURE_TIMEOUT_MS)
      onError(`cannot open the link: ${program} ended with exit code ${code}`)
  })
}
