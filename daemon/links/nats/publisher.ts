import type { Forwarded } from '../../../src/protocol/frames.ts'
import type { Seal } from './envelope-mac.ts'
import { SUBJECTS } from './envelopes.ts'
import type { Nats } from './nats-connection.ts'
import type { BackboneLink } from './nats-link.ts'
import type { Outgoing } from './outbound-batch.ts'

/** Most bytes that a UTF-16 unit takes in JSON that is escaped already. */
const BYTES_PER_UNIT = 3
/** Most bytes of a link's name and number in a message. */
const BYTES_PER_LINK = 90
/** Room for what stands around a payload, bytes. */
const AROUND = 1_024

/** Says what a server has to say on the backbone: to one peer, to all, or to whoever listens for a user. */
export class Publisher {
  readonly #nats: Nats
  readonly #seal: Seal
  readonly #incarnation: string
  readonly #holds: (peer: string, user: string) => boolean
  #said = 0

  /** @param holds whether a peer holds a connection of a user */
  constructor(nats: Nats, seal: Seal, incarnation: string, holds: (peer: string, user: string) => boolean) {
    this.#nats = nats
    this.#seal = seal
    this.#incarnation = incarnation
    this.#holds = holds
  }

  /** Words to all so far. */
  get said(): number {
    return this.#said
  }

  publish(out: Outgoing): void {
    if (out.to === 'users') return this.#pass(out.message, out.links)
    const { event, payload } = out.frame
    if (out.to === 'link') this.tell(out.link, event, payload)
    else if (out.links.length === 1 || !this.say(event, payload))
      for (const link of out.links) this.tell(link, event, payload)
  }

  /** A message to the peers that hold its recipient, then to those that hold its sender only. */
  #pass(message: Forwarded, links: readonly BackboneLink[]): void {
    const [, , , from, to] = message
    const text = JSON.stringify(message)
    let rest = links
    const atOnce = Math.floor((this.#nats.maxPayload - AROUND / 2 - Buffer.byteLength(text)) / BYTES_PER_LINK)
    for (const user of text.length > this.#most ? [] : [to, from]) {
      const here = rest.filter(({ peer }) => this.#holds(peer, user))
      for (let at = 0; at < here.length; at += atOnce) {
        const numbered = JSON.stringify(here.slice(at, at + atOnce).map(link => [link.name, link.next()]))
        this.#send(SUBJECTS.user(this.#seal.alias(user)), `{"message":${text},"links":${numbered}}`)
      }
      if (here.length > 0) rest = rest.filter(link => !here.includes(link))
    }
    // They held one of them a moment ago; or it is too long.
    for (const link of rest) this.tell(link, 'forward', [message])
  }

  /** A word to all; false, and nothing is said, when it is too long. */
  say(event: string, payload: unknown): boolean {
    const text = JSON.stringify({ incarnation: this.#incarnation, n: this.#said + 1, event, payload })
    if (text.length > this.#most) return false
    this.#said++
    this.#send(SUBJECTS.all, text)
    return true
  }

  /** An envelope of one link; what is too long goes in parts. */
  tell(link: BackboneLink, event: string, payload: unknown): void {
    const text = JSON.stringify(payload)
    if (text.length <= this.#most) return this.#tellText(link, event, text)
    const whole = JSON.stringify({ event, payload })
    for (let at = 0; at < whole.length; at += this.#most) {
      const more = at + this.#most < whole.length
      this.#tellText(link, 'part', JSON.stringify({ text: whole.slice(at, at + this.#most), more }))
    }
  }

  #tellText({ name, peer, next }: BackboneLink, event: string, payload: string): void {
    this.#send(SUBJECTS.link(peer), `{"link":"${name}","n":${next()},"event":"${event}","payload":${payload}}`)
  }

  /** Longest text that surely fits one message of the backbone, in UTF-16 units. */
  get #most(): number {
    return Math.floor((this.#nats.maxPayload - AROUND) / BYTES_PER_UNIT)
  }

  #send(subject: string, text: string): void {
    this.#nats.publish(subject, this.#seal.sign(subject, text))
  }
}
