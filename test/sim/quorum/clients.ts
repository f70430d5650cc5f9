import { randomHex, randomInt } from '../../../src/base/random.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Outcome, Wanted } from '../../../src/federation/quorum/events.ts'
import { HUB_KEY } from '../../../src/federation/quorum/types.ts'
import { OP_BYTES } from '../../../src/wire/quorum-votes.ts'
import type { Action } from '../../support/linearizable.ts'
import { stream } from '../frame/chance.ts'
import { Violation } from '../frame/violation.ts'
import { textOf } from './history.ts'
import type { History } from './history.ts'
import { createBeliefs, decodeLease, encodeLease, isDecided, LEASE_TTL } from './lease.ts'
import type { Beliefs, Lease } from './lease.ts'
import type { Process, World } from './world-types.ts'

export const KEYS = ['setting/a', 'setting/b', 'ban/x', 'other'] as const

export interface Clients {
  readonly beliefs: Beliefs
  /** Once per tick of the storm. */
  tick(): void
  /** A change of whatever is there, for the calm. */
  change(process: Process, key: string, within: number, done: (outcome: Outcome) => void): void
  read(process: Process, key: string, within: number, done: (outcome: Outcome) => void): void
}

/** Share of ticks with an operation, and with somebody who wants the lease. */
const BUSY = { operation: 0.3, lease: 0.12 }

/** People and machines that want things: everywhere, often at once, sometimes twice. */
export function createClients(world: World, history: History, seed: number): Clients {
  const random = stream(seed, 10)
  const hopes = stream(seed, 11)
  const busy = 0.3 + random.float()
  const nonces = random.float() < 0.5
  const beliefs = createBeliefs(() => world.now)
  let serial = 0

  function someone(random: Random): Process | undefined {
    const all = world.running()
    return all[randomInt(random, all.length)]
  }

  interface HowAsked {
    within: number
    /** ms until nobody waits for it any more. */
    abandon?: number
    /** Who is asked for the same change too. */
    twin?: Process | undefined
  }

  function operate(process: Process, key: string, action: Action, options: HowAsked, done?: (outcome: Outcome) => void): void {
    const { within } = options
    const op = randomHex(random, OP_BYTES)
    const end = history.begin(process.peer, key, action, op)
    const wanted: Wanted =
      action.type === 'read'
        ? { what: 'read', key }
        : { what: 'change', key, op, expect: action.expect === 'any' ? undefined : action.expect, data: action.data === undefined ? undefined : Buffer.from(action.data) }
    world.count(`asked ${action.type}`)
    if (options.twin === undefined) {
      const id = world.propose(process, wanted, within, (outcome) => {
        end(outcome)
        done?.(outcome)
      })
      if (options.abandon !== undefined) {
        world.later(options.abandon, () => {
          if (!process.ended && process.waiting.delete(id)) world.handle(process, { type: 'abandon', id })
        })
      }
      return
    }
    twice(process, options.twin, wanted, within, end)
  }

  /** The same change asked for at two nodes, one after the other or both at once: it is made once or not at all. */
  function twice(first: Process, second: Process, wanted: Wanted, within: number, end: (outcome: Outcome) => void): void {
    world.count('asked twice')
    const outcomes: Outcome[] = []
    const answered = (outcome: Outcome) => {
      outcomes.push(outcome)
      const [one, other] = outcomes.filter(isDecided)
      if (one !== undefined && other !== undefined) {
        world.count('twice decided')
        const versions = [one.decided.version, other.decided.version]
        if (versions[0] !== versions[1]) throw new Violation('own-change', `one change, asked for at two nodes, is said to be versions ${versions.join(' and ')}`)
      } else if (isDecided(outcome)) {
        end(outcome)
      } else if (one === undefined && outcomes.length === 2 && outcomes.every(({ type }) => type !== 'unknown')) {
        // Surely not made only if both attempts say so.
        end(outcomes.find(({ type }) => type !== 'conflict') ?? outcome)
      }
    }
    world.propose(first, wanted, within, answered)
    world.later(random.float() < 0.5 ? 0 : random.float() * within, () => {
      if (!second.ended) world.propose(second, wanted, within, answered)
    })
  }

  function operation(): void {
    const process = someone(random)
    const key = KEYS[randomInt(random, KEYS.length)]!
    const within = 300 + random.float() ** 2 * 6_000
    const what = random.float()
    const off = random.float()
    const abandon = random.float() < 0.05 ? random.float() * within : undefined
    const again = random.float() < 0.08 ? someone(random) : undefined
    const data = random.float() < 0.08 ? undefined : `${key}-${++serial}`
    if (process === undefined) return
    const twin = again === process ? undefined : again
    if (what < 0.3) return operate(process, key, { type: 'read' }, { within })
    const known = process.machine.known(key)?.version ?? 0
    const expect = what < 0.42 ? 'any' : Math.max(0, known + (off < 0.06 ? 1 : off < 0.12 ? -1 : 0))
    operate(process, key, { type: 'change', expect, data }, { within, twin, ...(abandon === undefined ? {} : { abandon }) })
  }

  /** Somebody renews, resigns, or tries to take the lease over, sometimes too early. */
  function lease(): void {
    const process = someone(hopes)
    const fate = hopes.float()
    const within = 500 + hopes.float() * 2_500
    const nonce = randomInt(hopes, 1_000_000)
    if (process === undefined) return
    const mine = beliefs.mine(process, world.localTime(process))
    const known = process.machine.known(HUB_KEY)
    if (mine !== undefined && known !== undefined && fate < 0.9) return take(process, { ...mine, ...(nonces ? { nonce } : {}) }, known.version, within)
    if (mine !== undefined && known !== undefined) {
      beliefs.end(process, mine.token)
      world.count('resigned')
      return take(process, { ...mine, resigned: true }, known.version, within)
    }
    operate(process, HUB_KEY, { type: 'read' }, { within }, (outcome) => {
      if (!isDecided(outcome) || process.ended) return
      const { version, data } = outcome.decided
      const current = data === undefined ? undefined : decodeLease(data)
      if (current?.holder === process.peer && current.resigned !== true) return take(process, current, version, within)
      take(process, { holder: process.peer, token: (current?.token ?? 0) + 1, ...(nonces ? { nonce } : {}) }, version, within)
    })
  }

  function take(process: Process, lease: Lease, expect: number, within: number): void {
    const began = world.localTime(process)
    world.count('asked lease')
    operate(process, HUB_KEY, { type: 'change', expect, data: textOf(encodeLease(lease)) }, { within: Math.min(within, LEASE_TTL) }, (outcome) => {
      if (isDecided(outcome) && !process.ended) beliefs.believe(process, lease, began, world.localTime(process))
    })
  }

  return {
    beliefs,
    tick() {
      if (random.float() < BUSY.operation * busy) operation()
      if (hopes.float() < BUSY.lease) lease()
    },
    change(process, key, within, done) {
      operate(process, key, { type: 'change', expect: 'any', data: `${key}-${++serial}` }, { within }, done)
    },
    read: (process, key, within, done) => operate(process, key, { type: 'read' }, { within }, done)
  }
}
