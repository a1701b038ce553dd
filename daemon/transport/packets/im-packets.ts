import type { DeliveredMessage } from '../../../src/protocol/messages.ts'

/**
 * The event `im` of Socket.IO's default namespace, without the general JSON functions: text that needs no escape, which
 * is nearly all text, is copied. Saves
 * 7 % of a message's CPU time: docs/decisions/transport-shortcuts.md.
 */
export function imPacket({ id, from, to, text, at, forwarded, proof }: DeliveredMessage): string {
  const proven = proof === undefined ? '' : `,"proof":${quoteJson(proof)}`
  return `2["im",{"id":${quoteJson(id)},"from":${quoteJson(from)},"to":${quoteJson(to)},"text":${quoteJson(text)},"at":${at},"forwarded":${forwarded}${proven}}]`
}

/** What JSON escapes: quotes, backslashes, control characters, and unpaired surrogates (here: all surrogates). */
const NEEDS_ESCAPE = /["\\\x00-\x1f\ud800-\udfff]/

function quoteJson(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`
}
