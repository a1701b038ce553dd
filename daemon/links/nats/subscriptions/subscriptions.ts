import type { Msg } from '@nats-io/transport-node'
import type { EnvelopeMac } from '../envelopes/envelope-mac.ts'
import { LEGACY_SUBJECTS } from '../envelopes/envelopes.ts'
import type { NatsClient } from '../nats-client.ts'
import type { PresenceSubscriptions } from './presence-subscriptions.ts'

/** @param sender the last token of the subject; undefined for a subject of version 0.1 */
type Handler = (message: Msg, sender?: string) => void

export interface SubscriptionsOptions {
  selfId: string
  nats: Pick<NatsClient, 'subscribe'>
  /** Of the mesh's secret, and of the one before a rotation: servers with only that one know users by other aliases. */
  macs: readonly EnvelopeMac[]
  presence: PresenceSubscriptions
  onHandshake: Handler
  onLinkEnvelope: Handler
  onBroadcast: Handler
  onUserMessage: Handler
  onRoomMessage: (message: Msg, sender: string) => void
}

/** The subjects that a server subscribes to. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions
  /** Whether the subjects of version 0.1 are subscribed for this server's users. */
  #servesLegacyUsers = false

  constructor(options: SubscriptionsOptions) {
    this.#options = options
  }

  /**
   * The backbone is connected. Resolves when all subjects are subscribed to, or the backbone is disconnected. Handshakes and
   * links come last: peers may send messages to users from then on.
   */
  async attach(): Promise<void> {
    const { selfId, nats, macs, presence, onHandshake, onLinkEnvelope, onBroadcast, onUserMessage, onRoomMessage } =
      this.#options
    await this.#subscribeToUsers(alias =>
      nats.subscribe(`${LEGACY_SUBJECTS.user(alias)}.*`, message => onUserMessage(message, lastToken(message))),
    )
    const subscribeToRoom = (alias: string) =>
      nats.subscribe(`${LEGACY_SUBJECTS.user(alias)}.*`, message => onRoomMessage(message, lastToken(message)))
    for (const mac of macs) await presence.rooms.attach(room => subscribeToRoom(mac.roomAlias(room)))
    this.#subscribe(LEGACY_SUBJECTS.handshake(selfId), onHandshake)
    // The workers of a server share its id: one of them (a queue group) answers each request.
    const shared = selfId.slice(0, Math.max(0, selfId.lastIndexOf('/')))
    if (shared !== '') this.#subscribe(LEGACY_SUBJECTS.handshake(shared), onHandshake, 'workers')
    this.#subscribe(LEGACY_SUBJECTS.link(selfId), onLinkEnvelope)
    this.#subscribe(LEGACY_SUBJECTS.broadcast, onBroadcast)
  }

  /** The backbone is disconnected, and all subscriptions are gone. */
  detach(): void {
    this.#options.presence.detach()
    this.#servesLegacyUsers = false
  }

  /** Subscribes to the users' subjects of version 0.1; only peers of that version need them. */
  serveLegacyUsers(): void {
    if (this.#servesLegacyUsers) return
    this.#servesLegacyUsers = true
    const { nats, onUserMessage } = this.#options
    void this.#subscribeToUsers(alias => nats.subscribe(LEGACY_SUBJECTS.user(alias), message => onUserMessage(message)))
  }

  /** Subscribes to a subject of version 0.1, and to the one with the sender as last token. */
  #subscribe(subject: string, handler: Handler, queue?: string): void {
    const { nats } = this.#options
    nats.subscribe(subject, message => handler(message), queue)
    nats.subscribe(`${subject}.*`, message => handler(message, lastToken(message)), queue)
  }

  async #subscribeToUsers(subscribe: (alias: string) => { unsubscribe(): void }): Promise<void> {
    const { macs, presence } = this.#options
    for (const mac of macs) await presence.users.attach(user => subscribe(mac.alias(user)))
  }
}

/** The sender in a subject that names it. */
function lastToken({ subject }: Msg): string {
  return subject.slice(subject.lastIndexOf('.') + 1)
}
