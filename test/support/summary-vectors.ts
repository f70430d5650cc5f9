import { readFileSync } from 'node:fs'
import {
  decodeChanged, decodeResolveAnswer, decodeResolveRequest, decodeSearchAnswer, decodeSearchRequest, decodeSyncAnswer, decodeSyncRequest,
  encodeChanged, encodeResolveAnswer, encodeResolveRequest, encodeSearchAnswer, encodeSearchRequest, encodeSyncAnswer, encodeSyncRequest
} from '../../src/wire/summary.ts'
import { makeBody, makeRow, readRow, rowValue, serverOf, type SummaryRow } from '../../src/wire/summary-row.ts'
import { decodeCbor, encodeCbor } from '../../src/wire/cbor.ts'
import type { SummaryServer } from '../../src/wire/summary-types.ts'
import { toolDigest } from '../../src/wire/catalog-record.ts'
import { signer } from './catalog-fixtures.ts'

export interface SummaryVector {
  kind: string
  name: string
  /** Rows stand in it as the server that they tell of; its key is under `key` only where the message has it. */
  value: unknown
  hex: string
}

export function rowOf(server: SummaryServer): SummaryRow {
  const { claimed, providers, hops, tools, ...facts } = server
  const counts = tools.map((tool) => tool.providers)
  return makeRow({ body: makeBody({ ...facts, tools }), claimed, providers, hops, ...(counts.every((count) => count === providers) ? {} : { counts }) })
}

const withRows = (message: { rows?: readonly SummaryRow[] }) => (message.rows === undefined ? message : { ...message, rows: message.rows.map(serverOf) })
const fromRows = (value: { rows?: readonly SummaryServer[] }) => (value.rows === undefined ? value : { ...value, rows: value.rows.map(rowOf) })

/** Every message of protocols/summary.md. */
export const SUMMARY_CODECS: Record<string, { decode: (bytes: Uint8Array) => unknown; encode: (value: never) => Uint8Array }> = {
  row: { decode: (bytes) => serverOf(readRow(decodeCbor(bytes, { max: 1 << 20, what: 'row' }), 'row')), encode: (value: never) => encodeCbor(rowValue(rowOf(value))) },
  'sync-request': { decode: decodeSyncRequest, encode: encodeSyncRequest },
  'sync-answer': { decode: (bytes) => withRows(decodeSyncAnswer(bytes) as never), encode: (value: never) => encodeSyncAnswer(fromRows(value) as never) },
  changed: { decode: (bytes) => withRows(decodeChanged(bytes)), encode: (value: never) => encodeChanged(fromRows(value) as never) },
  'resolve-request': { decode: decodeResolveRequest, encode: encodeResolveRequest },
  'resolve-answer': { decode: decodeResolveAnswer, encode: encodeResolveAnswer },
  'search-request': { decode: decodeSearchRequest, encode: encodeSearchRequest },
  'search-answer': { decode: decodeSearchAnswer, encode: encodeSearchAnswer }
}

const WALL = 1_700_000_000_000
const [one, two, three] = [signer(0).peer, signer(1).peer, signer(2).peer]
const tool = (name: string, providers: number, repeatable = false) => ({ name, digest: toolDigest({ name }), repeatable, providers })
const replicas: SummaryServer = { name: 'search', claimed: WALL, providers: 10, hops: 2, tools: [tool('fetch', 10, true), tool('query', 10)] }
const uneven: SummaryServer = { name: 'graph', claimed: WALL, timeout: 60_000, about: toolDigest({ serverInfo: { name: 'graph' } }), providers: 3, hops: 1, tools: [tool('add', 3), tool('list', 2, true)] }
const owned: SummaryServer = { name: 'files', owner: one, node: 'berlin-1', claimed: WALL + 1, providers: 1, hops: 3, tools: [] }
const pool = two

export const SUMMARY_VALUES: Omit<SummaryVector, 'hex'>[] = [
  { kind: 'row', name: 'replicas', value: replicas },
  { kind: 'row', name: 'a tool that not all of them have', value: uneven },
  { kind: 'row', name: 'of one owner, without tools', value: owned },
  { kind: 'sync-request', name: 'comparison', value: { direction: 'down', pool: 'root', token: 7, hash: 2 ** 48 - 1, interest: ['search', `files@${one}`] } },
  { kind: 'sync-request', name: 'the next page of two buckets', value: { direction: 'up', pool, token: 1, hash: 0, interest: [], want: [0, 255], after: 'search' } },
  ...['same', 'later', 'not-mine'].map((state) => ({ kind: 'sync-answer', name: state, value: { state, hash: 5 } })),
  { kind: 'sync-answer', name: 'buckets', value: { state: 'buckets', hash: 5, buckets: Array.from({ length: 256 }, (_, index) => (index === 3 ? 5 : 0)) } },
  { kind: 'sync-answer', name: 'a page of rows', value: { state: 'rows', hash: 5, rows: [replicas, owned], next: `files@${one}` } },
  { kind: 'sync-answer', name: 'the last page', value: { state: 'rows', hash: 5, rows: [] } },
  { kind: 'changed', name: 'one more, one less', value: { direction: 'up', pool, token: 3, before: 1, after: 2, rows: [uneven], removed: ['search'], numbers: [] } },
  { kind: 'changed', name: 'other numbers', value: { direction: 'down', pool, token: 3, before: 2, after: 3, rows: [], removed: [], numbers: [{ key: 'search', claimed: 1_700_000_000_000, providers: 4, hops: 2 }, { key: 'files', claimed: 1_700_000_000_001, providers: 3, hops: 1, counts: [3, 1] }] } },
  { kind: 'resolve-request', name: 'of a tool', value: { key: 'search', tool: 'query', limit: 8, within: 4_500, fresh: false, visited: [one, two] } },
  { kind: 'resolve-request', name: 'anew', value: { key: `files@${one}`, limit: 1, within: 1, fresh: true, visited: [] } },
  {
    kind: 'resolve-answer',
    name: 'one with all that is known, one with little',
    value: { providers: [
      {
        peer: one, name: 'berlin-1', via: [two, three], rtt: 31, digest: toolDigest({ name: 'query' }), addresses: ['/ip4/192.0.2.1/tcp/4001'], capacity: 4,
        coordinates: { latitude: 52.52, longitude: -13.405 }, region: 'eu'
      },
      { peer: three, name: 'paris-1', via: [], addresses: [], region: '' }
    ], partial: false }
  },
  { kind: 'resolve-answer', name: 'nobody', value: { providers: [], partial: false } },
  { kind: 'resolve-answer', name: 'nobody, but not all were asked', value: { providers: [], partial: true } },
  { kind: 'search-request', name: 'two words', value: { query: 'weather forecast', limit: 100, within: 9_000, visited: [one] } },
  {
    kind: 'search-answer',
    name: 'one of replicas, one of an owner',
    value: { tools: [
      { key: 'search', server: 'search', tool: 'query', digest: toolDigest({ name: 'query' }), repeatable: false, providers: 10 },
      { key: `files@${one}`, server: 'files', owner: one, node: 'berlin-1', tool: 'read', digest: toolDigest({ name: 'read' }), repeatable: true, providers: 1 }
    ], partial: false }
  },
  { kind: 'search-answer', name: 'not all of them', value: { tools: [], partial: true } }
]

export function readSummaryVectors(): SummaryVector[] {
  return (JSON.parse(readFileSync(new URL('../../protocols/vectors/summary/messages.json', import.meta.url), 'utf8')) as { vectors: SummaryVector[] }).vectors
}
