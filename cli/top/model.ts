/** What `top` shows, and what hands do to it. */
import { Mesh, type MonitoredServer } from './mesh.ts'
import type { PollEvent } from './poller.ts'

export const SORT_KEYS = ['id', 'users', 'rate', 'rtt'] as const
export type SortKey = (typeof SORT_KEYS)[number]

/** From where the readings come. */
export type Source =
  | { phase: 'connecting' | 'live'; url: string }
  /** It gives none, and says why; or went away. */
  | { phase: 'refused' | 'lost'; url: string; reason: string }

const byId = new Intl.Collator('en', { numeric: true })

export class TopModel {
  readonly mesh = new Mesh()
  columns = 80
  rows = 24
  source: Source | undefined
  sortKey: SortKey = 'id'
  isPaused = false
  isHelpOpen = false
  /** The first server that is shown, where they do not all fit. */
  scrollOffset = 0

  /** Takes what the survey told; while paused, readings go by. */
  handleEvent(event: PollEvent, now: number): void {
    switch (event.type) {
      case 'connecting':
        this.source = { phase: 'connecting', url: event.url }
        break
      case 'lost':
        this.source = { phase: 'lost', url: event.url, reason: event.reason }
        break
      case 'refused':
        this.source = { phase: 'refused', url: event.url, reason: event.refusal.message }
        break
      case 'reading':
        this.source = { phase: 'live', url: event.url }
        if (!this.isPaused) this.mesh.update(event.clusterStatus, now)
    }
  }

  /** The servers in the order in which they are shown: those that give no number last. */
  sortedServers(): MonitoredServer[] {
    const servers = [...this.mesh.servers.values()]
    const rank = RANKS[this.sortKey]
    return servers.sort((a, b) => rank(b) - rank(a) || byId.compare(a.id, b.id))
  }
}

const RANKS: Record<SortKey, (server: MonitoredServer) => number> = {
  id: () => 0,
  users: server => server.status?.users ?? -1,
  rate: server => server.rate ?? -1,
  rtt: server => server.worstRtt ?? -1,
}
