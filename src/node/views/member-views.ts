import type { Clock } from '../../base/clock.ts'
import type { PoolMembers } from '../../membership/pools.ts'
import type { Member, MemberEvent } from '../../membership/types.ts'
import type { Host } from '../../net/host.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import type { MemberChange, MemberInfo, NodeStatus } from '../api.ts'
import { saidPlace } from './said-place.ts'

export interface MemberViewDeps {
  membership: Pick<PoolMembers, 'members' | 'member' | 'pools' | 'stats' | 'onEvent'>
  host: Pick<Host, 'self' | 'peers'>
  clock: Clock
  /** Round trip to a peer, ms, once measured. */
  rtt(peer: string): number | undefined
  record(peer: string): NodeRecord | undefined
}

export interface MemberViews {
  /** By name. */
  all(): MemberInfo[]
  onChange(listener: (change: MemberChange) => void): () => void
  counts(): NodeStatus['members']
}

/** Members as the edges see them: in unix time, with what is known of the way there. */
export function createMemberViews({ membership, host, clock, rtt, record }: MemberViewDeps): MemberViews {
  function infoOf({ peer, name, state, version, addresses, incarnation, since, ...credential }: Member, linked: boolean): MemberInfo {
    const measured = rtt(peer)
    return {
      peer, name, state, self: peer === host.self, ...saidPlace(record(peer), credential), version, addresses: [...addresses], incarnation,
      since: Math.round(clock.wall() - (clock.now() - since)),
      ...(measured === undefined ? {} : { rtt: measured }),
      linked,
      pools: membership.pools().filter((pool) => membership.member(peer, pool)?.state === state)
    }
  }

  function changeOf({ type, member, was, by, evidence }: MemberEvent): MemberChange {
    return {
      type, time: Math.round(clock.wall()), member: infoOf(member, host.peers().includes(member.peer)),
      ...(was === undefined ? {} : { was }),
      ...(by === undefined ? {} : { by }),
      ...(evidence === undefined ? {} : { evidence })
    }
  }

  return {
    all() {
      const linked = new Set(host.peers())
      return membership.members().map((member) => infoOf(member, linked.has(member.peer))).sort((a, b) => (a.name === b.name ? (a.peer < b.peer ? -1 : 1) : a.name < b.name ? -1 : 1))
    },
    onChange: (listener) => membership.onEvent((event) => listener(changeOf(event))),
    counts() {
      const { alive, suspect } = membership.stats().members
      return { total: alive + suspect, healthy: alive }
    }
  }
}
