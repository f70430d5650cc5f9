import { isUtf8 } from 'node:buffer'
import type { McpOutcome } from '../../mcp/ports.ts'
import type { Json } from '../../wire/json-rpc.ts'

/** What a provider's `requestState` is wrapped in, so that a retry at any edge goes to the same provider: `sk1.<peer>.<inner>`. */
const PREFIX = 'sk1.'
/** An empty state is not the same as none: servers get back exactly what they gave. */
const EMPTY = '='

/** Where a retry has to go, and the request's params as that provider gave the state. */
export interface OpenedState {
  peer: string
  params: Json
}

/** `outcome` as the client gets it: an `input_required` result names the provider that gave it. */
export function sealState(outcome: McpOutcome, peer: string): McpOutcome {
  if (!('result' in outcome) || outcome.result['resultType'] !== 'input_required') return outcome
  const inner = outcome.result['requestState']
  const text = inner === '' ? EMPTY : typeof inner === 'string' ? Buffer.from(inner).toString('base64url') : ''
  return { result: { ...outcome.result, requestState: `${PREFIX}${peer}.${text}` } }
}

/** Takes the wrapping off `params.requestState`; undefined: no state of ours. */
export function openState(params: Json): OpenedState | undefined {
  const { requestState, ...rest } = params
  if (typeof requestState !== 'string' || !requestState.startsWith(PREFIX)) return undefined
  const end = requestState.indexOf('.', PREFIX.length)
  if (end <= PREFIX.length) return undefined
  const peer = requestState.slice(PREFIX.length, end)
  const text = requestState.slice(end + 1)
  if (text === '') return { peer, params: rest }
  if (text === EMPTY) return { peer, params: { ...rest, requestState: '' } }
  const inner = Buffer.from(text, 'base64url')
  // Lenient decoding would let a changed state through as if it were the same.
  if (inner.toString('base64url') !== text || !isUtf8(inner)) return undefined
  return { peer, params: { ...rest, requestState: inner.toString() } }
}
