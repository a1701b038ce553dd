import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { dataFolder } from './data-folder.ts'

/** Longest readable part of an encoded name. With the hash it stays far below the 255 bytes of file systems. */
const MAX_READABLE_LENGTH = 40
const HASH_LENGTH = 16
const SAFE_CHARACTER = /^[A-Za-z0-9_]$/

/**
 * A name as the name of a file or folder: the start of the name, percent-encoded, and 64 bits of its SHA-256. Different
 * names have different results, also on file systems that ignore case, and none is longer than 57 characters.
 */
export function encodeFileName(name: string): string {
  let readable = ''
  for (const character of name) {
    const encoded = SAFE_CHARACTER.test(character) ? character : percentEncode(character)
    if (readable.length + encoded.length > MAX_READABLE_LENGTH) break
    readable += encoded
  }
  return `${readable}-${createHash('sha256').update(name).digest('hex').slice(0, HASH_LENGTH)}`
}

function percentEncode(character: string): string {
  return Buffer.from(character).toString('hex').toUpperCase().replace(/../g, '%$&')
}

/** The folder that holds the folders of all meshes. */
export function meshesFolder(): string {
  return join(dataFolder(), 'meshes')
}

/** The folder of all users in a mesh. */
export function usersFolder(mesh: string): string {
  return join(meshesFolder(), mesh, 'users')
}

/** The folder with a user's files in a mesh. */
export function userFolder(mesh: string, user: string): string {
  return join(usersFolder(mesh), encodeFileName(user))
}
