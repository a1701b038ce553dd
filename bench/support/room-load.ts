/** The load generator of the benchmark `room`: one sender, and the members of a room on two servers. */
import { Confirmer, OWN_COPY_DELAY_MS } from './confirmer.ts'
import { IrcClient } from './irc-client.ts'
import { RawClient } from './raw-client.ts'
import { quantile } from './report.ts'
import { type System, sleep, until } from './servers.ts'

export const ROOM = '#bench'
/** Messages in flight at full speed: sent, and not received by all members. */
const IN_FLIGHT = 40
/** Number of members that connect at the same time. */
const BATCH_SIZE = 50
/** ngircd has a short queue of connections to accept. */
const IRC_BATCH_SIZE = 5
/** Fills the text up to 100 bytes, after the number of the message. */
const FILLER = 'x'.repeat(100)
/** Start of `2["im",…]` and `2["room",…]`, after the bracket and the quote. */
const IM = Buffer.from('im"')
const ROOM_EVENT = Buffer.from('room"')

export interface RoomSample {
  /** CPU time of all servers for each delivered copy, µs. */
  cpu: number
  /** Delivered copies per second. */
  rate: number
  /** Time until the last member has a message, ms. */
  p50: number
  p99: number
}

/** A message that not all members have. */
interface Pending {
  sentAt: number
  missing: number
}

/** A room whose members are connected to all servers of a system. The first member is the sender. */
export class RoomLoad {
  readonly system: System
  /** The clients; empty for IRC. */
  readonly clients: RawClient[] = []
  /** Called with each event `room`. */
  onRoomEvent: (member: number, packet: Buffer) => void = () => {}
  /** Called with the answer to each request to join. */
  onJoined: (member: number, packet: Buffer) => void = () => {}
  readonly #members: number
  readonly #confirmers: Confirmer[] = []
  #send: (text: string) => void = () => {}
  #ircClients: IrcClient[] = []
  #sent = 0
  #acknowledged = 0
  #copies = 0
  /** Number of messages received, by member. One sender's messages arrive in order. */
  readonly #received: Uint32Array
  /** Messages that not all members have, oldest first; the first has the number `#completed`. */
  #pending: Pending[] = []
  #completed = 0
  #latencies: number[] = []
  #onCompleted: () => void = () => {}

  private constructor(system: System, members: number) {
    this.system = system
    this.#members = members
    this.#received = new Uint32Array(members)
  }

  /** Connects this number of users, one client each, and puts them into the room. */
  static async connect(system: System, members: number): Promise<RoomLoad> {
    const load = new RoomLoad(system, members)
    const isIrc = system.name === 'ngircd'
    const batchSize = isIrc ? IRC_BATCH_SIZE : BATCH_SIZE
    for (let first = 0; first < members; first += batchSize) {
      const batch = Array.from({ length: Math.min(batchSize, members - first) }, (_, n) => first + n)
      await Promise.all(batch.map(n => (isIrc ? load.#connectIrc(n) : load.#connect(n))))
    }
    if (isIrc) await waitForIrcLink(system.ports)
    return load
  }

  /** Confirmations sent so far by all members. */
  get confirmations(): number {
    return this.#confirmers.reduce((sum, { sent }) => sum + sent, 0)
  }

  /** Bytes that all members have received. */
  get bytes(): number {
    return this.clients.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  close(): void {
    for (const client of [...this.clients, ...this.#ircClients]) client.close()
  }

  /**
   * Sends at full speed.
   * @param warmUp messages before the measurement starts
   * @param messages messages that are measured
   */
  async saturate(warmUp: number, messages: number): Promise<RoomSample> {
    let isSending = true
    this.#onCompleted = () => {
      if (isSending) this.#sendNext()
    }
    for (let n = 0; n < Math.min(IN_FLIGHT, messages); n++) this.#sendNext()
    const goal = this.#completed + warmUp
    await until('the warm-up is complete', () => this.#completed >= goal, 300_000)
    const sample = await this.#measure(async () => {
      const end = this.#completed + messages
      await until('all messages are delivered', () => this.#completed >= end, 300_000)
    })
    isSending = false
    await this.#settle()
    return sample
  }

  /**
   * Sends ten messages per second. Confirmations and receipts of the time before count as much as those that come after.
   * @param warmUp time before the measurement starts, s
   */
  async sendPaced(warmUp: number, seconds: number): Promise<RoomSample> {
    this.#onCompleted = () => {}
    this.#sendNext()
    const timer = setInterval(() => this.#sendNext(), 100)
    await new Promise(resolve => setTimeout(resolve, warmUp * 1_000))
    const sample = await this.#measure(() => new Promise(resolve => setTimeout(resolve, seconds * 1_000)))
    clearInterval(timer)
    await this.#settle()
    return sample
  }

  async #measure(run: () => Promise<void>): Promise<RoomSample> {
    const read = async () => ({ cpu: await this.system.cpu(), copies: this.#copies, at: performance.now() })
    const before = await read()
    this.#latencies = []
    await run()
    const after = await read()
    const copies = after.copies - before.copies
    return {
      cpu: ((after.cpu - before.cpu) * 1_000) / copies,
      rate: copies / ((after.at - before.at) / 1_000),
      p50: quantile(this.#latencies, 0.5),
      p99: quantile(this.#latencies, 0.99),
    }
  }

  /** Waits until every member has every message once, and with mesh-chat each is acknowledged. */
  async #settle(): Promise<void> {
    const isSettled = () =>
      this.#pending.length === 0 && (this.system.name !== 'mesh-chat' || this.#acknowledged === this.#sent)
    await until(`all messages of ${this.system.name} are settled`, isSettled, 30_000)
  }

  #sendNext(): void {
    const isIrc = this.system.name === 'ngircd'
    // IRC sends the sender no copy.
    this.#pending.push({ sentAt: performance.now(), missing: isIrc ? this.#members - 1 : this.#members })
    this.#sent++
    this.#send(`message ${this.#sent} ${FILLER}`.slice(0, 100))
  }

  /** A member has received a message. */
  #handleCopy(member: number): void {
    const number = this.#received[member] ?? 0
    this.#received[member] = number + 1
    this.#copies++
    const message = this.#pending[number - this.#completed]
    if (message === undefined) throw new Error(`${this.system.name}: a member received a message twice`)
    if (--message.missing > 0) return
    // A member gets messages in order, so the oldest message is the first to be complete.
    this.#pending.shift()
    this.#completed++
    this.#latencies.push(performance.now() - message.sentAt)
    this.#onCompleted()
  }

  #portOf(member: number): number {
    const { ports } = this.system
    return ports[member % ports.length] ?? 0
  }

  async #connect(member: number): Promise<void> {
    const protocol2 = this.system.name === 'mesh-chat'
    const client = await RawClient.open(this.#portOf(member))
    this.clients[member] = client
    const confirmer = new Confirmer(client)
    this.#confirmers[member] = confirmer
    const user = `member-${member.toString().padStart(4, '0')}`
    let answers = 0
    client.onBytes = packet => {
      if (packet[0] === 0x32 && packet.subarray(3, 3 + IM.length).equals(IM)) {
        this.#handleCopy(member)
        if (!protocol2) return true
        if (member === 0) confirmer.receive(OWN_COPY_DELAY_MS)
        else confirmer.receiveInRoom(ROOM, this.#members)
      } else if (packet[0] === 0x32 && packet.subarray(3, 3 + ROOM_EVENT.length).equals(ROOM_EVENT)) {
        this.onRoomEvent(member, packet)
      } else if (packet[0] === 0x33) {
        if (!packet.includes('"ok":true')) throw new Error(`${this.system.name}: ${packet}`)
        // Answers to `identify` and the first `join` have the calls 0 and 1, answers to later ones 2 and 3.
        if (answers < 2) answers++
        else if (packet.includes('"delivered":')) this.#acknowledged++
        if (packet.includes('"members":')) this.onJoined(member, packet)
      }
      return true
    }
    const identity = { user, client: 'bench/1', protocol: 2, rooms: true, packed: true }
    client.send(`20["identify",${JSON.stringify(protocol2 ? identity : user)}]`)
    await until(`${user} is identified`, () => answers === 1)
    client.send(`21["join","${ROOM}"]`)
    await until(`${user} is in the room`, () => answers === 2)
    if (member > 0) return
    let number = 100
    this.#send = text => {
      if (!protocol2) return client.send(`2["im",{"to":"${ROOM}","text":"${text}"}]`)
      number++
      const id = `bench-run-of-today.${number.toString(36)}`
      client.send(`2${number}["im",{"id":"${id}","at":${Date.now()},"to":"${ROOM}","text":"${text}"}]`)
    }
  }

  async #connectIrc(member: number): Promise<void> {
    const client = await IrcClient.open(this.#portOf(member), `m${member}`, ROOM)
    client.onMessage = () => this.#handleCopy(member)
    this.#ircClients.push(client)
    if (member === 0) this.#send = text => client.send(`PRIVMSG ${ROOM} :${text}`)
  }
}

/**
 * Waits until a message to a channel arrives on the other server. Needed once all members are connected: ngircd 26 loses its
 * link whenever it needs space for more connections, and then makes another one.
 */
async function waitForIrcLink(ports: readonly number[]): Promise<void> {
  const probes: IrcClient[] = []
  for (const [n, port] of ports.entries()) probes.push(await IrcClient.open(port, `probe${n}`, '#probe'))
  let isLinked = false
  const [sender, receiver] = probes
  if (receiver !== undefined) {
    receiver.onMessage = () => {
      isLinked = true
    }
  }
  await until('the IRC servers are linked', async () => {
    sender?.send('PRIVMSG #probe :linked')
    await sleep(100)
    return isLinked
  })
  for (const probe of probes) probe.close()
}
