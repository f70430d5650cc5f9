import type { UpstreamStatus } from '../../mcp/upstream/supervisor.ts'
import type { DrainStatus, Health } from '../api.ts'

export interface HealthFacts {
  state: { started: boolean; draining: boolean }
  drain: DrainStatus
  upstreams: readonly UpstreamStatus[]
  addresses: readonly string[]
  /** Unix ms. */
  credentialExpires: number
  now: number
}

/** Health from facts: a broken upstream degrades (the rest serves on); no way in or out, or no credential, is unhealthy. */
export function checkHealth({ state, drain, upstreams, addresses, credentialExpires, now }: HealthFacts): Health {
  const broken = upstreams.filter((server) => server.state === 'failed' || server.state === 'backoff')
  const starting = upstreams.filter((server) => server.state === 'starting')
  const checks: Health['checks'] = {
    p2p: addresses.length > 0 ? { status: 'healthy', detail: `listening on ${addresses.join(', ')}` } : { status: 'unhealthy', detail: 'no listen address: see network.listen' },
    credential:
      credentialExpires > now
        ? { status: 'healthy', detail: `valid until ${new Date(credentialExpires).toISOString()}` }
        : { status: 'unhealthy', detail: 'expired: connect to an issuer, or join again' },
    servers:
      broken.length === 0
        ? { status: 'healthy', detail: `${upstreams.length} attached${starting.length > 0 ? `, ${starting.length} starting` : ''}` }
        : { status: 'degraded', detail: broken.map((server) => `${server.name}: ${server.error ?? server.state}`).join('; ') }
  }
  if (drain.state !== 'serving') checks['drain'] = { status: 'degraded', detail: `${drain.state}: takes no new calls, ${drain.running} still run` }
  const unhealthy = Object.values(checks).some((check) => check.status === 'unhealthy')
  return { live: true, started: state.started, ready: state.started && !state.draining && !unhealthy, checks }
}
