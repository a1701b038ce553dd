import { statSync } from 'node:fs'
import { backboneUrlSchema, type Config, ConfigError } from '../../src/programs/config.ts'

/** Where the URLs of the NATS servers can be given; the command line wins, then the environment. */
interface BackboneSources {
  /** `--backbone`. */
  backbone?: string[]
}

/**
 * Takes the NATS servers from `MESH_CHAT_BACKBONE`, URLs separated by spaces, where the command line names none. Unlike
 * the arguments of a process, its environment is readable by the same user only.
 */
export function withBackboneOf<Arguments extends BackboneSources>(
  args: Arguments,
  env: NodeJS.ProcessEnv = process.env,
): Arguments {
  const backbone = (env.MESH_CHAT_BACKBONE ?? '').split(/\s+/).filter(url => url !== '')
  if (args.backbone !== undefined || backbone.length === 0) return args
  checkBackboneUrls(backbone, 'MESH_CHAT_BACKBONE')
  return { ...args, backbone }
}

/**
 * @param where the option or variable, for the error
 * @throws ConfigError, which does not show a password
 */
export function checkBackboneUrls(urls: readonly string[], where: string): void {
  for (const url of urls) {
    if (backboneUrlSchema.safeParse(url).success) continue
    throw new ConfigError(
      `${where} ${withoutCredentials(url)} is not a NATS URL; give nats://HOST:PORT or tls://HOST:PORT`,
    )
  }
}

/** A text that should be a URL, without what may be a user and a password. */
export function withoutCredentials(url: string): string {
  return url.replace(/^(.*?:\/\/)?.*@/s, '$1')
}

/** Log warnings about a NATS password that other users of this machine can see. */
export function backboneWarnings({ backbone = [] }: BackboneSources): string[] {
  if (!backbone.some(hasCredentials)) return []
  return [
    'The NATS password in --backbone is visible to all users of this machine, in the list of processes; ' +
      'set MESH_CHAT_BACKBONE instead, or backbone in a private config.',
  ]
}

/**
 * Checks that only the owner can read a config that holds a NATS password.
 * @throws ConfigError
 */
export function checkConfigPrivacy({ file, backbone = [] }: Pick<Config, 'file' | 'backbone'>): void {
  if (!backbone.some(hasCredentials) || (statSync(file).mode & 0o077) === 0) return
  throw new ConfigError(
    `${file} has a NATS password in backbone and is readable by other users; fix it with: chmod 600 ${file}`,
  )
}

function hasCredentials(url: string): boolean {
  // A single user name is a NATS token.
  const { username, password } = new URL(url)
  return username + password !== ''
}
