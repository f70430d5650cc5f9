import type { GroupEffect } from '../../../../src/federation/quorum/events.ts'
import { RULES, TIER_THRESHOLD } from '../../../../src/federation/quorum/rules.ts'
import type { Decided } from '../../../../src/federation/quorum/types.ts'
import { VOTERS_KEY } from '../../../../src/federation/quorum/types.ts'
import type { Tier } from '../../../../src/wire/admission-documents.ts'
import type { Certificate, VoterSet } from '../../../../src/wire/quorum-types.ts'
import { decodeVoterSet, voteBytes } from '../../../../src/wire/quorum-votes.ts'
import { Violation } from '../../frame/violation.ts'
import { fakeSeal } from '../fake-seal.ts'
import { textOf } from '../history.ts'
import { FEDERATION, POOL } from '../world.ts'
import type { Process, Watcher } from '../world-types.ts'

/** Everything that any node ever held for decided. */
export interface DecisionLog extends Watcher {
  /** A decision that somebody acts on: an outcome or news. */
  decided(process: Process, decided: Decided): void
  /** The newest voters that anybody knows. */
  voters(): VoterSet & { version: number }
  readonly count: { decisions: number; proven: number; voterChanges: number; largest: number }
}

/**
 * One value for each version of each register, at all nodes, for ever; versions of voters follow each other by single changes; and the votes that
 * come with a decision are those of enough of the voters of that version (so whoever was removed decides nothing: I1, I2, I6, I7).
 */
export function createDecisionLog(options: { genesis: readonly string[]; tier: Tier; threshold?: number | undefined }): DecisionLog {
  const threshold = options.threshold ?? TIER_THRESHOLD[options.tier]
  const values = new Map<string, { text: string; by: string }>()
  const sets = new Map<number, VoterSet>([[0, { peers: options.genesis, settled: true }]])
  const seal = fakeSeal('the checker')
  const checked = new WeakSet<Certificate>()
  /** Versions that enough voters once voted for: a majority of later ones may prove them again. */
  const proven = new Set<string>()
  const count = { decisions: 0, proven: 0, voterChanges: 0, largest: options.genesis.length }
  let newest = 0

  function one(process: Process, { key, version, data, op }: Decided): void {
    if (version === 0) return
    const id = `${key} ${version}`
    const text = `${textOf(data)} by ${op}`
    const before = values.get(id)
    if (before === undefined) {
      values.set(id, { text, by: process.peer })
      count.decisions++
      if (key === VOTERS_KEY) voters(version, data)
    } else if (before.text !== text) {
      throw new Violation('one-value', `version ${version} of ${key} is ${before.text} at ${before.by} and ${text} at ${process.peer}`)
    }
  }

  function voters(version: number, data: Uint8Array | undefined): void {
    const set = decodeVoterSet(data ?? new Uint8Array())
    sets.set(version, set)
    newest = Math.max(newest, version)
    count.voterChanges++
    count.largest = Math.max(count.largest, set.peers.length)
    for (const later of [version, version + 1]) {
      const [from, to] = [sets.get(later - 1), sets.get(later)]
      if (from === undefined || to === undefined) continue
      // Nobody may have heard of settled voters whose only node died as it had written them: those before them are the same ones.
      const wrong = RULES.successor(from, to, sets.get(later - 2) ?? sets.get(later - 3))
      if (wrong !== undefined) throw new Violation('voters', `voters ${later - 1} (${from.peers.join()}) were followed by ${to.peers.join()}: ${wrong}`)
    }
  }

  /** The votes prove it, counted here and not by the code that is on trial. */
  function proof(process: Process, certificate: Certificate): void {
    if (checked.has(certificate) || certificate.value.version === 0) return
    const set = sets.get(certificate.voters)
    if (set === undefined) return
    checked.add(certificate)
    count.proven++
    const bytes = voteBytes({ federation: FEDERATION, pool: POOL, ...certificate })
    const good = [...new Set(certificate.votes.filter(({ peer, signature }) => set.peers.includes(peer) && seal.verify(peer, bytes, signature)).map(({ peer }) => peer))]
    const id = `${certificate.key} ${certificate.value.version}`
    const needed = proven.has(id) && certificate.key !== VOTERS_KEY ? Math.floor(set.peers.length / 2) + 1 : RULES.needed(certificate.key, set.peers.length, threshold, set.peers.length)
    if (RULES.isQuorum(certificate.key, set.peers, good, needed)) proven.add(id)
    else {
      const voters = `voters ${certificate.voters} (${set.peers.join()})`
      throw new Violation('proof', `${process.peer} holds version ${certificate.value.version} of ${certificate.key} for decided with the votes of ${good.join()} of ${voters}, which takes ${needed}`)
    }
  }

  return {
    count,
    decided: one,
    voters: () => ({ version: newest, ...sets.get(newest)! }),
    effect(process: Process, effect: GroupEffect) {
      if (effect.type === 'decided') {
        one(process, effect.decided)
        if (effect.certificate !== undefined) proof(process, effect.certificate)
      }
      if (effect.type === 'ended' && effect.outcome.type === 'decided') one(process, effect.outcome.decided)
    }
  }
}
