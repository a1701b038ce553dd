/** Heap snapshots of servers: what they hold, counted by class. */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Program, until } from './processes.ts'

/** A snapshot as V8 writes it: flat lists of fields. */
interface RawSnapshot {
  snapshot: {
    meta: {
      node_fields: string[]
      node_types: [string[], ...unknown[]]
      edge_fields: string[]
      edge_types: [string[], ...unknown[]]
    }
  }
  nodes: number[]
  edges: number[]
  strings: string[]
}

export interface HeapCounts {
  /** All objects after a garbage collection, bytes. */
  bytes: number
  /**
   * Objects by class, handles and timers of Node.js included; and what the tables of maps and sets refer to: their capacity
   * is up to twice what they hold.
   */
  counts: ReadonlyMap<string, number>
}

/** The environment of a program that writes heap snapshots to a folder. */
export function snapshotEnv(folder: string): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${folder}` }
}

/** @param folder that of `snapshotEnv` */
export async function takeHeapSnapshot({ child }: Program, folder: string): Promise<HeapCounts> {
  child.kill('SIGUSR2')
  let snapshot: RawSnapshot | undefined
  await until('the heap snapshot is written', () => {
    const [file] = readdirSync(folder).filter(name => name.endsWith('.heapsnapshot'))
    if (file === undefined) return false
    try {
      snapshot = JSON.parse(readFileSync(join(folder, file), 'utf8')) as RawSnapshot
    } catch {
      // It is being written.
      return false
    }
    rmSync(join(folder, file))
    return true
  })
  if (snapshot === undefined) throw new Error('no heap snapshot')
  return count(snapshot)
}

/** Members with a bounded number of entries, by class: what only they hold is not counted. `holders.test.ts` tests the cache. */
const BOUNDED: ReadonlyMap<string | undefined, string> = new Map([
  ['PresenceStream', '#log'],
  ['Holders', '#cache'],
])

function count({ snapshot: { meta }, nodes, edges, strings }: RawSnapshot): HeapCounts {
  const [nodeSize, edgeSize] = [meta.node_fields.length, meta.edge_fields.length]
  const nodeFields = ['type', 'name', 'self_size', 'edge_count'].map(name => meta.node_fields.indexOf(name))
  const edgeFields = ['type', 'name_or_index', 'to_node'].map(name => meta.edge_fields.indexOf(name))
  const [type = 0, name = 0, size = 0, edgeCount = 0] = nodeFields
  const [edgeType = 0, edgeName = 0, toNode = 0] = edgeFields
  const field = (node: number, at: number) => nodes[node + at] ?? 0
  const classOf = (node: number) => (types[field(node, type)] === 'object' ? strings[field(node, name)] : undefined)
  const [[types], [edgeTypes]] = [meta.node_types, meta.edge_types]
  const firstEdges = new Map<number, number>()
  let nextEdge = 0
  for (let node = 0; node < nodes.length; node += nodeSize) {
    firstEdges.set(node, nextEdge)
    nextEdge += field(node, edgeCount) * edgeSize
  }
  const counts = new Map<string, number>()
  const add = (key: string, amount: number) => void counts.set(key, (counts.get(key) ?? 0) + amount)
  let bytes = 0
  const reached = new Set([0])
  // A set can grow while it is walked.
  for (const node of reached) {
    bytes += field(node, size)
    const className = classOf(node)
    if (className !== undefined) add(className, 1)
    const first = firstEdges.get(node) ?? 0
    for (let edge = first; edge < first + field(node, edgeCount) * edgeSize; edge += edgeSize) {
      const kind = edgeTypes[edges[edge + edgeType] ?? 0] ?? ''
      if (kind === 'weak') continue
      const to = edges[edge + toNode] ?? 0
      const label = kind === 'element' || kind === 'hidden' ? undefined : strings[edges[edge + edgeName] ?? 0]
      if (label !== undefined && label === BOUNDED.get(className)) continue
      if (label === 'table' && (className === 'Map' || className === 'Set'))
        add(`references of ${className} tables`, field(to, edgeCount))
      reached.add(to)
    }
  }
  return { bytes, counts }
}

/** What has grown: more than the share, and by more than the number, each with the counts before and after. */
export function grownClasses(before: HeapCounts, after: HeapCounts, share: number, number: number): string[] {
  const grown: string[] = []
  for (const [key, now] of after.counts) {
    const then = before.counts.get(key) ?? 0
    if (now > then * (1 + share) && now > then + number) grown.push(`${key}: ${then} -> ${now}`)
  }
  return grown
}
