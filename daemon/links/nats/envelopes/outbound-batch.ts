import type { AcceptorFrame, DiallerFrame, ForwardedMessage, RoomForwarded } from '../../../../src/protocol/frames.ts'
import type { NatsLink } from '../nats-link.ts'

type Frame = AcceptorFrame | DiallerFrame

/** A publication; a turn's publications are sent in order. */
export type Outgoing =
  | OutgoingFrame
  /** The first and the last envelope of a link. */
  | { to: 'opened'; link: NatsLink }
  | { to: 'closed'; link: NatsLink }

type OutgoingFrame =
  | { to: 'link'; link: NatsLink; frame: Frame }
  /** The same frame for every link that this server dialled. */
  | { to: 'all'; links: NatsLink[]; frame: Frame }
  | { to: 'users'; message: ForwardedMessage; links: NatsLink[] }
  | { to: 'room'; message: RoomForwarded; links: NatsLink[] }

/** Collects the frames that the core sends in one event-loop turn, so that a frame for many links is published once. */
export class OutboundBatch {
  #frames: { link: NatsLink; frame: Frame }[] = []

  get isEmpty(): boolean {
    return this.#frames.length === 0
  }

  add(link: NatsLink, frame: Frame): void {
    this.#frames.push({ link, frame })
  }

  /**
   * Removes and returns the collected frames. The core passes the same object to all links for the same frame; a message
   * has one number on all links, which gives the messages a common order. Goodbyes come last.
   */
  drain(): OutgoingFrame[] {
    const frames = this.#frames
    this.#frames = []
    const out: OutgoingFrame[] = []
    const goodbyes: OutgoingFrame[] = []
    const broadcasts = new Map<unknown, NatsLink[]>()
    const messages = new Map<ForwardedMessage | RoomForwarded, NatsLink[]>()
    for (const { link, frame } of frames) {
      if (frame.event === 'forward' || frame.event === 'room-forward') {
        for (const message of frame.payload) addLink(messages, message, link)
      } else if (frame.event === 'goodbye') goodbyes.push({ to: 'link', link, frame })
      else if (!isBroadcast(frame)) out.push({ to: 'link', link, frame })
      else if (addLink(broadcasts, frame.payload, link))
        out.push({ to: 'all', links: broadcasts.get(frame.payload) ?? [], frame })
    }
    const ordered = [...messages].sort(([[one]], [[other]]) => one - other)
    return [...out, ...ordered.map(toPublication), ...goodbyes]
  }
}

function toPublication([message, links]: [ForwardedMessage | RoomForwarded, NatsLink[]]): OutgoingFrame {
  return message.length === 6 ? { to: 'users', message, links } : { to: 'room', message, links }
}

/** Adds a link to a key; true if it is the first. */
function addLink<Key>(links: Map<Key, NatsLink[]>, key: Key, link: NatsLink): boolean {
  const known = links.get(key)
  if (known === undefined) links.set(key, [link])
  else known.push(link)
  return known === undefined
}

/** Whether a frame may be broadcast: only frames that carry their own position in the stream. */
function isBroadcast(frame: Frame): boolean {
  // The payload of a chunk is made when it is sent.
  const isDelta = frame.event === 'presence' && frame.isChunk !== true && frame.payload.type === 'delta'
  return frame.event === 'beat' || isDelta
}
