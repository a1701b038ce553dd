import type { AcceptorFrame, DiallerFrame, ForwardedMessage } from '../../../src/protocol/frames.ts'
import type { NatsLink } from './nats-link.ts'

type Frame = AcceptorFrame | DiallerFrame

/** What goes out of a turn, in this order. */
export type Outgoing =
  | { to: 'link'; link: NatsLink; frame: Frame }
  /** The same frame for every link that this server dialled. */
  | { to: 'all'; links: NatsLink[]; frame: Frame }
  | { to: 'users'; message: ForwardedMessage; links: NatsLink[] }

/** The frames that the core sends in one turn, gathered, so that what goes to many is published once. */
export class OutboundBatch {
  #frames: { link: NatsLink; frame: Frame }[] = []

  get isEmpty(): boolean {
    return this.#frames.length === 0
  }

  add(link: NatsLink, frame: Frame): void {
    this.#frames.push({ link, frame })
  }

  /**
   * Takes what was gathered. The core hands the same object to all links where it means the same; a message has one
   * number for all, by which messages are brought into one order. A goodbye stays the last.
   */
  drain(): Outgoing[] {
    const frames = this.#frames
    this.#frames = []
    const out: Outgoing[] = []
    const goodbyes: Outgoing[] = []
    const broadcasts = new Map<unknown, NatsLink[]>()
    const messages = new Map<ForwardedMessage, NatsLink[]>()
    for (const { link, frame } of frames) {
      if (frame.event === 'forward') for (const message of frame.payload) addLink(messages, message, link)
      else if (frame.event === 'goodbye') goodbyes.push({ to: 'link', link, frame })
      else if (!isBroadcast(frame)) out.push({ to: 'link', link, frame })
      else if (addLink(broadcasts, frame.payload, link))
        out.push({ to: 'all', links: broadcasts.get(frame.payload) ?? [], frame })
    }
    const ordered = [...messages].sort(([[one]], [[other]]) => one - other)
    return [...out, ...ordered.map(([message, links]) => ({ to: 'users' as const, message, links })), ...goodbyes]
  }
}

/** Adds a link to those of a key; whether it is the first. */
function addLink<Key>(links: Map<Key, NatsLink[]>, key: Key, link: NatsLink): boolean {
  const known = links.get(key)
  if (known === undefined) links.set(key, [link])
  else known.push(link)
  return known === undefined
}

/** Whether a frame may be for all: what came is then told by the place in the stream that it bears. */
function isBroadcast(frame: Frame): boolean {
  return frame.event === 'beat' || (frame.event === 'presence' && frame.payload.type === 'delta')
}
