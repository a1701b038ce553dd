import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { LinkStatus, ServerStatus } from '../../src/protocol/status.ts'

/** Who is at the other end of a connection. */
type CountBySide = Record<'client' | 'peer', number>

/** What the metrics are made of, read once for each scrape. */
export interface MetricsInput {
  version: string
  status: ServerStatus
  /** Connections that were cut off because they did not read. */
  cutOff: CountBySide
  /** Payloads that were not what they must be. */
  malformed: CountBySide
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
    help: 'Always 1; the labels tell the id of this server and its version.',
    labels: ['server', 'version'],
    samples: ({ status, version }) => [[1, { server: status.server, version }]],
  },
  {
    name: 'mesh_chat_draining',
    help: 'Whether this server is shutting down: 1 or 0.',
    samples: statusSample(({ draining }) => Number(draining)),
  },
  {
    name: 'mesh_chat_users',
    help: 'Users with a connection to this server.',
    samples: statusSample(({ users }) => users),
  },
  {
    name: 'mesh_chat_connections',
    help: 'Connections of users to this server.',
    samples: statusSample(({ connections }) => connections),
  },
  {
    name: 'mesh_chat_online_users',
    help: 'Users online in the whole mesh, as this server sees it.',
    samples: statusSample(({ online }) => online),
  },
  {
    name: 'mesh_chat_slow_connections',
    help: 'Connections that are more than 100 messages behind in confirming what they are sent.',
    samples: statusSample(({ slow }) => slow),
  },
  {
    name: 'mesh_chat_messages_accepted_total',
    help: 'Messages taken from clients of this server.',
    samples: statusSample(({ accepted }) => accepted),
  },
  {
    name: 'mesh_chat_messages_refused_total',
    help: 'Messages of clients of this server that were refused.',
    samples: statusSample(({ refused }) => refused),
  },
  {
    name: 'mesh_chat_messages_forwarded_total',
    help: 'Messages that peers passed on to this server.',
    samples: statusSample(({ forwarded }) => forwarded),
  },
  {
    name: 'mesh_chat_messages_delivered_total',
    help: 'Messages handed to connections, of recipients and of senders: one message counts for each.',
    samples: statusSample(({ delivered }) => delivered),
  },
  {
    name: 'mesh_chat_link_up',
    help: 'Whether a link is open, by who dials it: outbound, this server; inbound, the peer. 1 or 0.',
    labels: ['peer', 'direction'],
    samples: ({ status }) =>
      status.links.flatMap(({ peer, outbound, inbound }): Sample[] => [
        [Number(outbound === 'open'), { peer, direction: 'outbound' }],
        [Number(inbound), { peer, direction: 'inbound' }],
      ]),
  },
  {
    name: 'mesh_chat_link_rtt_seconds',
    help: 'From the last beat to a peer to its echo; missing while the link is down.',
    labels: ['peer'],
    samples: linkSamples(({ rtt }) => (rtt === undefined ? undefined : rtt / 1_000)),
  },
  {
    name: 'mesh_chat_peer_users',
    help: 'Users whom this server holds of a peer.',
    labels: ['peer'],
    samples: linkSamples(({ users }) => users),
  },
  {
    name: 'mesh_chat_held_messages',
    help: 'Messages held until a peer tells their fates.',
    labels: ['peer'],
    samples: linkSamples(({ held }) => held),
  },
  {
    name: 'mesh_chat_connections_cut_off_total',
    help: 'Connections that were cut off because they did not read, by who was at the other end.',
    labels: ['side'],
    samples: ({ cutOff }) => sideSamples(cutOff),
  },
  {
    name: 'mesh_chat_malformed_payloads_total',
    help: 'Payloads that were dropped because they were not what they must be, by who sent them.',
    labels: ['side'],
    samples: ({ malformed }) => sideSamples(malformed),
  },
]

/** Sums of other metrics by prom-client, called counters by their names, which they are not. */
const MISNAMED_COUNTERS = [
  'nodejs_active_resources_total',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
]

/**
 * The metrics of this process, in a registry of their own. Nothing is counted for them: a scrape reads what the server
 * knows anyway, so a peer that is forgotten leaves no series behind.
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

  /** As text, in Prometheus' exposition format. */
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
