import type { Counter, Meter } from '../base/meter.ts'
import type { SwimMessageKind } from '../wire/swim-types.ts'
import type { SendResult } from './ports.ts'
import type { SwimStats } from './swim.ts'
import type { Counted, KnockResult } from './types.ts'

/** Why a message or a statement in it was not believed. */
export type Rejection = 'malformed' | 'unreadable' | 'foreign' | 'elsewhere' | 'forged' | 'stranger' | 'stale' | 'flood'

export interface MembershipMetrics {
  failures: Counter
  counted(what: Counted, value: number | undefined): void
  sent(kind: SwimMessageKind, result: SendResult, bytes: number): void
  received(kind: SwimMessageKind, bytes: number): void
  rejected(reason: Rejection): void
  dialled(ok: boolean): void
  knocked(result: KnockResult): void
}

/** Seconds; a direct answer within a machine room, to one that came through others on a slow line. */
const PROBE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8]
/** Seconds; from as good as measured, to nonsense. */
const PREDICTION_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]
const PROBES = { 'probe-ok': 'direct', 'probe-indirect': 'indirect', 'probe-late': 'late', 'probe-failed': 'failed' } as const

/** The first three names are promised to whoever watches a federation: they have no prefix of ours. */
export function createMembershipMetrics(meter: Meter, stats: () => SwimStats): MembershipMetrics {
  const gauge = (name: string, help: string) => meter.gauge(name, help).with()
  const counter = (name: string, help: string) => meter.counter(name, help).with()

  const nodes = gauge('federation_nodes_total', 'Nodes of the pools of this node that have not left, this one and dead ones included. A node that is gone for good counts for 24 hours.')
  const healthy = gauge('federation_nodes_healthy', 'Nodes that are alive as seen from here, this one included. When lower than federation_nodes_total, see who is suspect or dead: skein members.')
  const failures = counter('membership_failures_total', 'Members declared dead by this node. When it grows although no node went down, look at the network and the load of the nodes named in the log.')

  const members = meter.gauge('skein_membership_members', 'Members by state as seen from here. When many are suspect, look at the load of this machine first, then at the network: skein members.', ['state'])
  const suspicions = gauge('skein_membership_suspicions', 'Suspicions running now. When it is not 0 for long, some members answer too slowly: skein members names them.')
  const health = gauge('skein_membership_health', 'How slow this node finds itself: 0 is well, 7 the worst. When high, this machine has too much to do or loses packets; it gives others more time meanwhile.')
  const queued = gauge('skein_membership_queued', 'News waiting to be passed on. When it stays high, members join and fail faster than the news spreads.')
  const queuedBytes = gauge('skein_membership_queued_bytes', 'Size of those news. When it stays high, see skein_membership_queued.')
  const links = gauge('skein_membership_links', 'Peers with a connection. When much lower than federation_nodes_total - 1 in a pool of up to 128 nodes, some addresses cannot be reached: skein members.')

  const probeLatency = meter.histogram('skein_membership_probe_seconds', 'Time until a probed member answered. When high, the network or the member is slow.', PROBE_BUCKETS).with()
  const probes = meter.counter(
    'skein_membership_probes_total',
    'Probes by how they ended: `direct` answer, `indirect` through others, `late` (after its time), `failed`. When `indirect` or `late` grows, links lose packets or nodes are slow.', ['result']
  )
  const predictions = meter.histogram(
    'skein_membership_prediction_error_seconds',
    'How far round trips predicted by network coordinates were from those measured next. When high, routes to members not yet measured are guesses: look for members that are busy or lie about their place.',
    PREDICTION_BUCKETS
  ).with()
  const placeError = gauge('skein_membership_coordinate_error', 'How wrong this node finds its network coordinates, as a share of round trips: 1.5 at the start, nothing is predicted from 0.75 on. When high for long, see skein_membership_prediction_error_seconds.')
  const lostPlaces = counter('skein_membership_coordinate_resets_total', 'Times that the network coordinates of this node began anew. When it grows, members say impossible things about their place.')
  const suspected = counter('skein_membership_suspicions_total', 'Suspicions that began here. When it grows without failures following, members are slow or packets are lost.')
  const refutations = counter('skein_membership_refutations_total', 'Times that this node objected to being suspected. When it grows, this machine answers too slowly: look at its load and its network.')
  const nacks = counter('skein_membership_nacks_missing_total', 'Members asked to probe in our place that said nothing at all. When it grows, the fault is near this node.')
  const stalls = counter('skein_membership_stalls_total', 'Times that this process stood still for a quarter of a second or more. When it grows, the machine is overloaded or sleeps.')
  const stalled = counter('skein_membership_stalled_seconds_total', 'How long it stood still in all. When it grows, see skein_membership_stalls_total.')
  const evidence = counter('skein_membership_link_evidence_total', 'Members proven gone by their machine refusing connections. It grows with every process that crashes.')
  const dropped = counter('skein_membership_news_dropped_total', 'News that found no room in the queue; comparing with others brings them later. When it grows, see skein_membership_queued.')
  const syncs = meter.counter('skein_membership_sync_total', 'Comparisons of what two members know. When `different` stays high in a quiet pool, news get lost on the way.', ['result'])

  const sent = meter.counter('skein_membership_sent_total', 'Messages to members. When it grows faster than the pool, look for members that fail and come back: the log names them.', ['kind'])
  const sentBytes = meter.counter('skein_membership_sent_bytes_total', 'Size of those messages. When high, see skein_membership_sent_total.', ['kind'])
  const held = meter.counter(
    'skein_membership_held_total',
    'Messages that could not leave at once: `kept` waited for the line, `replaced` pushed out an older one, `lost` had no line. When `replaced` grows, a connection is overloaded; when `lost` grows, connections break.', ['result']
  )
  const received = meter.counter('skein_membership_received_total', 'Messages from members. When one kind stops growing in a pool of several nodes, this node is cut off.', ['kind'])
  const receivedBytes = meter.counter('skein_membership_received_bytes_total', 'Size of those messages. When high, see skein_membership_received_total.', ['kind'])
  const rejected = meter.counter(
    'skein_membership_rejected_total',
    'Messages and statements that were not believed. `stale` is normal. When `malformed`, `unreadable`, `forged` or `stranger` grows, find the sender in the log and restart or remove it (all of `stranger`: compare the clock of this machine); `flood` is what one sent beyond all measure; `elsewhere` is of pools that this node is not in: some are normal in a federation with hubs; when `foreign` grows, a node of another federation is connected.', ['reason']
  )
  const dials = meter.counter('skein_membership_dials_total', 'Connections opened to members. When `failed` grows, members advertise addresses that cannot be reached from here: network.announce.', ['result'])
  const knocks = meter.counter('skein_membership_knocks_total', 'Looks at a member whose connection broke: its machine refused, somebody was there, or silence. When it grows, connections break often.', ['result'])

  meter.onCollect(() => {
    const now = stats()
    const { alive, suspect, dead } = now.members
    nodes.set(alive + suspect + dead)
    healthy.set(alive)
    for (const state of ['alive', 'suspect', 'dead', 'left'] as const) members.with(state).set(now.members[state])
    suspicions.set(now.suspicions)
    health.set(now.health)
    queued.set(now.queued)
    queuedBytes.set(now.queuedBytes)
    links.set(now.links)
    placeError.set(now.coordinateError)
  })

  function counted(what: Counted, value = 0): void {
    switch (what) {
      case 'probe-ok':
      case 'probe-indirect':
      case 'probe-late':
        if (value > 0) probeLatency.observe(value / 1_000)
        return probes.with(PROBES[what]).inc()
      case 'probe-failed':
        return probes.with(PROBES[what]).inc()
      case 'suspicion':
        return suspected.inc()
      case 'refutation':
        return refutations.inc()
      case 'nack-missing':
        return nacks.inc(Math.max(1, value))
      case 'stall':
        stalled.inc(value / 1_000)
        return stalls.inc()
      case 'prediction':
        return predictions.observe(value / 1_000)
      case 'lost-place':
        return lostPlaces.inc()
      case 'sync-same':
      case 'sync-different':
        return syncs.with(what.slice('sync-'.length)).inc()
      case 'link-evidence':
        return evidence.inc()
      case 'queue-dropped':
        return dropped.inc()
      default:
        return rejected.with(what).inc()
    }
  }

  return {
    failures,
    counted,
    sent(kind, result, bytes) {
      if (result !== 'sent') held.with(result).inc()
      if (result === 'lost') return
      sent.with(kind).inc()
      sentBytes.with(kind).inc(bytes)
    },
    received(kind, bytes) {
      received.with(kind).inc()
      receivedBytes.with(kind).inc(bytes)
    },
    rejected: (reason) => rejected.with(reason).inc(),
    dialled: (ok) => dials.with(ok ? 'ok' : 'failed').inc(),
    knocked: (result) => knocks.with(result).inc()
  }
}
