import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Meter } from '../base/meter.ts'

/**
 * How often the native timer samples, ms. 20 ms sees every stall a person would notice and costs 50 wake-ups a second
 * (the default of 10 ms would double that on an idle node).
 */
const RESOLUTION = 20
const NANOSECONDS = 1e9

/** Watches how late the event loop runs its timers; values cover the time since the scrape before. */
export function createEventLoopMetrics(meter: Meter): { stop(): void } {
  const gauge = meter.gauge(
    'skein_event_loop_lag_seconds',
    'How late the event loop runs timers since the last scrape; over 0.1 at p99: something computes on the main thread, look at large graphs or bodies.',
    ['quantile']
  )
  const p50 = gauge.with('p50')
  const p99 = gauge.with('p99')
  const max = gauge.with('max')
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
  delay.enable()
  // The histogram holds the time between two samples, the sampling interval included.
  const lag = (nanoseconds: number) => Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION / 1000)
  meter.onCollect(() => {
    const empty = delay.count === 0
    p50.set(empty ? 0 : lag(delay.percentile(50)))
    p99.set(empty ? 0 : lag(delay.percentile(99)))
    max.set(empty ? 0 : lag(delay.max))
    delay.reset()
  })
  return { stop: () => void delay.disable() }
}
