import type { Tier } from '../../wire/catalog-types.ts'

/** Questions about hubs, pools and votes, and the one order there is about them: the part of NodeApi for operators of a tiered federation. */
export interface TiersOverview {
  /** The federation as a tree: the hub at the top, below each hub the members of its pool. Asks the hubs. @throws the signal's reason */
  topology(options: TopologyOptions): Promise<TopologyInfo>
  /** Who votes on what, who holds which lease, and what is wrong with that. */
  consensus(): ConsensusStatus
  /** Proposals that this node knows of, the newest first; bounded by the groups. */
  proposals(): ConsensusProposal[]
  /** Votes that this node gave or got, the newest first; bounded by the groups. */
  votes(): ConsensusVote[]
  /** Puts an operators' register to the vote. @throws SKEIN_BAD_REQUEST: not such a key, or not such a value; the signal's reason */
  propose(input: ProposeInput): Promise<ProposeResult>
}

/** Where this node stands in the tree of pools; only in a federation that has hubs. */
export interface TiersStatus {
  /** Id of the pool that this node belongs to whatever else it leads. */
  home: string
  /** hub: of at least one pool. */
  role: 'hub' | 'member'
  /** Those it is in, the lowest first. */
  pools: { pool: string; /** Of its founder; '' where that is not known, and for root. */ name: string; tier: Tier; isHub: boolean; hub?: NamedPeer }[]
  /** Whom it asks for what its own pools do not have; absent: it leads the top pool, or nobody does. */
  up?: NamedPeer
}

export interface NamedPeer {
  peer: string
  /** '' where it is not known. */
  name: string
}

export interface TopologyOptions {
  signal: AbortSignal
  /** Levels below the top. @default all */
  depth?: number
}

export interface TopologyInfo {
  /** Id of the federation. */
  federation: string
  /** This node. */
  peer: string
  /** False: a flat federation, all of it in one pool without a hub. */
  tiered: boolean
  /** The top: one hub, or all members of a flat federation. */
  nodes: TopologyNodeInfo[]
  /** A sentence, where the hubs above could not be asked: `nodes` is only a part of the federation. */
  notice?: string
}

export interface TopologyNodeInfo extends NamedPeer {
  tier: string
  region: string
  role: 'hub' | 'member'
  /** The pool that it is hub of. */
  pool?: string
  alive: boolean
  draining: boolean
  /** 0 to 1, of the calls it can take; absent where it is not known. */
  load?: number
  /** Round trip from the node above, ms, once measured. */
  rtt?: number
  /** How many it exposes. */
  servers: number
  /** This node. */
  self: boolean
  children: TopologyNodeInfo[]
  /** Nodes below that were left out: too deep, or too many. */
  more?: number
}

export interface ConsensusStatus {
  /** This node. */
  peer: string
  /** The pools that it is in, the lowest first. */
  groups: ConsensusGroup[]
  /** Who votes in `root`, as far as this node has heard; only where it is not in that pool. */
  root?: { voters: NamedPeer[]; version: number }
  /** What the federation has decided on, as far as this node has heard: settings and bans that have a value, by key. */
  settings: ConsensusSetting[]
}

export interface ConsensusGroup {
  pool: string
  /** Of its founder; '' where that is not known, and for root. */
  name: string
  tier: Tier
  /** In order of succession. */
  voters: ConsensusVoter[]
  /** Of the list of voters: grows with each change. */
  version: number
  /** False: the last change of voters is still being carried over. */
  settled: boolean
  /** Votes for leases and voters, and for settings and bans. */
  needed: PerKind
  /** Living voters more that may die before nothing of that kind can be decided. */
  survives: PerKind
  lease?: ConsensusLease
  /** Keys that this node has lost to damage of its disk: it does not vote on them. */
  damaged: string[]
  /** What a person should know, as sentences. */
  problems: string[]
}

export interface PerKind {
  lease: number
  settings: number
}

export interface ConsensusVoter extends NamedPeer {
  alive: boolean
  /** It said goodbye to the pool: it was stopped, or is elsewhere now. */
  left: boolean
  self: boolean
}

export interface ConsensusLease {
  holder: NamedPeer
  /** Fencing number: one more at each change of the holder. */
  token: number
  /** How long it holds after each renewal, ms. */
  ttl: number
  tier: string
  region: string
  alive: boolean
  /** Given up: a standby takes it. */
  resigned: boolean
}

export interface ConsensusSetting {
  key: string
  value: unknown
  version: number
}

export type ProposalState = 'running' | 'settling' | 'decided' | 'conflict' | 'no-quorum' | 'expired' | 'unknown'

/** A change, or a read, that this node makes or has made. */
export interface ConsensusProposal {
  /** Hexadecimal; '' for reads. */
  id: string
  pool: string
  key: string
  what: 'change' | 'read' | 'voters'
  /** settling: its time is over and it is found out what became of it. conflict, no-quorum, expired: certainly without effect. */
  state: ProposalState
  /** Unix ms. */
  started: number
  /** Until it ended; up to now for one that runs. */
  ms: number
  rounds: number
  /** Votes it needs, and had in its last round. */
  needed: number
  votes: number
  /** Version of the register that it led to. */
  version?: number
  /** Why it ended so, or what holds it up. */
  reason?: string
}

/** A vote that this node cast or counted. */
export interface ConsensusVote {
  pool: string
  key: string
  voter: NamedPeer
  /** `<number>@<peer id>` */
  ballot: string
  /** Version of the list of voters that it counts in. */
  voters: number
  /** Version of the register that it is for. */
  version: number
  /** Unix ms. */
  at: number
}

export interface ProposeInput {
  /** `setting/<name>` or `ban/<peer id>`. */
  key: string
  /** A whole number for a setting, a reason for a ban; null takes it back. */
  value: unknown
  /** Only if the register has this version now (0: never written). @default whatever it has */
  expect?: number
  signal: AbortSignal
}

export interface ProposeResult {
  /** expired: certainly without effect. unknown: it may take effect yet; ask for the register. */
  outcome: 'decided' | 'refused' | 'expired' | 'unknown'
  key: string
  /** Of the register, once decided. */
  version?: number
  /** A sentence. */
  message: string
}
