/** The rooms of a server without the server around them, for unit tests. */
import type { Limits } from '../../../src/protocol/limits.ts'
import type { Refusal, RoomEvent } from '../../../src/protocol/messages.ts'
import type { RoomSettings } from '../../../src/protocol/rooms.ts'
import type { Connection } from '../../../src/server/clients/connection.ts'
import { Rooms } from '../../../src/server/rooms/rooms.ts'
import { addConnection, advance, createContext, takeEffects } from './server-context.ts'

/** A room of the config with the given fields; else anyone may join it and write. */
export function roomSettings(name: string, fields: Partial<RoomSettings> = {}): RoomSettings {
  return { name, operators: [], write: 'all', hidden: false, slowSeconds: 0, ...fields }
}

/** @param settings the rooms of the config */
export function createRooms(limits: Partial<Limits> = {}, settings: readonly RoomSettings[] = []) {
  const context = createContext(limits, { rooms: settings })
  const connections = new Map<number, Connection>()
  const rooms = new Rooms(context, connections)
  const connect = (id: number, user: string, allowedRooms?: readonly string[]) =>
    addConnection(context, connections, id, user, 2, { rooms: true }, allowedRooms)
  /** The answer to a request. Other effects of the request are dropped. */
  const answerOf = (): unknown => {
    for (const effect of takeEffects(context)) if (effect.type === 'answer') return effect.payload
    return undefined
  }
  const join = (connection: number, room: unknown): unknown => {
    rooms.join({ type: 'join', connection, room, call: 1 })
    return answerOf()
  }
  const part = (connection: number, room: unknown): unknown => {
    rooms.part({ type: 'part', connection, room, call: 1 })
    return answerOf()
  }
  const list = (connection: number): unknown => {
    rooms.list(connection, 1)
    return answerOf()
  }
  /** A client's connection closes. */
  const close = (connection: Connection) => {
    connections.delete(connection.id)
    rooms.handleDisconnected(connection)
    context.directory.removeConnection(connection)
  }
  const changeOnPeer = (peer: string, room: string, isMember: boolean, ...users: string[]) =>
    rooms.handleMemberships(
      peer,
      users.map(name => ({ room, name, isMember })),
    )
  /** The room events of the effects so far, with their receivers. */
  const told = (): { to: readonly number[]; event: RoomEvent }[] =>
    takeEffects(context).flatMap(effect =>
      effect.type === 'emit' && effect.message.event === 'room'
        ? [{ to: effect.to, event: effect.message.payload }]
        : [],
    )
  /** Lets time pass, with a tick at each deadline. Returns the room events. */
  const pass = (ms: number) => {
    const until = context.now + ms
    while (rooms.deadline <= until) {
      advance(context, Math.max(0, rooms.deadline - context.now))
      rooms.tick()
    }
    advance(context, until - context.now)
    return told()
  }
  const check = (connection: Connection, room: string): Refusal | undefined => rooms.checkMessage(connection, room)
  return { context, connections, rooms, connect, join, part, list, close, changeOnPeer, told, pass, check }
}
