import type { NodeApi } from '../../node/api.ts'
import type { ApiInput, ApiRoutes } from './route.ts'
import { count, object, oneOf, type JsonSchema } from './schema.ts'

/** ms; as `mcp.shutdown_timeout` at its longest: a program that wants to wait for longer is better off asking again. */
const LONGEST_DRAIN = 600_000

const STATUS = object(
  {
    state: oneOf(['serving', 'draining', 'drained'], 'draining: calls still run; drained: none do, or the time for them is over.'),
    running: count('Requests of its clients and of other nodes that run now.')
  },
  { since: count('When it began, unix ms; not there while it serves.') }
)

const WITHIN: JsonSchema = object(
  {},
  { within_ms: { type: 'integer', minimum: 0, maximum: LONGEST_DRAIN, description: 'How long running calls may finish. Without it: mcp.shutdown_timeout.' } }
)

function within({ body }: ApiInput): { within?: number } {
  const ms = body['within_ms']
  return typeof ms === 'number' ? { within: ms } : {}
}

/** Begins and does not wait: a drain takes as long as the longest call. */
function drain(api: NodeApi, input: ApiInput): object {
  // How it ends is in the log and in GET /admin/drain.
  api.drain(within(input)).catch(() => {})
  return api.drainStatus()
}

/** What takes a node out of service and back. */
export const ADMIN_ROUTES: ApiRoutes = {
  'GET /admin/drain': {
    summary: 'Says whether the node serves, is being drained or is drained, and what still runs',
    tag: 'operations',
    answer: STATUS,
    run: (api) => api.drainStatus()
  },
  'POST /admin/drain': {
    summary: 'Takes the node out of service: tells the other nodes, refuses new calls, lets running ones finish; answers at once',
    tag: 'operations',
    admin: true,
    body: WITHIN,
    status: 202,
    answer: STATUS,
    run: drain
  },
  'POST /admin/undrain': {
    summary: 'Takes the node back into service; answers when the other nodes were told',
    tag: 'operations',
    admin: true,
    answer: STATUS,
    run: (api) => api.undrain()
  },
  'POST /admin/shutdown': {
    summary: 'Drains the node, leaves the federation and ends the process with exit code 0; answers at once',
    tag: 'operations',
    admin: true,
    body: WITHIN,
    status: 202,
    answer: object({ pid: count('The process that ends.') }),
    run(api, input) {
      const { pid } = api.status()
      // The node logs what goes wrong; nobody waits for it here.
      api.stop(within(input)).catch(() => {})
      return { pid }
    }
  }
}
