import type { Counter, Gauge, Meter } from '../base/meter.ts'
/** `api/…` and `admin/…`: the paths of the routes, a closed set; `api`: one under /api or /admin that there is none of. */
export type Route = 'health' | 'ready' | 'startup' | `api/${string}` | `admin/${string}` | 'api' | 'other'

export interface HttpMetrics {
  /** Probes, the API and unknown paths; MCP requests are counted by mcp_requests_total. */
  request(route: Route, status: number): Counter
  connections: Gauge
}

export function createHttpMetrics(meter: Meter): HttpMetrics {
  const requests = meter.counter(
    'skein_http_requests_total',
    'Requests to the HTTP port other than MCP; many with status 401: a program has not the token of the node, 403: see security.allowed_hosts, 404: a client has the wrong path, 503: the node is not ready, see /ready.',
    ['route', 'status']
  )
  return {
    request: (route, status) => requests.with(route, String(status)),
    connections: meter
      .gauge('skein_http_connections', 'Open connections to the HTTP port; near 2048: clients do not close theirs, or put a proxy in front.')
      .with()
  }
}
