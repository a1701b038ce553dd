/**
 * The package's door: `import { createServer, connect } from 'mesh-chat'`. It stands above all three floors, so it alone
 * in src/ imports the two programs, and nobody imports it; .biome.json holds both.
 */
export { ChatClient, type ChatEvents, type Fate } from '../cli/chat-client.ts'
export { type ConnectOptions, connect } from '../cli/library.ts'
export { type ChatServer, type CreateServerOptions, createServer, type LogLine } from '../daemon/library.ts'
export type { ConnectionState } from './client/events.ts'
export type { Limits } from './protocol/limits.ts'
export type { Message } from './protocol/messages.ts'
