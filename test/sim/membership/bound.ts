import type { MembershipProfile } from '../../../src/membership/profiles.ts'
import { suspicionMin, syncScale } from '../../../src/membership/suspicion.ts'
import { LONGEST_RETRY } from '../../support/swim-cable.ts'
import { BOOTSTRAP_PERIOD } from '../../support/swim-world.ts'

/** Each dead member is redialled once in this time by the pool (src/membership/dead-rounds.ts) … */
const REDIAL_SPACING = 2_000
/** … with at most this much jitter, and a dial lasts at most this long. */
const REDIAL_JITTER = 1.25
const DIAL = 3_000
/** Members that come back are dialled at this pace, and who has the higher id waits for the other first. */
const RECOVERED_DIALS_PER_SECOND = 2
const LINK_WAIT = 1_500

function longestSuspicion(profile: MembershipProfile, members: number): number {
  return (profile.suspicionTimeout ?? suspicionMin(profile.suspicionMult, members, profile.probeInterval)) * profile.suspicionMaxMult
}

/** The longest a probe may take: its window at the worst health. */
function longestProbe(profile: MembershipProfile): number {
  return Math.max(profile.probeInterval, 2 * profile.probeTimeout) * profile.healthMax
}

/**
 * From when on nobody who runs may be declared dead. A packet lost just before the calm may be sent again LONGEST_RETRY later, and all that is behind it waits;
 * a probe that began in the storm is judged at the end of its window; the suspicion that it raises lasts at most the longest. What begins later is judged by calm.
 */
export function settleTime(profile: MembershipProfile, members: number): number {
  return LONGEST_RETRY + longestProbe(profile) + longestSuspicion(profile, members)
}

/**
 * By when every view must be the truth, in ms after the storm. The steps, each at its longest and one after the other:
 * 1. wrong suspicions end, rightly or wrongly (settleTime);
 * 2. each member's health falls from the worst score to 0: one step per answered probe, the next one `score + 1` intervals later: S (S + 1) / 2 intervals;
 * 3. who was declared dead is redialled: every 2 s x members x jitter at worst by one observer that is alone with it; and the bootstrap peers, every 10 s, for those who know nobody;
 * 4. links to all that came back, at two per second, after the wait for the other side;
 * 5. what gossip missed comes with the next sync, and its joins cause one more soon after: one interval at its longest, and the gossip rounds of the last news.
 */
export function convergenceBound(profile: MembershipProfile, members: number): number {
  const health = ((profile.healthMax * (profile.healthMax + 1)) / 2) * profile.probeInterval
  const redial = REDIAL_SPACING * members * REDIAL_JITTER + DIAL + 1.25 * BOOTSTRAP_PERIOD + DIAL
  const links = LINK_WAIT + DIAL + (1_000 * members * 1.25) / RECOVERED_DIALS_PER_SECOND
  const sync = 1.25 * profile.syncInterval * syncScale(members)
  const gossip = profile.retransmitMult * Math.ceil(Math.log10(members + 1)) * profile.gossipInterval
  return settleTime(profile, members) + health + redial + links + sync + 2 * gossip
}
