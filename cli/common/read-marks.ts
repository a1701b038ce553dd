/** Up to which hybrid time a user has read each thread. */
export interface ReadMarks {
  /** What is older is read, in threads without a mark: the time of the newest message when the first marks were stored. */
  readonly since: number
  readonly threads: ReadonlyMap<string, number>
  /** Messages that arrived late and were not seen, although the thread may be read up to a later time. Absent: none. */
  readonly late?: readonly LateMark[]
}

/** A message of a thread that arrived late. */
export interface LateMark {
  readonly thread: string
  readonly from: string
  readonly id: string
  readonly at: number
}
