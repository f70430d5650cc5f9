import type { ServerLoad } from '../wire/mcp-call.ts'

/** A node that may take a call, and what is known of it now. Times in ms on the injected clock. */
export interface Candidate {
  peer: string
  /** This node itself: no network between. */
  local: boolean
  /** Relayed through others: no session of our own. @default false */
  relayed?: boolean
  /** Measured: of the session, or of the whole relayed path. */
  rtt?: number
  /** By network coordinates, before anything is measured. */
  predicted?: number
  /** Great-circle distance, when both say where they are and nothing better is known. */
  km?: number
  /** Exchanges in service there, as its last answer said; of no use any more once it reported the load of the server itself. */
  load?: number
  /** The server's load as it is at this moment: known of this node only. */
  now?: ServerLoad
  /** Calls of this server that it runs at a time. @default DEFAULT_CAPACITY */
  capacity?: number
  /** It does not answer the membership now: it may be dead, or only slow. @default false */
  suspect?: boolean
  /** @default 'closed' */
  breaker?: 'closed' | 'open' | 'half-open'
}

/**
 * How an attempt ended. `answered`: also with an error of the server. `failed`: by the transport, or the server broke. `refused`:
 * provably not run, or no answer in time: no sign that anything fell. `cancelled`: says nothing about the provider.
 */
export type Ending = 'answered' | 'failed' | 'refused' | 'cancelled'

/**
 * Why a provider was chosen. `only`: there is no other. `sticky`: the session's state is there. `local`: as good as any other, and no network
 * between. `best`: nobody else is near the best expected time. `lighter`: the less loaded of two near the best. `trial`: it is back or was
 * failing, and gets a share of the calls. `last_resort`: all are failing, suspected or refused by their breakers.
 */
export const REASONS = ['only', 'sticky', 'local', 'best', 'lighter', 'trial', 'last_resort'] as const
export type Reason = (typeof REASONS)[number]

export interface Choice {
  peer: string
  why: Reason
  /** ms until the answer. */
  expected: number
}

export interface ChooseOptions {
  /** Where the session's state is. */
  sticky?: string | undefined
  /** Tools of a server take different times. */
  tool?: string | undefined
}

/** What the way there was judged by, the best first. */
export type PathSource = 'local' | 'measured' | 'predicted' | 'distance' | 'default'

/** Whether calls go there: as a matter of course, or only when nobody better can take them. */
export type Standing = 'good' | 'warming' | 'half-open' | 'damped' | 'suspect' | 'open'

/** The figures that a choice was made by. */
export interface Figures {
  peer: string
  local: boolean
  relayed: boolean
  /** ms there and back. */
  path: number
  pathFrom: PathSource
  /** ms that the server takes for a call that does not wait. */
  service: number
  /** Calls there now, as far as is known: running and waiting, this node's own included. */
  ahead: number
  capacity: number
  /** 0 to 1: of the last calls, those that were answered; forgives with time. */
  reliability: number
  standing: Standing
  /** 0 to 1: share of the calls that one that is new or back gets. */
  warmth: number
  /** ms that it stays damped. */
  dampedFor: number
  /** ms until the answer. */
  expected: number
  /** `expected` and what the risk of a failure adds, ms: by this providers are compared. */
  cost: number
  /** Near the best: one of those that a call may go to now. */
  near: boolean
}

export interface Explanation {
  /** What a call now most likely gets; undefined without candidates. */
  choice: Choice | undefined
  /** In the order of the candidates. */
  candidates: Figures[]
}

export interface RouterStats {
  /** Pairs of server and peer that something is known of. */
  lanes: number
  /** Of those, avoided because they failed again and again. */
  damped: number
}

export interface Router {
  /** Undefined without candidates. */
  choose(server: string, candidates: readonly Candidate[], options?: ChooseOptions): Choice | undefined
  /** The same figures as for `choose`; changes nothing. */
  explain(server: string, candidates: readonly Candidate[], options?: ChooseOptions): Explanation
  /** A call leaves for `peer`. Each is followed by one `ended`. */
  started(server: string, peer: string): void
  /**
   * @param ms since it started
   * @param load of the server there, as the answer said
   */
  ended(server: string, peer: string, how: Ending, ms: number, load?: ServerLoad, tool?: string): void
  /** The membership declared it dead. */
  memberFailed(peer: string): void
  /** It joined, or is back. */
  memberBack(peer: string): void
  /** It left: nothing of it is kept. */
  forget(peer: string): void
  stats(): RouterStats
}
