import type { CredentialBundle } from '../wire/admission-documents.ts'
import type { Evidence, SwimMessage } from '../wire/swim-types.ts'

export type MemberState = 'alive' | 'suspect' | 'dead' | 'left'

/** A member as others may see it; a fresh object at each change, never changed afterwards. */
export interface Member {
  peer: string
  state: MemberState
  incarnation: number
  boot: number
  name: string
  version: string
  addresses: readonly string[]
  tier: string
  region: string
  /** When it came into this state, on the injected clock, ms. */
  since: number
}

/**
 * `joined`: first seen, or back after it left or was forgotten. `recovered`: alive again after `suspect` or `dead` (`was`).
 * `updated`: other name, version, addresses or credential. `by`, `evidence`: who accused, and of what, for suspected and failed; absent for one that was banned.
 */
export interface MemberEvent {
  type: 'joined' | 'updated' | 'suspected' | 'failed' | 'left' | 'recovered'
  member: Member
  was?: MemberState
  by?: string
  evidence?: Evidence
}

/** What this node says about itself. */
export interface LocalMember {
  name: string
  version: string
  addresses: readonly string[]
  credential: CredentialBundle
}

/** `refused`: ECONNREFUSED. `open`: somebody accepts connections there. `silent`: anything else (time-out, no route). */
export type KnockResult = 'refused' | 'open' | 'silent'

export type SwimEvent =
  | { type: 'start'; local: LocalMember; /** Unix ms; at least one more than any boot remembered from before. */ boot: number; /** Used before in this life, in a machine that is gone. */ above?: number }
  /** Time has passed; whatever is due happens. Due at `nextDue()` at the latest. */
  | { type: 'tick' }
  | { type: 'message'; from: string; message: SwimMessage }
  /** The first admitted connection of a peer. `address`: where it is, a multiaddr; `dialled`: we dialled it, so the address is one it listens at. `quiet`: it is hardly of this pool. */
  | { type: 'link-up'; peer: string; address: string; dialled: boolean; quiet?: boolean }
  /** Its last connection is gone. `expected`: this node closed it. */
  | { type: 'link-down'; peer: string; expected: boolean }
  /** A `knock` is answered. */
  | { type: 'knocked'; peer: string; result: KnockResult }
  /** A `dial` ended; when it succeeded link-up has come before. */
  | { type: 'dialled'; peer: string; ok: boolean }
  | { type: 'local'; local: LocalMember }
  /** The federation has banned it: it is dead at once. Its `standing` keeps it out from now on. */
  | { type: 'expel'; peer: string }
  /** Says goodbye. A later `start` joins again, in the same process. */
  | { type: 'leave' }

export type SwimEffect =
  /** To a peer with a link. It may be lost, and nobody says so. */
  | { type: 'send'; to: string; message: SwimMessage }
  /** A bare TCP connect to each of these multiaddrs, at most 1 s; `refused` only if all of them refuse. Give back `knocked`. */
  | { type: 'knock'; peer: string; addresses: readonly string[] }
  /** A whole connection. Give back `dialled`. */
  | { type: 'dial'; peer: string; addresses: readonly string[]; timeout: number }
  | { type: 'close'; peer: string }
  | { type: 'event'; event: MemberEvent }
  /** For metrics and log. */
  | { type: 'counted'; what: Counted; peer?: string; value?: number }
  /** A newer process has this node's identity: this one has fallen silent for good. */
  | { type: 'superseded'; by: { boot: number; name: string; addresses: readonly string[] } }

/**
 * `probe` has the round trip in `value` (ms). `stall`: the event loop stood still for `value` ms and deadlines were moved. `prediction`: a round trip was
 * predicted by coordinates and then measured, `value` ms away from that. `lost-place`: the own coordinates began anew.
 */
export type Counted =
  | 'probe-ok' | 'probe-indirect' | 'probe-failed' | 'probe-late' | 'suspicion' | 'refutation' | 'nack-missing' | 'stall'
  | 'forged' | 'stranger' | 'stale' | 'sync-same' | 'sync-different' | 'link-evidence' | 'queue-dropped' | 'prediction' | 'lost-place'
