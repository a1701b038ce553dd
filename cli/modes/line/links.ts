/** The links of printed messages, for `/open` of the line mode. */

import { readableText } from '../../../src/protocol/message-kinds.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { findLinks } from '../../chat/model/threads/links.ts'
import { threadName } from '../../common/thread-name.ts'

/** Most links that are listed of a thread. */
const MAX_LINKS = 100

/** Opens a link with the user's program. */
export type OpenLink = (url: string, onError: (problem: string) => void) => void

export class LineLinks {
  readonly #user: string
  /** By thread, newest first. */
  readonly #urls = new Map<string, readonly string[]>()

  constructor(user: string) {
    this.#user = user
  }

  /** Keeps the links of a message that is printed. */
  observe(message: Message): void {
    const urls = findLinks(readableText(message.text)).map(({ url }) => url)
    if (urls.length === 0) return
    const thread = threadName(message, this.#user)
    const known = this.#urls.get(thread) ?? []
    this.#urls.set(thread, [...new Set([...urls.reverse(), ...known])].slice(0, MAX_LINKS))
  }

  /** `/open`: lists the links of a thread. `/open N`: opens link N. */
  open(thread: string, args: string, print: (line: string) => void, openLink: OpenLink): void {
    const urls = this.#urls.get(thread) ?? []
    if (urls.length === 0) return print('no links here since the start')
    if (args === '') {
      for (const [at, url] of urls.entries()) print(`${at + 1} ${url}`)
      return
    }
    const url = /^\d{1,6}$/.test(args) ? urls[Number(args) - 1] : undefined
    if (url === undefined) print(`there are links 1 to ${urls.length}; /open lists them`)
    else openLink(url, print)
  }
}
