import type { Send } from '../line-state.ts'

/** A command of the line mode. */
export interface LineCommand {
  readonly name: string
  /** The arguments; those in brackets are optional. */
  readonly usage: string
  readonly help: string
  /** `args` is the trimmed text after the name. */
  readonly run: (args: string, send: Send) => void
}

export function usageOf({ name, usage }: LineCommand): string {
  return usage === '' ? `/${name}` : `/${name} ${usage}`
}
