/** A hub that is lost without a trace is missed for this long at most, and a little more for the clocks, ms: less than a call that may be repeated waits. */
export const LEASE_TTL = 10_000
/** Two renewals may fail where voters answer that they do, ms. */
export const RENEW_EVERY = 3_500
/** One renewal at most, ms: two that nobody answers, and the pause between them, fit between its beginning and the end of the lease. */
export const RENEW_WITHIN = 2_500
/** After a failed renewal or takeover, ms, and up to as much again by chance. */
export const RETRY_AFTER = 500
/** Standbys wait for a ten-thousandth of drift a hundred times over: quartz is good to 50 millionths, but virtual machines pause. */
export const DRIFT = 1.1
/** A takeover is decided in a few round trips: the next standby proposes only if that did not happen, ms. */
export const RANK_DELAY = 400
export const RANK_JITTER = 200
/** One takeover at most, ms. */
export const TAKE_WITHIN = 4_000
/** The newest lease, before a takeover, ms. */
export const READ_WITHIN = 2_000
/** What comes and goes is no voter, ms. */
export const STABLE_AFTER = 10_000
/** A restart takes seconds, a reboot a minute; longer, and another failure could leave the pool without a majority, ms. */
export const REPLACE_AFTER = 60_000
/** How often voters are looked at when nothing happens, ms. */
export const VOTERS_EVERY = 5_000
export const VOTERS_WITHIN = 5_000
/** Two voters are there only until a third one is added or the second taken off: longer, and the second does not vote, ms. */
export const PAIR_AFTER = 10_000
/** A candidate that has said so lately would vote, ms. */
export const WOULD_VOTE_FOR = 10_000
export const WOULD_VOTE_WITHIN = 2_000
/** One that would not is asked again after this time, twice as long after each time, ms … */
export const NO_VOTER_BACKOFF = { base: 10_000, cap: 60_000 }
/** … and one that was added and did not vote, after this time: it lies, or dies at once, and each time the pool is without a hub, ms. */
export const NO_VOTER_FOR = 600_000
/** A node must be usable soon even where nobody tells it where to go, ms. */
export const HOME_WITHIN = 3_000
/** One question, its connection included: a hub that takes longer is no good one, ms. */
export const ASK_WITHIN = 2_000
/** Hubs visited in one search. */
export const MAX_VISITS = 8
/** Peers asked at the same time as long as nobody has answered. */
export const WAVE = 2
/** Peers of which nothing is known that are asked in one search. */
export const MAX_SEEDS = 12
/** An uplink never gives up, ms. */
export const SEEK_BACKOFF = { base: 1_000, cap: 30_000 }
/** Another hub is looked for, ms, and up to a quarter more or less by chance. */
export const COMPARE_EVERY = 60_000
/** … and more rarely as long as there is none that is better, twice as long each time, up to this: a hub answers all below it, ms. */
export const COMPARE_REST = 240_000
/** The first look for `federation.parent` of a node that is not below it, ms, … */
export const PREFER_AGAIN = 5_000
/** … and every further one, a quarter more or less: a hundred leaves of a hub that is away are seven questions a second. */
export const PREFER_EVERY = 15_000
/** A better hub has to be so often in a row … */
export const BETTER_TIMES = 3
/** … by so much … */
export const BETTER_BY = 0.1
/** … and the node so long where it is, ms. */
export const SETTLED_AFTER = 300_000
/** Nodes of a flat federation look this often for the first hubs, ms … */
export const NOTICE_EVERY = 5_000
/** … and go there within this time by chance, and 20 ms more for each of them, so that a hub is not run over, ms. */
export const FIRST_MOVE_SPREAD = 10_000
export const FIRST_MOVE_EACH = 20
/** Alone for longer than any failover of links: the pool is elsewhere, ms. */
export const ALONE_AFTER = 15_000
/** A pool in which nobody was but the one that took this node in, or that was lost twice within this time, is no place to go to for as long, ms. */
export const AVOID_FOR = 600_000
/** A pool without a hub and without a majority that could choose one is left by those who can go elsewhere after this time, ms: a restart may be faster. */
export const HOPELESS_AFTER = 3_000
/** The old pool is left when the new one has shown a member and its hub has told what is beyond it, or after this time, ms. */
export const BREAK_AFTER = 15_000
/** … but not before everyone else has heard over the hubs what this node has, ms: half a second for each on the longest way. */
export const LINGER = 4_000
/** How often that is looked at, ms. */
export const LINGER_CHECK = 500
/** A place is kept for an accepted one until it is seen in the pool, ms. */
export const RESERVED_FOR = 10_000
/** Facts that count something change at most this often, so that a hub's record is not written at every join, ms. */
export const FACTS_EVERY = 5_000
/** News of the same moment are looked at together, ms. */
export const GATHER = 20
/** Whatever was missed is seen after this time, ms. */
export const IDLE_CHECK = 30_000
/** Giving back the leases at a stop, ms. */
export const RESIGN_WITHIN = 2_000
/** Members of the pool above in a lease, and of the own pool in an acceptance. */
export const CONTACTS = 4
/** Addresses of each of them. */
export const CONTACT_ADDRESSES = 4
/** Of one of them: four contacts with four such addresses fit into a register (4 KiB). */
export const CONTACT_ADDRESS_CHARS = 128
/** Who said goodbye may be restarting: a federation that is stopped as a whole keeps its voters, ms. */
export const REPLACE_LEFT_AFTER = 15_000
/** Hubs of the own pools are written down again after this time, ms: a name stays with whom it was met under for a day. */
export const SAVE_AGAIN = 3_600_000
/** A hub with a damaged row gives its role to another one, and not again before this time, ms: that one may have such a row too. */
export const ILL_AGAIN = 600_000
