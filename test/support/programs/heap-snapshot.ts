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
  /** Objects by class, handles and timers of Node.js included; and the tables of maps and sets, in bytes. */
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

function count({ snapshot: { meta }, nodes, edges, strings }: RawSnapshot): HeapCounts {
  const nodeField = (name: string) => meta.node_fields.indexOf(name)
  const [nodeSize, edgeSize] = [meta.node_fields.length, meta.edge_fields.length]
  const [type, name, size, edgeCount] = [
    nodeField('type'),
    nodeField('name'),
    nodeField('self_size'),
    nodeField('edge_count'),
  ]
  const [edgeName, toNode] = [meta.edge_fields.indexOf('name_or_index'), meta.edge_fields.indexOf('to_node')]
  const counts = new Map<string, number>()
  const add = (key: string, amount: number) => void counts.set(key, (counts.get(key) ?? 0) + amount)
  let bytes = 0
  let edge = 0
  for (let node = 0; node < nodes.length; node += nodeSize) {
    bytes += nodes[node + size] ?? 0
    const [types] = meta.node_types
    const className = strings[nodes[node + name] ?? 0] ?? ''
    const isObject = types[nodes[node + type] ?? 0] === 'object'
    if (isObject) add(className, 1)
    const isTable = isObject && (className === 'Map' || className === 'Set')
    for (let left = nodes[node + edgeCount] ?? 0; left > 0; left--, edge += edgeSize) {
      if (!isTable || strings[edges[edge + edgeName] ?? 0] !== 'table') continue
      add(`bytes of ${className} tables`, nodes[(edges[edge + toNode] ?? 0) + size] ?? 0)
    }
  }
  return { bytes, counts }
}

/** What has grown: more than the share, and by more than the number, each with the counts before and after. */
export function grownClasses(before: HeapCounts, after: HeapCounts, share: number, number: number): string[] {
  const grown: string[] = []
  for (const [key, now] of after.counts) {
    const then = before.counts.get(key) ?? 0
    const slack = key.startsWith('bytes of') ? number * 100 : number
    if (now > then * (1 + share) && now > then + slack) grown.push(`${key}: ${then} -> ${now}`)
  }
  return grown
}
