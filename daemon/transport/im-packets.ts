/**
 * The packets of which thousands pass each second, read and written without the general JSON functions: text that
 * needs no escape, which is nearly all text, is taken as it stands; all else goes to JSON. Measured with
 * `npm run bench -- im`: reading takes 0.8 instead of 1.4 µs, writing 0.7 instead of 1.9.
 */
import type { ForwardedMessage } from '../../src/protocol/frames.ts'
import type { DeliveredMessage, Fate } from '../../src/protocol/messages.ts'

/** An `im` as protocol 2 clients send it, with the number of its acknowledgement: no escape in it, in this order. */
const IM_PACKET =
  /^42(\d{0,15})\["im",\{"id":"([^"\\\x00-\x1f]*)","at":((?:0|[1-9]\d{0,15})(?:\.\d{1,20})?),"to":"([^"\\\x00-\x1f]*)","text":"([^"\\\x00-\x1f]*)"\}\]$/

interface ReadIm {
  payload: { id: string; at: number; to: string; text: string }
  /** The number of the acknowledgement that it wants. */
  call: number | undefined
}

/** What JSON would read from an `im` packet; undefined for one that JSON is to read. */
export function readIm(packet: string): ReadIm | undefined {
  const found = IM_PACKET.exec(packet)
  if (found === null) return undefined
  const [, call = '', id = '', at = '', to = '', text = ''] = found
  return { payload: { id, at: Number(at), to, text }, call: call === '' ? undefined : Number(call) }
}

export function imPacket({ id, from, to, text, at, forwarded }: DeliveredMessage): string {
  return `2["im",{"id":${quoteJson(id)},"from":${quoteJson(from)},"to":${quoteJson(to)},"text":${quoteJson(text)},"at":${at},"forwarded":${forwarded}}]`
}

/** The acknowledgement of a message. */
export function fatePacket(call: number, fate: Fate): string {
  return fate.ok && fate.unconfirmed === undefined
    ? `3${call}[{"ok":true,"delivered":${fate.delivered}}]`
    : `3${call}${JSON.stringify([fate])}`
}

export function forwardPacket(batch: readonly ForwardedMessage[]): string {
  let list = ''
  for (const [number, id, at, from, to, text] of batch) {
    list += `${list === '' ? '' : ','}[${number},${quoteJson(id)},${at},${quoteJson(from)},${quoteJson(to)},${quoteJson(text)}]`
  }
  return `2/mesh,["forward",[${list}]]`
}

/** What JSON escapes: quotes, backslashes, controls, and halves of surrogate pairs (here: all of them). */
const NEEDS_ESCAPE = /["\\\x00-\x1f\ud800-\udfff]/

function quoteJson(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`
}
