import { SkeinError } from '../../base/errors.ts'
import type { ApiRoutes } from './route.ts'
import { ROUTE } from './route-schema.ts'
import { count, flag, list, number, object, oneOf, text, type JsonSchema } from './schema.ts'

/** Over the longest names: those of two parts with 128 characters each. */
const MAX_TOOL_NAME = 300

const rtt = number('Round trip, ms, once measured.')

const MEMBER = object(
  {
    peer: text(), name: text(),
    state: oneOf(['alive', 'suspect', 'dead', 'left']),
    self: flag('This node.'),
    tier: text(), region: text(), version: text(),
    addresses: list(text()),
    incarnation: count('Only the member itself raises it.'),
    since: number('When it came into this state as seen from here, unix ms.'),
    linked: flag('There is an authenticated connection.'),
    pools: list(text(), 'Pools of this node that have it in this state; more than one only for hubs.')
  },
  { rtt }
)

const PEER = object(
  {
    peer: text(), name: text(),
    state: oneOf(['connected', 'relayed', 'known'], 'relayed: through other members.'),
    addresses: list(text()),
    region: text(), tier: text(),
    servers: list(text(), 'That it exposes.')
  },
  { rtt, via: list(text(), 'Names of the nodes that it is reached through.'), lastError: text('Why the last dial failed.') }
)

const PROVIDER = object({ peer: text(), name: text(), local: flag('This node.') }, { rtt })

const TOOL = object(
  {
    name: text('As clients call it: <server>__<tool>.'),
    server: text(), tool: text(), description: text(),
    digest: text('SHA-256 of its definition.'),
    repeatable: flag('It may be run again when the outcome of a call is unknown.'),
    providers: list(PROVIDER)
  },
  { notice: text('Why the name is not the plain one.') }
)

const LAST_SYNC: JsonSchema = {
  ...object({ peer: text(), name: text(), at: number('Unix ms.') }, {}, 'The last comparison with another node that this one asked for and that worked; null: none yet.'),
  type: ['object', 'null']
}

const RECORD = object({
  peer: text(), name: text(),
  self: flag('This node.'),
  sequence: count('Grows with every version of the record.'),
  ageSeconds: count('Since it was written, by the clock of its writer.'),
  expires: number('Unix ms; then it is forgotten unless it is renewed.'),
  draining: flag('Its writer takes no new calls.'),
  path: oneOf(['self', 'direct', 'relayed', 'none'], 'How this node reaches the writer; servers of those it does not reach are not offered here.'),
  servers: list(text()),
  tools: count()
})

/** The federation as this node sees it. */
export const FEDERATION_ROUTES: ApiRoutes = {
  'GET /api/members': {
    summary: 'Lists the members of the pool, this node included, and for a day those that left or died',
    tag: 'federation',
    answer: object({ members: list(MEMBER) }),
    run: (api) => ({ members: api.members() })
  },
  'GET /api/peers': {
    summary: 'Lists the other nodes that this one knows of, and how it reaches them',
    tag: 'federation',
    answer: object({ peers: list(PEER) }),
    run: (api) => ({ peers: api.peers() })
  },
  'GET /api/registry/status': {
    summary: 'Tells what this node holds of the catalog: the records of all nodes, how old they are, and which definitions are not here yet',
    tag: 'federation',
    answer: object({
      peer: text('This node.'), federation: text(), pool: text(),
      records: list(RECORD),
      missing: object({ total: count(), digests: list(text(), 'The first 100.') }, {}, 'Definitions of offered tools and servers that have not arrived.'),
      lastSync: LAST_SYNC
    }),
    run: (api) => api.registry()
  },
  'GET /api/tools': {
    summary: 'Lists the tools that clients of this node may call, and which nodes provide them',
    tag: 'tools',
    answer: object({ tools: list(TOOL) }),
    run: (api) => ({ tools: api.tools() })
  },
  'GET /api/route': {
    summary: 'Explains where a call of one tool would go now: every provider with the figures that decide, which one is chosen, and why the others are not',
    tag: 'tools',
    parameters: { tool: { type: 'string', minLength: 1, maxLength: MAX_TOOL_NAME, description: 'The name of the tool, as clients call it.' } },
    requiredParameters: ['tool'],
    answer: ROUTE,
    run(api, { query }) {
      const found = api.explainRoute(query['tool'] as string)
      if (found === undefined) throw new SkeinError('SKEIN_NOT_FOUND', 'There is no such tool here: GET /api/tools has the names.')
      return found
    }
  }
}
