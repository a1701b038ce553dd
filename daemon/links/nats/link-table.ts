import type { NatsLink } from './nats-link.ts'

/** The open links over the backbone. */
export class LinkTable {
  readonly #byNumber = new Map<number, NatsLink>()
  readonly #byName = new Map<string, NatsLink>()

  /** Both return to 0 when all links are closed. */
  get counts(): { links: number; names: number } {
    return { links: this.#byNumber.size, names: this.#byName.size }
  }

  add(link: NatsLink): void {
    this.#byNumber.set(link.number, link)
    this.#byName.set(link.name, link)
  }

  remove({ number, name }: NatsLink): void {
    this.#byNumber.delete(number)
    this.#byName.delete(name)
  }

  withNumber(number: number): NatsLink | undefined {
    return this.#byNumber.get(number)
  }

  /** @param name the name that both sides use */
  withName(name: string): NatsLink | undefined {
    return this.#byName.get(name)
  }

  /** All links; links may be removed while the caller reads the list. */
  all(): NatsLink[] {
    return [...this.#byNumber.values()]
  }

  /** The links with a process of a peer. @param subjectSender see `NatsLink.subjectSender` */
  withProcess(incarnation: string, subjectSender: string | undefined): NatsLink[] {
    const links: NatsLink[] = []
    for (const link of this.#byNumber.values())
      if (link.incarnation === incarnation && link.subjectSender === subjectSender) links.push(link)
    return links
  }
}
