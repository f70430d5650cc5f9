import { randomHex, randomInt } from '../../../src/base/random.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Outcome } from '../../../src/federation/quorum/events.ts'
import { OP_BYTES } from '../../../src/wire/quorum-votes.ts'
import { stream } from '../frame/chance.ts'
import type { Process, World } from './world-types.ts'

export interface Manager {
  /** Perhaps somebody changes the voters. */
  tick(): void
  /** Removes a damaged voter, or brings one back after that. `why` nothing was to be done, or undefined. */
  mend(done: (outcome: Outcome) => void): boolean
  /** Hosts whose row cannot be read, as their processes say or their disks are. */
  damaged(): number[]
}

/** For each tick of the storm. */
const CHANCE = 0.04
/** … where there may be two voters or one: what can go wrong there is over in a moment. */
const CHANCE_FEW = 0.12
/** Share of changes of two voters that take the second one off again; of two that are not settled all do. */
const WAY_BACK = 0.3
/** Share of ticks with two voters in which the second one dies. */
const SECOND_DIES = 0.05
/** Share of changes that are of several voters at once, which must be refused. */
const GREEDY = 0.1

/** Whoever is hub grows and shrinks the voters; here anybody does, at any time, and sometimes two at once. */
export function createManager(world: World, options: { seed: number; smallest: number; largest: number }): Manager {
  const random = stream(options.seed, 20)
  const { smallest, largest } = options
  const chance = smallest === 1 ? CHANCE_FEW : CHANCE

  function propose(process: Process, peers: readonly string[], within: number, done: (outcome: Outcome) => void): void {
    world.count('asked voters')
    world.propose(process, { what: 'voters', peers, op: randomHex(random, OP_BYTES) }, within, (outcome) => {
      world.count(`voters ${outcome.type}`)
      done(outcome)
    })
  }

  function next(process: Process, random: Random): readonly string[] | undefined {
    const { peers, settled } = process.machine.voters()
    const back = random.float() < WAY_BACK
    const add = random.float() < (smallest === 1 ? 0.4 : 0.55)
    const which = random.float()
    const greedy = random.float() < GREEDY
    // By the first or the second of them, who wants to be the one that is left: it is not for both to decide.
    if (peers.length === 2 && smallest === 1 && (back || !settled)) return peers.includes(process.peer) ? [process.peer] : peers.slice(0, 1)
    const others = world.hosts.map(({ peer }) => peer).filter((peer) => !peers.includes(peer))
    // Refused: half of the voters must not be exchanged at once.
    if (greedy && others.length > 1 && peers.length > 1) return [...peers.slice(Math.ceil(peers.length / 2)), ...others].slice(0, Math.max(smallest, peers.length))
    if (add) {
      const peer = others[Math.floor(which * others.length)]
      return peer === undefined || peers.length >= largest ? undefined : [...peers, peer]
    }
    return peers.length <= smallest ? undefined : peers.toSpliced(Math.floor(which * peers.length), 1)
  }

  /** Two voters are there for a moment only: it would hardly ever be this one by chance. */
  function secondDies(): void {
    const dies = random.float() < SECOND_DIES
    const first = world.running().find(({ peer, machine }) => machine.voters().peers.length === 2 && machine.voters().peers[0] === peer)
    const second = world.running().find(({ peer }) => peer === first?.machine.voters().peers[1])
    if (!dies || second === undefined) return
    world.count(`second dies, ${first?.machine.voters().settled === true ? 'settled' : 'unsettled'}`)
    world.crash(second, false)
  }

  const manager: Manager = {
    damaged: () => world.hosts.filter(({ disk, process }) => disk.damaged || (process !== undefined && process.machine.status().damaged.length > 0)).map(({ index }) => index),
    tick() {
      const all = world.running()
      const process = all[randomInt(random, all.length)]
      const within = 1_000 + random.float() * 6_000
      secondDies()
      if (random.float() >= chance || process === undefined) return
      const peers = next(process, random)
      if (peers !== undefined) propose(process, peers, within, () => {})
    },
    mend(done) {
      const all = world.running()
      const healthy = all.filter(({ machine }) => machine.status().damaged.length === 0)
      const process = healthy[randomInt(random, healthy.length)]
      if (process === undefined) return false
      const { peers } = process.machine.voters()
      const bad = manager.damaged().map((index) => world.hosts[index]!.peer)
      const gone = peers.find((peer) => bad.includes(peer))
      // One at a time: with three voters and two of them damaged nobody could help.
      if (gone !== undefined && peers.length > 1) {
        propose(process, peers.filter((peer) => peer !== gone), 8_000, done)
        return true
      }
      const back = bad[0]
      if (back === undefined) return false
      propose(process, [...peers, back], 8_000, done)
      return true
    }
  }
  return manager
}
