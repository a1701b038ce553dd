import type { AcceptorFrame, DiallerFrame, Forwarded } from '../../../src/protocol/frames.ts'
import type { BackboneLink } from './nats-link.ts'

type Frame = AcceptorFrame | DiallerFrame

/** What goes out of a turn, in this order. */
export type Outgoing =
  | { to: 'link'; link: BackboneLink; frame: Frame }
  /** The same frame for every link that this server dialled. */
  | { to: 'all'; links: BackboneLink[]; frame: Frame }
  | { to: 'users'; message: Forwarded; links: BackboneLink[] }

/** The frames that the core sends in one turn, gathered, so that what goes to many is published once. */
export class Turn {
  #frames: { link: BackboneLink; frame: Frame }[] = []

  get isEmpty(): boolean {
    return this.#frames.length === 0
  }

  add(link: BackboneLink, frame: Frame): void {
    this.#frames.push({ link, frame })
  }

  /**
   * Takes what was gathered. The core hands the same object to all links where it means the same; a message has one
   * number for all, by which messages are brought into one order. A goodbye stays the last.
   */
  take(): Outgoing[] {
    const frames = this.#frames
    this.#frames = []
    const out: Outgoing[] = []
    const goodbyes: Outgoing[] = []
    const words = new Map<unknown, BackboneLink[]>()
    const messages = new Map<Forwarded, BackboneLink[]>()
    for (const { link, frame } of frames) {
      if (frame.event === 'forward') for (const message of frame.payload) addTo(messages, message, link)
      else if (frame.event === 'goodbye') goodbyes.push({ to: 'link', link, frame })
      else if (!isWord(frame)) out.push({ to: 'link', link, frame })
      else if (addTo(words, frame.payload, link)) out.push({ to: 'all', links: words.get(frame.payload) ?? [], frame })
    }
    const ordered = [...messages].sort(([[one]], [[other]]) => one - other)
    return [...out, ...ordered.map(([message, links]) => ({ to: 'users' as const, message, links })), ...goodbyes]
  }
}

/** Adds a link to those of a key; whether it is the first. */
function addTo<Key>(links: Map<Key, BackboneLink[]>, key: Key, link: BackboneLink): boolean {
  const known = links.get(key)
  if (known === undefined) links.set(key, [link])
  else known.push(link)
  return known === undefined
}

/** Whether a frame may be for all: what came is then told by the place in the stream that it bears. */
function isWord(frame: Frame): boolean {
  return frame.event === 'beat' || (frame.event === 'presence' && frame.payload.type === 'delta')
}
