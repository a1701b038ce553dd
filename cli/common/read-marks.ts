/** Up to which hybrid time a user has read each thread. */
export interface ReadMarks {
  /** What is older is read, in threads without a mark: the time of the newest message when the first marks were stored. */
  readonly since: number
  readonly threads: ReadonlyMap<string, number>
}
