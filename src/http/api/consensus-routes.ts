import type { ApiRoutes } from './route.ts'
import { count, flag, list, number, object, oneOf, text, type JsonSchema } from './schema.ts'

/** ms: the longest `consensus.proposal_timeout`, and the last round that finds out what became of the proposal. */
const PROPOSAL_DEADLINE = 660_000
/** Longer than any key that there is. */
const MAX_KEY = 128

const TIER = oneOf(['global', 'regional', 'local', 'leaf'], "The pool's.")
const PEER = { peer: text('Peer id.'), name: text('Empty where it is not known.') }
const perKind = (what: string): JsonSchema => object({ lease: count('For leases of hubs and for lists of voters.'), settings: count('For settings and bans.') }, {}, what)

const VOTER = object({ ...PEER, alive: flag('As this node sees it.'), left: flag('It said goodbye to the pool: it was stopped, or is in another pool now.'), self: flag('This node.') })

const LEASE = object(
  {
    holder: object(PEER), token: count('Fencing number: one more at each change of the holder.'), ttl: number('How long it holds after each renewal, ms.'),
    tier: text(), region: text(), alive: flag('The holder, as this node sees it.'), resigned: flag('The holder gave it up: a standby takes it.')
  },
  {}, 'Who is hub of the pool. Not there: nobody ever was.'
)

const GROUP = object(
  {
    pool: text(), name: text('Of its founder; empty where that is not known, and for root.'), tier: TIER,
    voters: list(VOTER, 'In order of succession.'),
    version: count('Of the list of voters: grows with each change.'),
    settled: flag('False: the last change of voters is still being carried over.'),
    needed: perKind('Votes needed.'),
    survives: perKind('Living voters more that may die before nothing of that kind can be decided.'),
    damaged: list(text(), 'Keys that this node has lost to damage of its disk: it does not vote on them.'),
    problems: list(text(), 'What a person should know.')
  },
  { lease: LEASE }
)

const SETTING = object({ key: text(), value: {}, version: count('Grows with each change.') })

const PROPOSAL = object(
  {
    id: text('Empty for reads.'), pool: text(), key: text(), what: oneOf(['change', 'read', 'voters'], 'voters: a change of the list of voters.'),
    state: oneOf(['running', 'settling', 'decided', 'conflict', 'no-quorum', 'expired', 'unknown'], 'settling: its time is over, and it is found out what became of it. conflict, no-quorum and expired: certainly without effect; unknown: it may take effect yet.'),
    started: number('Unix ms.'), ms: number('Until it ended; up to now for one that runs.'),
    rounds: count(), needed: count('Votes.'), votes: count('In the last round.')
  },
  { version: count('Of the register, once decided.'), reason: text('Why it ended so, or what holds it up.') }
)

const VOTE = object({
  pool: text(), key: text(), voter: object(PEER),
  ballot: text('<number>@<peer id>; of two the higher number wins.'),
  voters: count('Version of the list of voters.'),
  version: count('Of the register.'),
  at: number('Unix ms.')
})

const RESULT = object(
  {
    outcome: oneOf(['decided', 'refused', 'expired', 'unknown'], 'refused and expired: certainly without effect; unknown: it may take effect yet, so ask for its state.'),
    key: text(), message: text('A sentence.')
  },
  { version: count('Of the register, once decided.') }
)

/** What the federation decides by vote. */
export const CONSENSUS_ROUTES: ApiRoutes = {
  'GET /api/consensus/status': {
    summary: 'Tells who votes in the pools of this node, how many votes are needed, how many deaths that survives, who is hub, and what is wrong',
    tag: 'consensus',
    answer: object(
      { peer: text('This node.'), groups: list(GROUP, 'One for each pool that this node is in, the lowest first.'), settings: list(SETTING, 'Settings and bans of the federation that have a value, as far as this node has heard.') },
      { root: object({ voters: list(object(PEER)), version: count('Of the list of voters.') }, {}, 'Who votes in root, as far as this node has heard; not there where it is in that pool.') }
    ),
    run: (api) => api.consensus()
  },
  'GET /api/consensus/proposals': {
    summary: 'Lists what this node puts and has put to the vote, and what became of it, the newest first',
    tag: 'consensus',
    answer: object({ proposals: list(PROPOSAL) }),
    run: (api) => ({ proposals: api.proposals() })
  },
  'POST /api/consensus/proposals': {
    summary: 'Puts a setting of the federation or a ban to the vote, and answers what became of it',
    tag: 'consensus',
    admin: true,
    body: object(
      { key: { type: 'string', minLength: 1, maxLength: MAX_KEY, description: 'setting/max_tools, setting/max_regional_hubs, setting/max_child_hubs, setting/max_clusters or ban/<peer id>.' }, value: { description: 'A whole number for a setting, the reason for a ban; null takes it back.' } },
      { expect: count('Only if the register has this version now; 0: it was never written. Without it: whatever it has.') }
    ),
    answer: RESULT,
    deadline: PROPOSAL_DEADLINE,
    run: (api, { body: { key, value, expect }, signal }) => api.propose({ key: key as string, value, ...(expect === undefined ? {} : { expect: expect as number }), signal })
  },
  'GET /api/consensus/votes': {
    summary: 'Lists the votes that this node cast and counted, the newest first',
    tag: 'consensus',
    answer: object({ votes: list(VOTE) }),
    run: (api) => ({ votes: api.votes() })
  }
}
