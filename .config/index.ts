/** The package entry: `import { createServer, connect } from 'mesh-chat'`. The only module that imports both programs. */
export {
  ChatClient,
  type ChatEvents,
  type Fate,
  type ListedRoom,
  type MessageChange,
  type ReactOptions,
  type ReceivedMessage,
  type RoomChange,
  RoomError,
  type SendOptions,
  type TargetOptions,
} from '../cli/session/chat-client.ts'
export { type ConnectOptions, connect } from '../cli/session/library.ts'
export { type ChatServer, type CreateServerOptions, createServer, type LogLine } from '../daemon/library.ts'
export type { ConnectionState } from '../src/client/events.ts'
export type { ConfiguredRoom } from '../src/programs/configured-rooms.ts'
export type { Limits } from '../src/protocol/limits.ts'
export type { Message } from '../src/protocol/messages.ts'
