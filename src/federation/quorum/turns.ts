import type { Proposal } from './proposal.ts'
import { HUB_KEY, type ProposalInfo } from './types.ts'

/** Proposals that run or wait at one node. */
export const MAX_PROPOSALS = 256
/** Ended ones kept to be shown. */
const MAX_ENDED = 256
/** … and of leases: a hub renews its own every few seconds, and within minutes there would be nothing else to see. */
const MAX_LEASES = 32

/** The proposals of a node: those on one register take turns, or they would outbid each other. */
export interface Turns {
  /** Without a key it runs at once. */
  add(key: string | undefined, proposal: Proposal): void
  full(): boolean
  tick(): void
  /** Takes away what is done, and starts what may start. */
  run(): void
  nextWake(): number | undefined
  broken(why: string): void
  infos(): ProposalInfo[]
}

interface Entry {
  key: string | undefined
  proposal: Proposal
  started: boolean
}

export function createTurns(): Turns {
  let entries: Entry[] = []
  const ended: ProposalInfo[] = []
  const leases: ProposalInfo[] = []

  function keep(info: ProposalInfo): void {
    const [kept, most] = info.key === HUB_KEY && info.state === 'decided' ? [leases, MAX_LEASES] : [ended, MAX_ENDED]
    kept.push(info)
    if (kept.length > most) kept.shift()
  }

  function drop(): void {
    if (!entries.some(({ proposal }) => proposal.done())) return
    for (const { proposal } of entries) if (proposal.done()) keep(proposal.info())
    entries = entries.filter(({ proposal }) => !proposal.done())
  }

  /** One whose outcome is told gives way: what it still settles must not hold others up. */
  const holds = (entry: Entry) => entry.started && !entry.proposal.reported()

  return {
    add(key, proposal) {
      entries.push({ key, proposal, started: false })
    },
    full: () => entries.length >= MAX_PROPOSALS,
    tick() {
      for (const { proposal } of entries) proposal.tick()
    },
    run() {
      // Starting one may end it, and start others.
      for (let again = true; again; ) {
        again = false
        drop()
        const busy = new Set(entries.filter(holds).map(({ key }) => key))
        for (const entry of entries) {
          if (entry.started || (entry.key !== undefined && busy.has(entry.key))) continue
          entry.started = true
          if (entry.key !== undefined) busy.add(entry.key)
          entry.proposal.start()
          again = true
        }
      }
    },
    nextWake() {
      let next: number | undefined
      for (const { proposal } of entries) {
        const wake = proposal.nextWake()
        if (wake !== undefined && (next === undefined || wake < next)) next = wake
      }
      return next
    },
    broken(why) {
      for (const { proposal } of entries) proposal.broken(why)
      drop()
    },
    infos: () => [...[...ended, ...leases].toSorted((a, b) => a.started - b.started), ...entries.map(({ proposal }) => proposal.info())]
  }
}
