import type { Member } from '../../membership/types.ts'

/** A record is there in seconds; a member that came just now may have none yet, ms. */
const SETTLED = 60_000
/** One may have a wrong clock of its own. */
const MIN_WITHOUT = 2

/**
 * What a person should know where the records of most living members are not good: they end some minutes after they were written, by the clock of this
 * machine. Membership and leases go by clocks that do not jump, so that nothing else tells of it, while the tools of all others are gone.
 */
export function clockNotice({ self, members, hasRecord, now }: { self: string; members: readonly Member[]; hasRecord(peer: string): boolean; /** On the clock, ms. */ now: number }): string | undefined {
  const settled = members.filter(({ peer, state, since }) => peer !== self && state === 'alive' && now - since >= SETTLED)
  const without = settled.filter(({ peer }) => !hasRecord(peer)).length
  if (without < MIN_WITHOUT || without * 2 <= settled.length) return undefined
  return `${without} of ${settled.length} living members have no record here that is still good, so that their tools are missing: the clock of this machine is probably wrong, set it (a record is good for ten minutes)`
}
