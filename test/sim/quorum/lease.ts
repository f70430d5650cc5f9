import type { GroupOptions, Outcome } from '../../../src/federation/quorum/events.ts'
import { HUB_KEY } from '../../../src/federation/quorum/types.ts'
import { Violation } from '../frame/violation.ts'
import { CLOCK_DRIFT } from './world.ts'
import type { Process } from './world-types.ts'

/** ms: so short that leases run out often in a storm of a minute. */
export const LEASE_TTL = 4_000
/** A holder believes in its lease for so much of it, counted from before it asked: clocks differ, voters count from later. */
const BELIEVED = (1 - CLOCK_DRIFT) / (1 + CLOCK_DRIFT)

export interface Lease {
  holder: string
  token: number
  resigned?: boolean
  /** Makes two renewals different, in runs that want that. */
  nonce?: number
}

export function encodeLease(lease: Lease): Uint8Array {
  return Buffer.from(JSON.stringify(lease))
}

export function decodeLease(data: Uint8Array): Lease {
  return JSON.parse(Buffer.from(data).toString('utf8')) as Lease
}

/** A change of holder only when the lease has run out on the voter's own clock, or the holder resigned. */
export const leasePermits: GroupOptions['permits'] = (_pool, key, current, next, { age }) => {
  if (key !== HUB_KEY || current?.data === undefined) return true
  const held = decodeLease(current.data)
  if (held.resigned === true || age >= LEASE_TTL) return true
  if (next.data !== undefined && decodeLease(next.data).holder === held.holder) return true
  return `${held.holder} holds the lease for ${Math.ceil(LEASE_TTL - age)} ms more`
}

/** Who believes to hold the lease, in true time: never two at once, never two for one token. */
export interface Beliefs {
  /** `process` learned that its change was decided, which it began at `began` on its own clock. */
  believe(process: Process, lease: Lease, began: number, localNow: number): void
  /** From now on it does not, whatever comes of its resignation, and of renewals that are still under way. */
  end(process: Process, token: number): void
  mine(process: Process, localNow: number): Lease | undefined
  readonly count: { held: number; holders: number }
}

export function createBeliefs(now: () => number): Beliefs {
  let belief: { process: Process; lease: Lease; untilTrue: number; untilLocal: number } | undefined
  const holderOf = new Map<number, string>()
  const resigned = new Map<Process, number>()
  const count = { held: 0, holders: 0 }
  return {
    count,
    believe(process, lease, began, localNow) {
      const untilLocal = began + LEASE_TTL * BELIEVED
      if (lease.resigned === true || untilLocal <= localNow || lease.token <= (resigned.get(process) ?? 0)) return
      const other = holderOf.get(lease.token)
      if (other !== undefined && other !== lease.holder) throw new Violation('lease', `token ${lease.token} was given to ${other} and to ${lease.holder}`)
      holderOf.set(lease.token, lease.holder)
      if (belief !== undefined && belief.process !== process && !belief.process.ended && belief.untilTrue > now() && belief.lease.holder !== lease.holder) {
        const left = (belief.untilTrue - now()).toFixed(0)
        throw new Violation('lease', `${lease.holder} got the lease with token ${lease.token}, which ${belief.lease.holder} holds for ${left} ms more with token ${belief.lease.token}`)
      }
      if (belief?.lease.holder !== lease.holder) count.holders++
      count.held++
      belief = { process, lease, untilLocal, untilTrue: now() + (untilLocal - localNow) / process.host.rate }
    },
    end(process, token) {
      resigned.set(process, token)
      if (belief?.process === process) belief = undefined
    },
    mine: (process, localNow) => (belief?.process === process && belief.untilLocal > localNow ? belief.lease : undefined)
  }
}

/** Whether an outcome says that the change itself was made. */
export function isDecided(outcome: Outcome): outcome is Extract<Outcome, { type: 'decided' }> {
  return outcome.type === 'decided'
}
