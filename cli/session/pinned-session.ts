/** A session that pins its mesh, and keeps the user's files of that mesh. */
import { type KeyObject, randomBytes } from 'node:crypto'
import type { SessionEvent, SessionRequest } from '../../src/client/events.ts'
import type { HeldMessage, RejectedMessage, StoredReceipt } from '../../src/client/history/message-log.ts'
import { type RoomEntry, RoomList } from '../../src/client/rooms/room-list.ts'
import { isLoopbackUrl } from '../../src/common/loopback.ts'
import { SortedNames } from '../../src/common/sorted-names.ts'
import type { AuthMode } from '../../src/protocol/proofs/credentials.ts'
import { PUBLIC_MESH_KEY, toOrigin } from '../../src/protocol/proofs/mesh-identity.ts'
import type { ClientEvent, Notice } from '../common/client-events.ts'
import type { History } from '../history/history.ts'
import type { DraftsFile } from '../storage/drafts-file.ts'
import { Saver } from '../storage/files/saver.ts'
import { migrateLegacyFiles } from '../storage/legacy-files.ts'
import { mergeMeshFolders } from '../storage/merge-meshes.ts'
import type { ReadMarksFile } from '../storage/read-marks-file.ts'
import type { RoomsFile } from '../storage/rooms-file.ts'
import { userFolder } from '../storage/user-folder.ts'
import { openUserStorage, type UserStorage } from '../storage/user-storage.ts'
import { type KeyStore, type MessageStorage, openSession } from './connection.ts'
import { keysInMemory, keysOnDisk } from './key-stores.ts'
import type { KnownMeshes } from './known-meshes.ts'
import type { KnownMesh, Meeting, MetMesh } from './mesh-list.ts'
import {
  historyMovedNotice,
  meetingNotice,
  notStoredNotice,
  storageFailedNotice,
  storedAgainNotice,
  wrongClockNotice,
} from './mesh-notices.ts'

export interface PinnedSessionOptions {
  user: string
  /** Name and version of the program. */
  client: string
  /** Server URLs in the order in which to try them. Those that are known to be of another mesh than the first are left out. */
  servers: readonly string[]
  ca?: string | undefined
  token?: string | undefined
  /** The auth mode that a mesh must have that is not pinned yet; undefined: any. */
  auth: AuthMode | undefined
  /** The key that the mesh must have; undefined: the pinned one, or any at the first meeting. */
  meshKey?: string | undefined
  pins: KnownMeshes
  /** The user's private key; throws if there is none. */
  loadKey: () => KeyObject
  /** Whether the user has a private key before the session starts. */
  hasKey: boolean
  /** `all`: messages, held messages and known keys on disk. `keys`: known keys only. `none`: everything in memory. */
  disk: 'all' | 'keys' | 'none'
  /** URL of the server used last: tells where files of 0.1 come from. */
  lastServer?: string | undefined
  /** Leave the held messages of earlier runs to the user's next client, and keep new ones in memory. Default: false. */
  ownOutbox?: boolean
  /**
   * Start in no room, and leave the list of rooms of the user as it is: the rooms of this session are in memory, and unknown
   * to the user's other clients. Default: false.
   */
  ownRooms?: boolean
  /** See `SessionOptions`. */
  views?: boolean
  /** See `SessionOptions`. */
  roomHistoryDays?: number | undefined
  /** See `SessionOptions`. */
  typing?: boolean | undefined
  /** See `HistoryOptions`. */
  progress?: ((share: number) => void) | undefined
  /** Whether messages survive a power cut before they are confirmed or sent; see `AppendFile`. Default: true. */
  durable?: boolean | undefined
}

/** Receipts of own messages that a session starts with, the latest ones. */
const MAX_RECEIPTS = 500
/** Interval at which the outboxes of other clients of the user are looked at: some may have ended, ms. */
const ADOPT_INTERVAL_MS = 5_000

/**
 * Runs a session with the files of its mesh. At the first meeting the mesh is pinned; if a server turns out to belong to
 * another known mesh, the session starts again with the files of that mesh, and takes its held messages along.
 */
export class PinnedSession {
  readonly #options: PinnedSessionOptions
  readonly #listener: (event: ClientEvent) => void
  readonly #servers: readonly string[]
  #mesh: KnownMesh
  #storage: UserStorage | undefined
  #saver: Saver | undefined
  #adoptTimer: NodeJS.Timeout | undefined
  /** Why the outbox of another client could not be taken over, as last reported. */
  #adoptionProblem: string | undefined
  /** Held messages without an outbox on disk, and known keys without a file. */
  readonly #held = new Map<string, HeldMessage>()
  /** The rooms, without a file on disk. */
  #rooms = new RoomList([])
  /** What is to be stored once the mesh, which could not be pinned yet, is. */
  readonly #unrecorded: ((history: History) => void)[] = []
  /** What a server of the mesh has shown last. */
  #met: MetMesh | undefined
  #keysInMemory: KeyStore | undefined
  /** Requests from before the session could take them, such as those of events at its start. */
  #earlyRequests: SessionRequest[] = []
  #sendRequest: (request: SessionRequest) => void = request => this.#earlyRequests.push(request)
  #isOnline = false
  /** Whether the list of rooms was asked for and has not come. */
  #awaitsRoomList = false
  /** Counts the starts: events of an earlier session are dropped. */
  #generation = 0

  constructor(options: PinnedSessionOptions, listener: (event: ClientEvent) => void) {
    const { pins, servers } = options
    this.#options = options
    this.#listener = listener
    this.#mesh = pins.findOrAdd(servers)
    this.#servers = servers.filter(url => (pins.find(url) ?? this.#mesh).folder === this.#mesh.folder)
    this.#open()
  }

  /** Starts the session. Events come from now on; requests from before are handled now. */
  start(): void {
    this.#run()
  }

  /** The events that the start will bring about the user's rooms: a screen can show them before. */
  get roomEvents(): SessionEvent[] {
    const { joined } = new RoomList(this.#roomsFile?.read() ?? this.#rooms.entries)
    return joined.map(room =>
      this.#withOperators({
        type: 'room',
        room,
        state: { state: 'waiting' },
        members: new SortedNames(),
        info: {},
        joined: [],
        left: [],
      }),
    )
  }

  /** The history on disk; another one after an event `storage`. */
  get history(): History | undefined {
    return this.#options.disk === 'all' ? this.#storage?.history : undefined
  }

  /** The drafts on disk; another file after an event `storage`. */
  get drafts(): DraftsFile | undefined {
    return this.#options.disk === 'all' ? this.#storage?.drafts : undefined
  }

  /** The read marks on disk; another file after an event `storage`. */
  get readMarks(): ReadMarksFile | undefined {
    return this.#options.disk === 'all' ? this.#storage?.readMarks : undefined
  }

  /** Whether a user is an operator of a room, as far as the disk knows. */
  isOperator(room: string, name: string): boolean {
    return this.#storage?.operators.isOperator(room, name) === true
  }

  /** Whether the user has joined a room, as far as the list on disk knows. */
  hasJoined(room: string): boolean {
    return new RoomList(this.#storage?.rooms.read() ?? []).has(room)
  }

  request(request: SessionRequest): void {
    if (request.type === 'list-rooms') {
      this.#awaitsRoomList = true
      // Only a server knows the list.
      if (!this.#isOnline) return
    }
    this.#sendRequest(request)
  }

  /** Puts a message that is held in memory into the outbox on disk. Returns false if that is not possible. */
  keep(id: string): boolean {
    const message = this.#held.get(id)
    if (message === undefined || this.history === undefined) return false
    this.history.hold(message)
    return this.closeFiles() === undefined
  }

  /**
   * Saves and closes the files. The session may still run.
   * @returns why something could not be saved and is lost; undefined: all is saved
   */
  closeFiles(): Error | undefined {
    clearInterval(this.#adoptTimer)
    this.#saver?.close()
    const problem = this.#storage?.history.close()
    try {
      this.#roomsFile?.save()
      return problem
    } catch (error) {
      return problem ?? (error as Error)
    }
  }

  #open(): void {
    const { disk, pins, user, progress, durable } = this.#options
    const report = (problem: Error | undefined) =>
      this.#listener(problem === undefined ? storedAgainNotice() : notStoredNotice(problem))
    if (disk === 'none' || !pins.isRecorded(this.#mesh)) {
      this.#storage = undefined
      // A history must be found again: what cannot be stored yet is neither confirmed nor sent.
      this.#saver = disk === 'all' ? new Saver(async () => this.#record(), report) : undefined
      return
    }
    const storage = openUserStorage(this.#mesh, user, { ...(progress === undefined ? {} : { progress }), durable })
    this.#storage = storage
    this.#saver = new Saver(async () => {
      storage.rooms.save()
      await Promise.all([storage.history.save(), storage.knownKeys.save()])
    }, report)
  }

  /**
   * Pins a mesh that could not be pinned, stores its messages, and starts the session again with the files.
   * @throws Error if that is not possible now
   */
  #record(): void {
    const { pins } = this.#options
    const met = this.#met
    if (!pins.retry()) throw new Error(pins.problem)
    let mesh = pins.findOrAdd(this.#servers)
    if (met !== undefined) {
      if (mesh.key !== undefined && mesh.key !== met.key)
        throw new Error(`another client has met another mesh at ${met.origin}: start again`)
      mesh = pins.meet(mesh.folder, met).mesh
    }
    if (!pins.isRecorded(mesh)) throw new Error(pins.problem)
    this.#generation++
    this.#sendRequest({ type: 'close' })
    this.closeFiles()
    this.#mesh = mesh
    this.#open()
    const { history } = this
    if (history !== undefined) for (const store of this.#unrecorded.splice(0)) store(history)
    if (!this.#options.ownOutbox) {
      for (const message of this.#held.values()) history?.hold(message)
      this.#held.clear()
    }
    history?.refresh()
    this.#storeRooms(this.#rooms.entries)
    this.#listener(storedAgainNotice())
    this.#listener({ type: 'storage' })
    this.#run()
  }

  /** Takes over the held messages of the user's other clients once these have ended, now and from time to time. */
  #startAdopting(history: History): void {
    let isRunning = false
    const adopt = async () => {
      if (isRunning) return
      isRunning = true
      const messages = await history.adopt()
      isRunning = false
      if (this.#storage?.history !== history) return
      if (messages.length > 0) this.#sendRequest({ type: 'adopt', messages })
      const problem = history.adoptionProblem
      if (problem !== undefined && problem.message !== this.#adoptionProblem)
        this.#listener(storageFailedNotice(problem))
      this.#adoptionProblem = problem?.message
    }
    clearInterval(this.#adoptTimer)
    this.#adoptTimer = setInterval(() => void adopt(), ADOPT_INTERVAL_MS).unref()
    void adopt()
  }

  #run(): void {
    const { user, client, ca, token, auth, meshKey, ownOutbox, ownRooms, views, roomHistoryDays, typing } =
      this.#options
    const { problem } = this.#storage ?? {}
    if (problem !== undefined) this.#listener(storageFailedNotice(problem))
    const generation = ++this.#generation
    const isCurrent = () => generation === this.#generation
    const keys = this.#keyStore()
    try {
      keys.knownKeys()
    } catch (error) {
      // Without them, every key would count as new.
      return queueMicrotask(() => this.#refuse(`the known keys cannot be read: ${(error as Error).message}`))
    }
    const { key, mode, former } = this.#mesh
    this.#sendRequest = request => this.#earlyRequests.push(request)
    const sendRequest = openSession(
      {
        user,
        client,
        // Ids of messages start with it: another session of this process must not use it again.
        instance: randomBytes(12).toString('base64url'),
        servers: this.#servers,
        ca,
        token,
        auth: mode ?? auth,
        mesh:
          key === undefined && mode === undefined && meshKey === undefined
            ? undefined
            : { key: meshKey ?? key, mode, former },
        keys,
        ownRooms,
        views,
        roomHistoryDays,
        typing,
        random: Math.random,
        onMesh: ({ key, mode, url }, accept) => {
          if (isCurrent()) this.#meet({ key, mode, origin: toOrigin(url) ?? url }, accept)
        },
      },
      this.#messageStorage(),
      event => {
        if (isCurrent()) this.#handleEvent(event)
      },
    )
    this.#sendRequest = sendRequest
    for (const request of this.#earlyRequests.splice(0)) sendRequest(request)
    if (this.history !== undefined && !ownOutbox) this.#startAdopting(this.history)
  }

  #handleEvent(event: SessionEvent): void {
    // The server at this address has proven the mesh.
    if (event.type === 'connection' && event.state.phase === 'online' && this.#mesh.key !== undefined) {
      this.#options.pins.addOrigin(this.#mesh, event.state.url)
    }
    if (event.type === 'connection') this.#isOnline = event.state.phase === 'online'
    if (event.type === 'room-list') this.#awaitsRoomList = false
    if (event.type === 'clock-wrong') this.#listener(wrongClockNotice(event.ahead))
    else this.#listener(event.type === 'room' ? this.#withOperators(event) : event)
    if (event.type === 'connection' && this.#isOnline && this.#awaitsRoomList) this.#sendRequest({ type: 'list-rooms' })
  }

  /** Keeps the operators of a room; before a server has told them, they are those that it told last. */
  #withOperators(event: Extract<SessionEvent, { type: 'room' }>): SessionEvent {
    const { room, state, info } = event
    const file = this.history === undefined ? undefined : this.#storage?.operators
    if (file === undefined) return event
    if (state.state === 'joined') file.store(room, info.operators ?? [])
    const stored = info.operators === undefined ? file.of(room) : []
    return stored.length === 0 ? event : { ...event, info: { ...info, operators: [...stored] } }
  }

  /** Pins the mesh. Goes on with the session, or starts another one with other files. */
  #meet(met: MetMesh, accept: () => void): void {
    let meeting: Meeting
    try {
      meeting = this.#options.pins.meet(this.#mesh.folder, met)
    } catch (error) {
      return this.#refuse((error as Error).message)
    }
    this.#met = met
    const isOtherFolder = meeting.mesh.folder !== this.#mesh.folder
    this.#mesh = meeting.mesh
    const notices = [meetingNotice(meeting, met)]
    const isMigrated = this.#migrate(met, notices)
    if (isOtherFolder || isMigrated) {
      this.#generation++
      this.#sendRequest({ type: 'close' })
      this.closeFiles()
      if (meeting.mergedFolder !== undefined) this.#merge(meeting.mergedFolder, notices)
      this.#open()
      this.#listener({ type: 'storage' })
    }
    for (const notice of notices) if (notice !== undefined) this.#listener(notice)
    if (isOtherFolder || isMigrated) this.#run()
    else accept()
  }

  #refuse(message: string): void {
    this.#generation++
    this.#sendRequest({ type: 'close' })
    this.#listener({ type: 'connection', state: { phase: 'refused', code: 'unauthorized', message } })
  }

  #merge(folder: string, notices: (Notice | undefined)[]): void {
    if (this.#options.disk === 'none') return
    try {
      mergeMeshFolders(folder, this.#mesh.folder)
    } catch (error) {
      notices.push(storageFailedNotice(error))
    }
  }

  /** Takes the files of 0.1 over. Returns whether there were any. */
  #migrate(met: MetMesh, notices: (Notice | undefined)[]): boolean {
    const { disk, pins, user } = this.#options
    if (disk !== 'all' || !pins.isRecorded(this.#mesh) || !this.#mayMigrate(met)) return false
    try {
      if (!migrateLegacyFiles(user, userFolder(this.#mesh.folder, user))) return false
      notices.push(historyMovedNotice(user, this.#mesh.folder))
      return true
    } catch (error) {
      notices.push(storageFailedNotice(error))
      return false
    }
  }

  /** Whether the files of 0.1 may belong to this mesh: they do not tell in which mesh their messages were said. */
  #mayMigrate({ key, mode, origin }: MetMesh): boolean {
    const { hasKey, lastServer } = this.#options
    // The history of a user with a key may have messages that were sealed: other modes would pass them on in plain.
    if (hasKey && mode !== 'key') return false
    if (key !== undefined && key !== PUBLIC_MESH_KEY) return true
    // A mesh that proves nothing gets only what was said there.
    if (lastServer === undefined || toOrigin(lastServer) === origin) return true
    return isLoopbackUrl(lastServer) && isLoopbackUrl(origin)
  }

  #messageStorage(): MessageStorage {
    const { history } = this
    const isOutboxOnDisk = history !== undefined && !this.#options.ownOutbox
    const held = this.#held
    const store = (run: (history: History) => void) => {
      if (history !== undefined) run(history)
      else if (this.#options.disk === 'all') this.#unrecorded.push(run)
    }
    const stored =
      history === undefined
        ? {}
        : {
            archive: history.archive,
            roomArchive: (room: string) => history.roomArchive(room),
            receipts: history.latestReceipts(MAX_RECEIPTS),
          }
    return {
      ...stored,
      rooms: this.#roomsFile?.read() ?? this.#rooms.entries,
      held: isOutboxOnDisk ? history.held : [...held.values()],
      store: (...message: Parameters<History['store']>) => store(history => history.store(...message)),
      storeReceipt: (id: string, at: number, receipt: StoredReceipt) =>
        store(history => history.storeReceipt(id, at, receipt)),
      storeRooms: entries => this.#storeRooms(entries),
      storeRejected: (message: RejectedMessage) => store(history => history.storeRejected(message)),
      save: this.#options.disk === 'all' ? done => this.#saver?.save(done) : undefined,
      hold: (message: HeldMessage) => {
        if (isOutboxOnDisk) history.hold(message)
        else held.set(message.id, message)
      },
      release: (id: string) => {
        if (isOutboxOnDisk) history.release(id)
        else held.delete(id)
      },
    }
  }

  /** The list of rooms on disk; undefined: it is in memory. */
  get #roomsFile(): RoomsFile | undefined {
    return this.history === undefined || this.#options.ownRooms ? undefined : this.#storage?.rooms
  }

  #storeRooms(entries: readonly RoomEntry[]): void {
    const file = this.#roomsFile
    if (file === undefined) {
      this.#rooms = new RoomList(entries)
      return
    }
    try {
      file.store(entries)
    } catch {
      // A save that fails is tried again, and says why.
      this.#saver?.save(() => {})
    }
  }

  #keyStore(): KeyStore {
    const { loadKey } = this.#options
    this.#keysInMemory ??= keysInMemory(loadKey)
    if (this.#storage === undefined) return this.#keysInMemory
    // A save that fails is tried again, and says why.
    return keysOnDisk(this.#storage, loadKey, () => this.#saver?.save(() => {}))
  }
}
