import { SkeinError } from '../../base/errors.ts'
import type { ConsensusProposal, ConsensusStatus, NodeApi } from '../../node/api.ts'
import { MAX_TOPOLOGY_DEPTH } from '../../wire/tiers-topology.ts'
import { onlyFields, optionalNumber, requiredString } from './body.ts'
import type { Fields } from './body.ts'
import type { LineStream } from './line-stream.ts'
import type { ControlRoute, RouteInput } from './routes.ts'

/** Longer than any key. */
const MAX_KEY = 128
/** ms; the way up to the top hub and down again, over hubs that may hang. */
const TOPOLOGY_TIMEOUT = 10_000

function topologyDepth(fields: Fields): { depth?: number } {
  onlyFields(fields, ['depth'])
  const depth = optionalNumber(fields, 'depth', { min: 0, max: MAX_TOPOLOGY_DEPTH, integer: true })
  return depth === undefined ? {} : { depth }
}

function topology(api: NodeApi, { fields }: RouteInput, lines: LineStream): Promise<unknown> {
  // One signal per question, as with net tests.
  return api.topology({ ...topologyDepth(fields), signal: AbortSignal.any([lines.signal, AbortSignal.timeout(TOPOLOGY_TIMEOUT)]) })
}

function proposal(fields: Fields): { key: string; value: unknown; expect?: number } {
  onlyFields(fields, ['key', 'value', 'expect'])
  const key = requiredString(fields, 'key')
  if (key.length > MAX_KEY) throw new SkeinError('SKEIN_BAD_REQUEST', `"key" must have at most ${MAX_KEY} characters.`)
  if (fields['value'] === undefined) throw new SkeinError('SKEIN_BAD_REQUEST', '"value" is missing; null takes a setting or a ban back.')
  const expect = optionalNumber(fields, 'expect', { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true })
  return { key, value: fields['value'], ...(expect === undefined ? {} : { expect }) }
}

/** Takes as long as `consensus.proposal_timeout` of the node says, unless the asking command goes away. */
function propose(api: NodeApi, { fields }: RouteInput, lines: LineStream): Promise<unknown> {
  return api.propose({ ...proposal(fields), signal: lines.signal })
}

/** What `skein consensus ls` asks for. */
export type ConsensusOverview = ConsensusStatus & { proposals: ConsensusProposal[] }

function consensus(api: NodeApi): ConsensusOverview {
  return { ...api.consensus(), proposals: api.proposals() }
}

export const TIERS_ROUTES: Record<string, ControlRoute> = {
  'GET /consensus': { kind: 'plain', run: consensus },
  'POST /topology': { kind: 'stream', run: topology, check: (fields) => void topologyDepth(fields) },
  'POST /consensus/propose': { kind: 'stream', run: propose, check: (fields) => void proposal(fields) }
}
