import type { ErrorCode, Refusal } from '../protocol/messages.ts'

/** The answer to a request of a connection that has not identified. */
export const NOT_IDENTIFIED = { ok: false, code: 'not-identified', message: 'identify first' } as const

export function refusal(code: ErrorCode, message: string, retryAfter?: number): Refusal {
  return { ok: false, code, message, ...(retryAfter === undefined ? {} : { retryAfter }) }
}

/** @param retryAfter when the request may succeed, ms */
export function rateLimited(retryAfter: number, reason = 'too many requests'): Refusal {
  return refusal('rate-limited', `${reason}; retry in ${Math.ceil(retryAfter)} ms`, retryAfter)
}
