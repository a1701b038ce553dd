import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { DEFAULT_LIMITS, type Limits } from '../src/protocol/limits.ts'
import { parseServerId } from '../src/protocol/names.ts'

/** A config that cannot be used; the message names the file, the field and the mend. */
export class ConfigError extends Error {}

const bound = z.number().min(0)
const configSchema = z.object({
  servers: z
    .array(
      z.object({
        id: z.string().refine(id => parseServerId(id).ok, 'must be 1 to 64 letters, digits or any of . _ - /'),
        ip: z.string().min(1),
        port: z.int().min(1).max(65_535),
      }),
    )
    .min(1),
  limits: z.partialRecord(z.enum(Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]), bound).optional(),
})

export interface Config {
  file: string
  servers: { id: string; ip: string; port: number }[]
  limits: Limits
}

/** The file named, else `config.json` in the working folder, else the one that the package ships. */
export function loadConfig(named: string | undefined): Config {
  const own = resolve('config.json')
  const shipped = [fileURLToPath(new URL('../../config.json', import.meta.url))]
  const file = named ?? [own, ...shipped].find(existsSync) ?? own
  let raw: unknown
  try {
    raw = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new ConfigError(`cannot read ${file}: ${(error as Error).message}; name another with --config FILE`)
  }
  const parsed = configSchema.safeParse(raw)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new ConfigError(`${file}: ${issue?.path.join('.') || 'the whole'}: ${issue?.message}; correct this field`)
  }
  const { servers, limits } = parsed.data
  const ids = servers.map(server => server.id)
  const twice = ids.find((id, at) => ids.indexOf(id) !== at)
  if (twice !== undefined) throw new ConfigError(`${file}: servers: the id ${twice} stands twice; give each its own`)
  return { file, servers, limits: { ...DEFAULT_LIMITS, ...(limits as Partial<Limits>) } }
}
