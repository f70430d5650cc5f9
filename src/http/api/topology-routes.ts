import { MAX_TOPOLOGY_DEPTH } from '../../wire/tiers-topology.ts'
import type { ApiRoutes } from './route.ts'
import { count, flag, list, number, object, oneOf, text } from './schema.ts'

const properties = {
  peer: text(), name: text('Empty where it is not known.'), tier: text(), region: text(),
  role: oneOf(['hub', 'member'], 'hub: of the pool whose members are its children.'),
  alive: flag(), draining: flag('It takes no new calls.'),
  servers: count('That it exposes.'),
  self: flag('This node.'),
  // A schema cannot name itself here; docs and tests say that these are of the same shape.
  children: list({ type: 'object', required: ['peer', 'name', 'tier', 'region', 'role', 'alive', 'draining', 'servers', 'self', 'children'] }, 'Objects like this one.')
}
const optional = {
  load: number('0 to 1, of the calls that it can take, where that is known.'),
  pool: text('The pool that it is hub of.'),
  rtt: number('Round trip from the node above, ms, once measured.'),
  more: count('Nodes below that were left out: too deep, or too many.')
}

/** One node of the tree; `children` hold the same. */
export const TOPOLOGY_NODE = object(properties, optional)

export const TOPOLOGY_ROUTES: ApiRoutes = {
  'GET /api/topology': {
    summary: 'Gives the federation as a tree: the hub at the top, below each hub the members of its pool, with health, load and round trips; asks the hubs',
    tag: 'federation',
    // The tree of four tiers has three levels below its top; a query has only texts.
    parameters: { depth: { type: 'string', pattern: `^[0-${MAX_TOPOLOGY_DEPTH}]$`, description: 'Levels below the top; all without it.' } },
    answer: object({
      federation: text('Id of the federation.'), peer: text('This node.'),
      tiered: flag('False: a flat federation, in which all nodes stand side by side.'),
      nodes: list(TOPOLOGY_NODE, 'The top: one hub, or all members of a flat federation.')
    }, { notice: text('There where the hubs above could not be asked, so that nodes is only a part of the federation: a sentence.') }),
    run: (api, { query, signal }) => api.topology({ signal, ...(query['depth'] === undefined ? {} : { depth: Number(query['depth']) }) })
  }
}
