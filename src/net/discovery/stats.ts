/** How attempts of one sort went since the start. */
export interface Tally {
  total: number
  successful: number
  failed: number
  /** Of all attempts together, ms. */
  ms: number
  /** By source or method, a closed set of names. */
  by: Readonly<Record<string, { successful: number; failed: number }>>
  /** When the last one ended, well or not, unix ms; undefined: there was none. */
  last: number | undefined
}

/** Counts attempts to find peers, and rounds of bootstrap methods, for whoever cannot read a scrape. */
export interface DiscoveryStats {
  /** One peer found by a source, and whether an authenticated connection followed; or a source that failed. */
  readonly discoveries: Tally
  /** One round of a bootstrap method, and whether it brought an authenticated connection. */
  readonly bootstraps: Tally
}

export interface TallyBook {
  count(name: string, status: 'success' | 'failure', ms: number, at: number): void
  read(): Tally
}

export function createTallyBook(): TallyBook {
  const by: Record<string, { successful: number; failed: number }> = {}
  let ms = 0
  let last: number | undefined
  return {
    count(name, status, duration, at) {
      const entry = (by[name] ??= { successful: 0, failed: 0 })
      if (status === 'success') entry.successful++
      else entry.failed++
      ms += duration
      last = at
    },
    read() {
      const entries = Object.values(by)
      const successful = entries.reduce((sum, entry) => sum + entry.successful, 0)
      const failed = entries.reduce((sum, entry) => sum + entry.failed, 0)
      return { total: successful + failed, successful, failed, ms, by: structuredClone(by), last }
    }
  }
}
