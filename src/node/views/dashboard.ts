import type { Clock } from '../../base/clock.ts'
import type { DiscoveryStats, Tally } from '../../net/discovery/stats.ts'
import type { Dashboard } from './overview.ts'

/** Promised by the operations guide: whoever polls faster gets the same answer, ms. */
const KEPT_FOR = 30_000

/** Workflows do not exist yet, and so nothing was tried. */
const NO_WORKFLOWS: Dashboard['workflows'] = { total: 0, active: 0, completed: 0, failed: 0, success_rate: 0, avg_duration_ms: 0, by_status: {}, last_workflow: null }

/** One decimal is all that a person compares. */
function rounded(value: number): number {
  return Math.round(value * 10) / 10
}

function rateOf({ total, successful }: Tally): number {
  return total === 0 ? 0 : rounded((100 * successful) / total)
}

function averageOf({ total, ms }: Tally): number {
  return total === 0 ? 0 : rounded(ms / total)
}

function timeOf({ last }: Tally): string | null {
  return last === undefined ? null : new Date(last).toISOString()
}

function countsOf({ by }: Tally, of: (entry: { successful: number; failed: number }) => number): Record<string, number> {
  return Object.fromEntries(Object.entries(by).map(([name, entry]) => [name, of(entry)] as const).filter(([, value]) => value > 0))
}

export function dashboardOf({ discoveries, bootstraps }: DiscoveryStats): Dashboard {
  return {
    peer_discovery: {
      total: discoveries.total, successful: discoveries.successful, failed: discoveries.failed,
      success_rate: rateOf(discoveries), avg_duration_ms: averageOf(discoveries),
      by_source: countsOf(discoveries, ({ successful }) => successful),
      last_discovery: timeOf(discoveries)
    },
    workflows: NO_WORKFLOWS,
    bootstrap: {
      total_attempts: bootstraps.total, successful: bootstraps.successful, failed: bootstraps.failed,
      success_rate: rateOf(bootstraps), avg_duration_ms: averageOf(bootstraps),
      by_method: countsOf(bootstraps, ({ successful, failed }) => successful + failed),
      last_bootstrap: timeOf(bootstraps)
    }
  }
}

/** The dashboard, made anew at most every 30 s. */
export function createDashboard(clock: Clock, read: () => DiscoveryStats): () => Dashboard {
  let kept: { at: number; dashboard: Dashboard } | undefined
  return () => {
    const now = clock.now()
    if (kept === undefined || now - kept.at >= KEPT_FOR) kept = { at: now, dashboard: dashboardOf(read()) }
    return kept.dashboard
  }
}
