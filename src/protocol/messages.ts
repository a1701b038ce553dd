/**
 * Every payload that crosses the wire: a schema, and the type inferred from it.
 * The gates parse once with these; behind them everything is trusted.
 */
import * as z from 'zod'

/** The wire protocol of clients and links that this code speaks. Original clients count as 1. */
export const PROTOCOL = 2

/** Why something was refused; clients act on the code and show the message. */
export type ErrorCode =
  | 'bad-payload'
  | 'bad-name'
  | 'not-identified'
  | 'already-identified'
  | 'too-many-connections'
  | 'text-too-long'
  | 'clock-ahead'
  | 'rate-limited'
  | 'draining'

/** A refusal. `retryAfter` (ms) is there where waiting helps. */
export interface Refusal {
  ok: false
  code: ErrorCode
  message: string
  retryAfter?: number
}

/** What became of a message: `delivered` counts the recipient's connections that confirmed it. */
export type Fate = { ok: true; delivered: number; unconfirmed?: true } | Refusal

/** A server of the mesh and the URL at which clients and peers reach it. */
export interface ServerAddress {
  id: string
  url: string
}

/** The answer to `identify`. `time`: the server's clock, ms since 1970. */
export type Identified =
  | {
      ok: true
      server: string
      incarnation: string
      connection: string
      roster: RosterSnapshot
      time: number
      servers: ServerAddress[]
    }
  | Refusal

/** The whole roster at one version. */
export interface RosterSnapshot {
  version: number
  users: string[]
}

/** What changed in the roster from `version - 1` to `version`. */
export interface RosterDelta {
  version: number
  joined: string[]
  left: string[]
}

/** Longest id of a message, in UTF-16 units. */
const MAX_ID = 64
const count = z.int().min(0)
const id = z.string().min(1).max(MAX_ID)
const at = z.number().min(0).max(Number.MAX_SAFE_INTEGER)

/** One instant message. `at` is hybrid logical time: ms since 1970, in steps of 1/1024 ms. Order is by (`at`, `id`). */
export const messageSchema = z.object({ id, at, from: z.string(), to: z.string(), text: z.string() })
export type Message = z.infer<typeof messageSchema>

/** A message as clients receive it; `forwarded` tells that it came over a link. */
export interface DeliveredMessage extends Message {
  forwarded: boolean
}

/** Protocol 2: who I am and what I speak. The name's own rules are `parseUserName`'s. */
export const identifySchema = z.object({
  user: z.string(),
  client: z.string().max(100),
  protocol: z.literal(PROTOCOL),
})
export type Identify = z.infer<typeof identifySchema>

/** Protocol 2: a message as its sender composed it. */
export const composedSchema = z.object({ id, at, to: z.string(), text: z.string() })
export type Composed = z.infer<typeof composedSchema>

/** An original client's message. Its `from` and `forwarded` are read by nobody. */
export const originalImSchema = z.object({ to: z.string(), text: z.string() })
export type OriginalIm = z.infer<typeof originalImSchema>

/** Protocol 2: how many messages this connection has received since it identified. */
export const gotSchema = count
