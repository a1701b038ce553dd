/** The state of the `top` screen. It changes only in its own methods and in handle-key.ts. */
import { Mesh, type MonitoredServer, type ReadonlyMesh, type ReadonlyServer } from './mesh.ts'
import type { PollEvent } from './poller.ts'

export const SORT_KEYS = ['id', 'users', 'rate', 'rtt'] as const
export type SortKey = (typeof SORT_KEYS)[number]

/** The server that gives the readings. */
export type Source =
  | { phase: 'connecting' | 'live'; url: string }
  /** `refused`: the server rejected the request. `lost`: the connection failed. */
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
  /** Whether the rooms are shown instead of the servers. */
  isRoomsOpen = false
  /** Index of the first server or room shown. */
  scrollOffset = 0

  resize(columns: number, rows: number): void {
    this.columns = Math.max(1, columns)
    this.rows = Math.max(1, rows)
  }

  /** Records that no reading came in time. */
  recordGap(): void {
    if (!this.isPaused) this.mesh.recordGap()
  }

  /** Handles an event of the poller. While paused, readings are dropped. */
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

  /** The servers in display order; servers without a value for the sort key come last. */
  sortedServers(): MonitoredServer[] {
    const servers = [...this.mesh.servers.values()]
    const rank = RANKS[this.sortKey]
    return servers.sort((a, b) => rank(b) - rank(a) || byId.compare(a.id, b.id))
  }
}

/** The model as views see it: the compiler rejects a view that changes it. */
export type ReadonlyTopModel = Readonly<
  Omit<TopModel, 'mesh' | 'handleEvent' | 'resize' | 'recordGap' | 'sortedServers'>
> & {
  readonly mesh: ReadonlyMesh
  sortedServers(): readonly ReadonlyServer[]
}

const RANKS: Record<SortKey, (server: MonitoredServer) => number> = {
  id: () => 0,
  users: server => server.status?.users ?? -1,
  rate: server => server.rate ?? -1,
  rtt: server => server.worstRtt ?? -1,
}
