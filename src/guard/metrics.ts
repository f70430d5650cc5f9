import type { GuardState } from '../base/guard.ts'
import { LATENCY_BUCKETS, type Counter, type Histogram, type Meter } from '../base/meter.ts'
import { shortPeerId } from '../wire/peer-id.ts'

/** As they stand in labels. */
export const STATES = { closed: 'closed', open: 'open', 'half-open': 'half_open' } as const satisfies Record<GuardState, string>
const REFUSALS = ['open', 'full', 'late'] as const

/**
 * Components that ever had a label of their own: servers of this node, and providers elsewhere. Those that come later share
 * `upstream:other` and `provider:other`. Three states each stay below the meter's bound of 1 000 label sets.
 */
const MAX_LABELS = { upstream: 100, provider: 200 }

export interface ComponentMetrics {
  calls: Counter
  success: Counter
  failed: Counter
  latency: Histogram
  transitions: Record<GuardState, Counter>
  refused: Record<(typeof REFUSALS)[number], Counter>
}

/** What a guard shows when somebody looks. */
export interface GuardReading {
  component: string
  state: GuardState
  failureRate: number
  running: number
  waiting: number
}

export interface GuardMetrics {
  forComponent(component: string): ComponentMetrics
}

/** @param readings those of the present guards, asked for at each scrape */
export function createGuardMetrics(meter: Meter, readings: () => Iterable<GuardReading>): GuardMetrics {
  const calls = meter.counter(
    'circuit_breaker_calls_total',
    'Calls that were let through to a component and have ended: upstream:<server> of this node, provider:<server>@<end of the peer id> elsewhere. More than _success and _failed together: the rest were cancelled or turned away there (busy, leaving, not found).',
    ['component']
  )
  const success = meter.counter('circuit_breaker_calls_success', 'Calls that were answered; an error of the tool is an answer. Much lower than circuit_breaker_calls_failed: the component is down.', ['component'])
  const failed = meter.counter('circuit_breaker_calls_failed', 'Calls without an answer, or with one that cannot be read. Growing: look in the log for the component, and whether its process or node is up.', ['component'])
  const rate = meter.gauge('circuit_breaker_failure_rate', 'Share of failed calls within breaker.window, 0 to 1. From breaker.failure_rate on calls are refused: find out why they fail.', ['component'])
  const latency = meter.histogram('circuit_breaker_latency_seconds', 'From the start of a call, without its wait for a place, to its answer or failure. High: the component is slow or stuck.', LATENCY_BUCKETS, ['component'])
  const states = meter.gauge(
    'circuit_breaker_state',
    '1 for the state the breaker of a component is in: closed (calls run), open (they are refused), half_open (one may try); 0 for the others. Open again and again: the component does not recover by itself.',
    ['component', 'state']
  )
  const transitions = meter.counter('skein_guard_transitions_total', 'Changes of state of the breaker of a component, by the new state. open growing: it fails, recovers and fails again; see the log.', ['component', 'state'])
  const refused = meter.counter(
    'skein_guard_refused_total',
    'Calls that were not run: open (its breaker), full (all places taken and no room to wait), late (no place in time). full or late growing: raise mcp.servers.<name>.max_concurrent or add providers.',
    ['component', 'why']
  )
  const running = meter.gauge('skein_guard_running', 'Calls that hold a place at an attached server. At its max_concurrent for long: it is the bottleneck.', ['component'])
  const waiting = meter.gauge('skein_guard_waiting', 'Calls that wait for a place at an attached server. High: it is too slow for its load; add providers.', ['component'])

  /** Bounded by MAX_LABELS and the two that are shared. */
  const labels = new Set<string>()
  const used = { upstream: 0, provider: 0 }

  function labelOf(component: string): string {
    const label = shortened(component)
    if (labels.has(label)) return label
    const kind = label.startsWith('provider:') ? 'provider' : 'upstream'
    if (used[kind] >= MAX_LABELS[kind]) {
      labels.add(`${kind}:other`)
      return `${kind}:other`
    }
    used[kind] += 1
    labels.add(label)
    return label
  }

  /** Components that share a label are added up, their share of failures is that of the worst. */
  function collect(): void {
    const sums = new Map<string, Omit<GuardReading, 'component' | 'state'> & Record<GuardState, number>>()
    for (const label of labels) sums.set(label, { closed: 0, open: 0, 'half-open': 0, failureRate: 0, running: 0, waiting: 0 })
    for (const reading of readings()) {
      const sum = sums.get(labelOf(reading.component))
      if (sum === undefined) continue
      sum[reading.state] += 1
      sum.failureRate = Math.max(sum.failureRate, reading.failureRate)
      sum.running += reading.running
      sum.waiting += reading.waiting
    }
    for (const [label, sum] of sums) {
      for (const state of Object.keys(STATES) as GuardState[]) states.with(label, STATES[state]).set(sum[state])
      rate.with(label).set(sum.failureRate)
      // Only the components that have places.
      if (!label.startsWith('upstream:')) continue
      running.with(label).set(sum.running)
      waiting.with(label).set(sum.waiting)
    }
  }
  meter.onCollect(collect)

  return {
    forComponent(component) {
      const label = labelOf(component)
      const transition = (state: GuardState) => transitions.with(label, STATES[state])
      return {
        calls: calls.with(label),
        success: success.with(label),
        failed: failed.with(label),
        latency: latency.with(label),
        transitions: { closed: transition('closed'), open: transition('open'), 'half-open': transition('half-open') },
        refused: { open: refused.with(label, 'open'), full: refused.with(label, 'full'), late: refused.with(label, 'late') }
      }
    }
  }
}

/** Nodes by the end of their peer id, as in the names of tools: long enough to find the node, and no key of anybody in a time series. */
function shortened(component: string): string {
  const at = component.lastIndexOf('@') + 1
  return component.startsWith('provider:') && at > 0 ? component.slice(0, at) + shortPeerId(component.slice(at)) : component
}
