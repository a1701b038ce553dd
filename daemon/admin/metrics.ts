import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { LinkStatus, ServerStatus } from '../../src/protocol/status.ts'

/** A count for each kind of remote end. */
type CountBySide = Record<'client' | 'peer', number>

/** The values of all metrics, read once per scrape. */
export interface MetricsInput {
  version: string
  status: ServerStatus
  /** Slow consumers that were disconnected. */
  cutOff: CountBySide
  /** Invalid payloads that were dropped. */
  malformed: CountBySide
  /** Log lines that could not be written. */
  lostLogLines: number
}

type Sample = [value: number, labels?: Record<string, string>]

/** One metric: a row of docs/metrics.md. */
interface MetricDefinition {
  name: string
  help: string
  labels?: readonly string[]
  samples: (reading: MetricsInput) => Sample[]
}

const statusSample = (value: (status: ServerStatus) => number) => (reading: MetricsInput) => [
  [value(reading.status)] as Sample,
]
const sideSamples = (counts: CountBySide): Sample[] => [
  [counts.client, { side: 'client' }],
  [counts.peer, { side: 'peer' }],
]
const linkSamples = (value: (link: LinkStatus) => number | undefined) => (reading: MetricsInput) =>
  reading.status.links.flatMap((link): Sample[] => {
    const sample = value(link)
    return sample === undefined ? [] : [[sample, { peer: link.peer }]]
  })

const METRICS: readonly MetricDefinition[] = [
  {
    name: 'mesh_chat_server_info',
    help: 'Always 1; the labels give the id and the version of this server.',
    labels: ['server', 'version'],
    samples: ({ status, version }) => [[1, { server: status.server, version }]],
  },
  {
    name: 'mesh_chat_draining',
    help: '1 while this server is shutting down, else 0.',
    samples: statusSample(({ draining }) => Number(draining)),
  },
  {
    name: 'mesh_chat_users',
    help: 'Users connected to this server.',
    samples: statusSample(({ users }) => users),
  },
  {
    name: 'mesh_chat_connections',
    help: 'Client connections of identified users to this server.',
    samples: statusSample(({ connections }) => connections),
  },
  {
    name: 'mesh_chat_roster_views',
    help: 'Connections to this server that hold a view of the roster, with more than limits.wholeRoster users online.',
    samples: statusSample(({ views = 0 }) => views),
  },
  {
    name: 'mesh_chat_online_users',
    help: 'Users online in the whole mesh, as this server sees it.',
    samples: statusSample(({ online }) => online),
  },
  {
    name: 'mesh_chat_remembered_claims',
    help: 'Names of offline users that this server remembers with their keys; only with auth: key.',
    samples: ({ status: { claims } }) => (claims === undefined ? [] : [[claims]]),
  },
  {
    name: 'mesh_chat_rooms',
    help: 'Rooms with members on this server.',
    samples: statusSample(({ rooms = 0 }) => rooms),
  },
  {
    name: 'mesh_chat_room_memberships',
    help: 'Rooms that connections to this server are in, summed over the connections.',
    samples: statusSample(({ memberships = 0 }) => memberships),
  },
  {
    name: 'mesh_chat_slow_connections',
    help: 'Slow consumers: connections with more than 256 unacknowledged messages.',
    samples: statusSample(({ slow }) => slow),
  },
  {
    name: 'mesh_chat_messages_accepted_total',
    help: 'Messages accepted from clients of this server.',
    samples: statusSample(({ accepted }) => accepted),
  },
  {
    name: 'mesh_chat_room_messages_accepted_total',
    help: 'Messages to rooms among the accepted ones.',
    samples: statusSample(({ roomAccepted = 0 }) => roomAccepted),
  },
  {
    name: 'mesh_chat_messages_refused_total',
    help: 'Messages from clients of this server that were rejected.',
    samples: statusSample(({ refused }) => refused),
  },
  {
    name: 'mesh_chat_messages_forwarded_total',
    help: 'Messages that peers forwarded to this server.',
    samples: statusSample(({ forwarded }) => forwarded),
  },
  {
    name: 'mesh_chat_messages_delivered_total',
    help: 'Messages sent to connections of recipients and senders; a message counts once per connection.',
    samples: statusSample(({ delivered }) => delivered),
  },
  {
    name: 'mesh_chat_clock_ahead_seconds',
    help: 'How far the clock of this machine is ahead of the mesh time, the median of the clocks of all servers.',
    samples: statusSample(({ clockAhead = 0 }) => clockAhead / 1_000),
  },
  {
    name: 'mesh_chat_link_up',
    help: '1 if the link is open, else 0. This server dials outbound links, the peer dials inbound links.',
    labels: ['peer', 'direction'],
    samples: ({ status }) =>
      status.links.flatMap(({ peer, outbound, inbound }): Sample[] => [
        [Number(outbound === 'open'), { peer, direction: 'outbound' }],
        [Number(inbound), { peer, direction: 'inbound' }],
      ]),
  },
  {
    name: 'mesh_chat_link_rtt_seconds',
    help: 'Round-trip time of the last heartbeat to a peer; missing while the link is down.',
    labels: ['peer'],
    samples: linkSamples(({ rtt }) => (rtt === undefined ? undefined : rtt / 1_000)),
  },
  {
    name: 'mesh_chat_peer_users',
    help: 'Users connected to a peer, as this server sees it.',
    labels: ['peer'],
    samples: linkSamples(({ users }) => users),
  },
  {
    name: 'mesh_chat_held_messages',
    help: 'Messages held until a peer reports their delivery result.',
    labels: ['peer'],
    samples: linkSamples(({ held }) => held),
  },
  {
    name: 'mesh_chat_connections_cut_off_total',
    help: 'Slow consumers that were disconnected, by remote end.',
    labels: ['side'],
    samples: ({ cutOff }) => sideSamples(cutOff),
  },
  {
    name: 'mesh_chat_malformed_payloads_total',
    help: 'Invalid payloads that were dropped, by sender.',
    labels: ['side'],
    samples: ({ malformed }) => sideSamples(malformed),
  },
  {
    name: 'mesh_chat_log_lines_lost_total',
    help: 'Lines of the log that could not be written.',
    samples: ({ lostLogLines }) => [[lostLogLines]],
  },
]

/** Sums that prom-client names like counters although they are gauges; removed. */
const MISNAMED_COUNTERS = [
  'nodejs_active_resources_total',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
]

/**
 * The metrics of this process, in a separate registry. A scrape reads the server's own state, so nothing is counted per
 * message, and a peer that is forgotten leaves no stale series.
 */
export class Metrics {
  readonly #registry = new Registry()
  #input: MetricsInput | undefined

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
    for (const name of MISNAMED_COUNTERS) this.#registry.removeSingleMetric(name)
    for (const row of METRICS) this.#add(row)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Returns the metrics in the Prometheus text exposition format. */
  scrape(reading: MetricsInput): Promise<string> {
    this.#input = reading
    return this.#registry.metrics()
  }

  #add({ name, help, labels = [], samples }: MetricDefinition): void {
    const read = () => (this.#input === undefined ? [] : samples(this.#input))
    const common = { name, help, labelNames: [...labels], registers: [this.#registry] }
    if (name.endsWith('_total')) {
      new Counter({
        ...common,
        collect() {
          this.reset()
          for (const [value, labels = {}] of read()) this.inc(labels, value)
        },
      })
    } else {
      new Gauge({
        ...common,
        collect() {
          this.reset()
          for (const [value, labels = {}] of read()) this.set(labels, value)
        },
      })
    }
  }
}
