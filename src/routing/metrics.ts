import type { Counter, Histogram, Meter } from '../base/meter.ts'
import { LATENCY_BUCKETS } from '../base/meter.ts'
import { REASONS, type Reason, type RouterStats } from './types.ts'

export interface RoutingMetrics {
  /** Attempts by why their provider was chosen. */
  choices: Record<Reason, Counter>
  /** Seconds by which the answer came earlier or later than expected. */
  error: Histogram
}

export function createRoutingMetrics(meter: Meter, stats: () => RouterStats): RoutingMetrics {
  const choices = meter.counter(
    'skein_route_choices_total',
    'Attempts of calls by why they went to their provider. When last_resort grows, all providers of a server fail, are suspected or flap: skein route explain <tool> says which and why.',
    ['why']
  )
  const error = meter.histogram(
    'skein_route_estimate_error_seconds',
    'How far the time of an answer was from what the choice of its provider expected. When mostly high, its tools take very different times, or many nodes use the same providers at once.',
    LATENCY_BUCKETS
  )
  const lanes = meter.gauge('skein_route_lanes', 'Pairs of server and provider whose figures are kept; at most 16384. When near that, the oldest are forgotten and learnt anew.')
  const damped = meter.gauge('skein_route_damped', 'Of those, avoided while others exist because they failed three times in a minute. When not 0, look at the machine of the provider: skein route explain <tool>.')
  meter.onCollect(() => {
    const { lanes: known, damped: avoided } = stats()
    lanes.with().set(known)
    damped.with().set(avoided)
  })
  return { choices: Object.fromEntries(REASONS.map((why) => [why, choices.with(why)])) as Record<Reason, Counter>, error: error.with() }
}
