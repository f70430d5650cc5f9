/** Every protocol id and topic in one place; protocols/README.md repeats them. */
export const ADMISSION_PROTOCOL = '/skein/admission/1.0.0'
export const RPC_PROTOCOL = '/skein/rpc/1.0.0'
export const SWIM_PROTOCOL = '/skein/swim/1.0.0'
/** Members tell each other whether they can be dialled (discovery.md). */
export const REACH_PROTOCOL = '/skein/reach/1.0.0'
export const KAD_PROTOCOL = '/skein/kad/1.0.0'

/** The flat federation's only pool. Every catalog message carries it, so that tiers can add pools later. */
export const ROOT_POOL = 'root'

export function catalogTopic(federation: string, pool: string): string {
  return `skein/${federation}/${pool}/catalog/1`
}

/** Test messages, whose way through the mesh is asked for (protocols/gossip-test.md). */
export function gossipTestTopic(federation: string, pool: string): string {
  return `skein/${federation}/${pool}/test/1`
}

/** RPC method numbers (protocols/rpc.md). A new method takes a new number; numbers are never reused. */
export const METHOD = {
  /** Answers the body it got; for measurements and `skein net test`. */
  ECHO: 1,
  /** An exchange passed on to a node that the asking one cannot reach. */
  RELAY: 2,
  /** Could the asked node pass exchanges on to another? */
  REACH: 3,
  /** Anti-entropy: what I hold -> what you hold newer, and what you want. */
  CATALOG_DIGEST: 16,
  /** Records the other side said it wants. */
  CATALOG_PUSH: 17,
  /** Tool definitions by digest. */
  CATALOG_DEFINITIONS: 18,
  /** One MCP request to a server of the called node. */
  MCP_CALL: 32,
  /** A client session has ended: its own upstream children may go. */
  MCP_END_SESSION: 33,
  /** A join request forwarded to the token's issuer. */
  ADMISSION_REDEEM: 48,
  /** A test message has arrived, and over whom. */
  GOSSIP_TEST: 64,
  /** A voter's promise for a ballot. */
  QUORUM_PREPARE: 80,
  /** A voter's vote for a value. */
  QUORUM_ACCEPT: 81,
  /** What was decided: told, or asked for. */
  QUORUM_LEARN: 82,
  /** A change that a voter is to propose for a member that is none. */
  QUORUM_FORWARD: 83,
  /** Into which pool, under which hub? */
  TIER_ATTACH: 96,
  /** The tree below the asked node. */
  TIER_TOPOLOGY: 97,
  /** Tables of what is offered beyond a pool: compared. */
  SUMMARY_SYNC: 112,
  /** What changed in one, told. */
  SUMMARY_CHANGED: 113,
  /** Which nodes provide a distant server, and over whom they are reached. */
  SUMMARY_RESOLVE: 114,
  /** Tools by words, in the whole federation. */
  SUMMARY_SEARCH: 115
} as const
