import { describe, expect, test } from 'vitest'
import { attributeBytes } from '../../../../src/packs/graph/attributes.ts'
import type { GraphDocument } from '../../../../src/packs/graph/document.ts'
import { DEFAULT_LIMITS, limitsFromEnv, type GraphLimits } from '../../../../src/packs/graph/limits.ts'
import { addEdges, addNodes, sizeOf } from '../../../../src/packs/graph/mutations.ts'
import { removeEdges, removeNodes } from '../../../../src/packs/graph/removals.ts'
import { snapshotOf } from '../../../../src/packs/graph/snapshot-of.ts'
import { createGraphStore, documentOf, type StoredGraph } from '../../../../src/packs/graph/store.ts'

const LIMITS: GraphLimits = { ...DEFAULT_LIMITS, maxGraphs: 2, maxNodes: 4, maxEdges: 3, maxElementBytes: 40, maxGraphBytes: 100 }
const EDGE_OPTIONS = { update: false, createNodes: true }

function graph(options: Partial<{ directed: boolean; multi: boolean; limits: GraphLimits }> = {}): StoredGraph {
  return createGraphStore({ limits: options.limits ?? LIMITS }).create('g', { directed: options.directed ?? false, multi: options.multi ?? false })
}
const node = (id: string, attributes = {}) => ({ id, attributes })
const edge = (source: string, target: string, more = {}) => ({ source, target, attributes: {}, ...more })

/** What the running count must always be. */
function bytesOf(stored: StoredGraph): number {
  const { attributes, nodes, edges } = documentOf(stored)
  return [attributes, ...nodes.map((entry) => entry.attributes), ...edges.map((entry) => entry.attributes)].reduce((sum, entry) => sum + sizeOf(entry), 0)
}

describe('the graphs', () => {
  test('are made, listed in order, and dropped, and every change of the list is told', () => {
    let changes = 0
    const store = createGraphStore({ limits: LIMITS, onListChanged: () => (changes += 1) })
    store.create('b', { directed: true, multi: false })
    store.create('a', { directed: false, multi: true, attributes: { x: 1 } })
    expect(store.list().map(({ id, directed, multi }) => [id, directed, multi])).toEqual([['b', true, false], ['a', false, true]])
    expect(store.get('a').graph.getAttributes()).toEqual({ x: 1 })
    store.drop('b')
    expect(store.has('b')).toBe(false)
    expect(changes).toBe(3)
  })

  test('have a limit, told before anything is made', () => {
    const store = createGraphStore({ limits: LIMITS })
    store.create('a', { directed: false, multi: false })
    store.create('b', { directed: false, multi: false })
    expect(() => store.create('c', { directed: false, multi: false })).toThrow(/2 graphs, which is the limit; remove one with delete_graph/)
    expect(store.list()).toHaveLength(2)
  })

  test.each(['', '-a', 'a/b', 'a b', 'ä', 'a'.repeat(65), '__proto__'])('cannot be named %j', (id) => {
    expect(() => createGraphStore({ limits: LIMITS }).create(id, { directed: false, multi: false })).toThrow(/cannot name a graph/)
  })

  test('a wrong id names the ids there are', () => {
    const store = createGraphStore({ limits: LIMITS })
    expect(() => store.get('x')).toThrow(/no graph "x"; there are none yet; make it with create_graph/)
    store.create('a', { directed: false, multi: false })
    expect(() => store.get('x')).toThrow(/no graph "x"; there are: a$/)
    expect(() => store.create('a', { directed: false, multi: false })).toThrow(/"a" exists already/)
  })

  test('put replaces only when told to, and a bad document leaves the old graph', () => {
    const store = createGraphStore({ limits: LIMITS })
    const document: GraphDocument = { directed: true, multi: false, attributes: {}, nodes: [node('a'), node('b')], edges: [edge('a', 'b')] }
    store.put('g', document, { replace: false })
    expect(() => store.put('g', document, { replace: false })).toThrow(/replace: true/)
    const tooLarge = { ...document, nodes: ['a', 'b', 'c', 'd', 'e'].map((id) => node(id)) }
    expect(() => store.put('g', tooLarge, { replace: true })).toThrow(/5 nodes, 4 are allowed/)
    expect(store.get('g').graph.order).toBe(2)
    store.put('g', { ...document, nodes: [node('z')], edges: [] }, { replace: true })
    expect(store.get('g').graph.nodes()).toEqual(['z'])
  })
})

describe('a batch changes everything or nothing', () => {
  const before = () => {
    const stored = graph()
    addNodes(stored, [node('a', { x: 1 }), node('b')], { update: false }, LIMITS)
    addEdges(stored, [edge('a', 'b', { attributes: { weight: 2 } })], EDGE_OPTIONS, LIMITS)
    return stored
  }

  test.each<[string, RegExp, (stored: StoredGraph) => void]>([
    ['a node that exists', /"a" exists already/, (stored) => addNodes(stored, [node('c'), node('a')], { update: false }, LIMITS)],
    ['a node twice', /"c" exists already/, (stored) => addNodes(stored, [node('c'), node('c')], { update: false }, LIMITS)],
    ['a bad id', /is not usable/, (stored) => addNodes(stored, [node('c'), node('d\n')], { update: false }, LIMITS)],
    ['too many nodes', /would have 5 nodes, 4 are allowed \(SKEIN_GRAPH_MAX_NODES\); nothing was changed/, (stored) => addNodes(stored, ['c', 'd', 'e'].map((id) => node(id)), { update: false }, LIMITS)],
    ['a large attribute', /node "c": its attributes take \d+ bytes, 40 are allowed/, (stored) => addNodes(stored, [node('c', { text: 'x'.repeat(40) })], { update: false }, LIMITS)],
    ['many attributes', /attributes of \d+ bytes, 100 are allowed/, (stored) => addNodes(stored, ['b', 'c', 'd'].map((id) => node(id, { t: 'x'.repeat(28) })), { update: true }, LIMITS)],
    ['an edge that exists, from its other end', /"b" → "a" exists already/, (stored) => addEdges(stored, [edge('a', 'c'), edge('b', 'a')], EDGE_OPTIONS, LIMITS)],
    ['an edge twice', /"c" → "a" exists already/, (stored) => addEdges(stored, [edge('a', 'c'), edge('c', 'a')], EDGE_OPTIONS, LIMITS)],
    ['an edge to nowhere', /there is no node "z"/, (stored) => addEdges(stored, [edge('a', 'z')], { update: false, createNodes: false }, LIMITS)],
    ['a key that exists', /another edge has the key "e1"/, (stored) => addEdges(stored, [edge('a', 'c', { key: 'e1' })], EDGE_OPTIONS, LIMITS)],
    ['a key that changes', /has the key "e1", which cannot change/, (stored) => addEdges(stored, [edge('a', 'b', { key: 'k' })], { update: true, createNodes: true }, LIMITS)],
    ['too many edges', /would have 4 edges, 3 are allowed/, (stored) => addEdges(stored, [edge('a', 'a'), edge('b', 'b'), edge('a', 'c')], EDGE_OPTIONS, LIMITS)],
    ['too many created nodes', /would have 5 nodes/, (stored) => addEdges(stored, [edge('c', 'd'), edge('e', 'a')], EDGE_OPTIONS, LIMITS)],
    ['a removed node that is not there', /no node "z".*nothing was removed/, (stored) => removeNodes(stored, ['a', 'z'], { ignoreMissing: false })],
    ['a removed edge that is not there', /no edge "a" → "z".*nothing was removed/, (stored) => removeEdges(stored, [{ key: 'e1' }, { source: 'a', target: 'z' }], { ignoreMissing: false })],
    ['an edge without a name', /by its key, or by source and target/, (stored) => removeEdges(stored, [{ source: 'a' }], { ignoreMissing: false })]
  ])('%s', (_name, message, change) => {
    const stored = before()
    const document = structuredClone(documentOf(stored))
    const { bytes } = stored
    expect(() => change(stored)).toThrow(message)
    expect(documentOf(stored)).toEqual(document)
    expect(stored.bytes).toBe(bytes)
  })
})

test('all graphs together have a limit of elements and of attributes', () => {
  const store = createGraphStore({ limits: { ...LIMITS, maxTotalElements: 5, maxTotalBytes: 60 } })
  const first = store.create('first', { directed: false, multi: false })
  const second = store.create('second', { directed: false, multi: false })
  addNodes(first, [node('a'), node('b'), node('c')], { update: false }, store.limits)
  addNodes(second, [node('a', { t: 'x'.repeat(28) })], { update: false }, store.limits)
  expect(() => addEdges(second, [edge('a', 'b')], EDGE_OPTIONS, store.limits)).toThrow(/"second" would make 6 nodes and edges in all graphs together, 5 are allowed; delete_graph makes room/)
  expect(() => addNodes(first, [node('a', { t: 'x'.repeat(28) })], { update: true }, store.limits)).toThrow(/bytes of attributes in all graphs together, 60 are allowed/)
  store.drop('second')
  expect(addEdges(first, [edge('a', 'b')], EDGE_OPTIONS, store.limits).added).toBe(1)
})

describe('changes', () => {
  const limits = DEFAULT_LIMITS

  test('update merges attributes of nodes and edges, also within one batch, and the bytes stay right', () => {
    const stored = graph({ limits })
    expect(addNodes(stored, [node('a', { x: 1 }), node('b')], { update: false }, limits)).toEqual({ added: 2, updated: 0 })
    expect(addNodes(stored, [node('a', { y: 2 }), node('a', { x: 3 }), node('c')], { update: true }, limits)).toEqual({ added: 1, updated: 1 })
    expect(stored.graph.getNodeAttributes('a')).toEqual({ x: 3, y: 2 })
    expect(addEdges(stored, [edge('a', 'b', { attributes: { weight: 1 } }), edge('d', 'd')], EDGE_OPTIONS, limits)).toEqual({ added: 2, updated: 0, nodesCreated: 1 })
    const again = [edge('b', 'a', { attributes: { kind: 'k' } }), edge('a', 'c'), edge('c', 'a', { attributes: { weight: 9 } })]
    expect(addEdges(stored, again, { update: true, createNodes: true }, limits)).toEqual({ added: 1, updated: 1, nodesCreated: 0 })
    expect(stored.graph.getEdgeAttributes('a', 'b')).toEqual({ weight: 1, kind: 'k' })
    expect(stored.graph.getEdgeAttributes('a', 'c')).toEqual({ weight: 9 })
    expect(stored.bytes).toBe(bytesOf(stored))
  })

  test.each([true, false])('removing nodes takes their edges along, loops once (directed %s)', (directed) => {
    const stored = graph({ directed, multi: true, limits })
    addEdges(stored, [edge('a', 'a', { attributes: { weight: 5 } }), edge('a', 'b'), edge('a', 'b'), edge('b', 'c')], EDGE_OPTIONS, limits)
    expect(removeNodes(stored, ['a', 'a', 'z'], { ignoreMissing: true })).toEqual({ nodes: 1, edges: 3 })
    expect(stored.bytes).toBe(bytesOf(stored))
    expect(stored.graph.edges()).toEqual(['e4'])
  })

  test('two ends name all edges between them, in a directed graph only in that direction', () => {
    const stored = graph({ directed: true, multi: true, limits })
    addEdges(stored, [edge('a', 'b'), edge('a', 'b'), edge('b', 'a'), edge('a', 'a')], EDGE_OPTIONS, limits)
    expect(removeEdges(stored, [{ source: 'a', target: 'b' }], { ignoreMissing: false })).toBe(2)
    expect(removeEdges(stored, [{ source: 'a', target: 'a' }], { ignoreMissing: false })).toBe(1)
    expect(stored.graph.mapEdges((_key, _attributes, source, target) => [source, target])).toEqual([['b', 'a']])
    expect(stored.bytes).toBe(bytesOf(stored))
  })

  test('generated keys keep clear of given ones, earlier and later in the batch', () => {
    const stored = graph({ multi: true, limits })
    addEdges(stored, [edge('a', 'b', { key: 'e2' }), edge('a', 'b'), edge('a', 'b'), edge('a', 'b', { key: 'e3' })], EDGE_OPTIONS, limits)
    expect(stored.graph.edges()).toEqual(['e2', 'e1', 'e4', 'e3'])
  })

  test('an id that is the name of an object property is an id like any other', () => {
    for (const directed of [false, true]) {
      for (const multi of [false, true]) {
        const stored = graph({ directed, multi, limits })
        addNodes(stored, [node('valueOf')], { update: false }, limits)
        addEdges(stored, [edge('constructor', 'toString'), edge('valueOf', 'constructor')], EDGE_OPTIONS, limits)
        expect(snapshotOf(stored, { allow: 'any' }).nodes).toEqual(['valueOf', 'constructor', 'toString'])
        expect(stored.graph.neighbors('constructor').toSorted()).toEqual(['toString', 'valueOf'])
        expect(removeNodes(stored, ['constructor'], { ignoreMissing: false })).toEqual({ nodes: 1, edges: 2 })
        expect(stored.graph.neighbors('valueOf')).toEqual([])
      }
    }
  })
})

describe('bounds of values', () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    ['deep nesting', { a: [[[[[[[[1]]]]]]]] }, /nested deeper than 8 levels/],
    ['a prototype', JSON.parse('{"a":{"__proto__":1}}') as Record<string, unknown>, /cannot be named __proto__/],
    ['an empty name', { '': 1 }, /1 to 128 characters/],
    ['a long name', { ['x'.repeat(129)]: 1 }, /1 to 128 characters/]
  ])('%s is refused', (_name, attributes, message) => {
    expect(() => attributeBytes(attributes, 'node "a"', 10_000)).toThrow(message)
  })

  test.each<[unknown, 'any' | 'zero-or-more' | 'above-zero', boolean]>([
    [-1, 'any', true],
    [-1, 'zero-or-more', false],
    [0, 'zero-or-more', true],
    [0, 'above-zero', false],
    ['1', 'any', false],
    [null, 'any', false],
    [1e101, 'any', false],
    [undefined, 'above-zero', true]
  ])('a weight of %j where %s is allowed', (weight, allow, usable) => {
    const stored = graph({ limits: DEFAULT_LIMITS })
    addEdges(stored, [edge('a', 'b', { attributes: weight === undefined ? {} : { w: weight } })], EDGE_OPTIONS, DEFAULT_LIMITS)
    const take = () => snapshotOf(stored, { weight: 'w', allow })
    if (usable) expect([...take().weights]).toEqual([weight ?? 1])
    else expect(take).toThrow(/The edge "e1" from "a" to "b" has w = .*; this needs a number/)
  })

  test.each([['5', 5], ['', 10_000], [undefined, 10_000]])('SKEIN_GRAPH_MAX_NODES=%j gives %d', (text, count) => {
    expect(limitsFromEnv({ SKEIN_GRAPH_MAX_NODES: text }).maxNodes).toBe(count)
  })

  test.each(['0', '-1', '1.5', 'many', '9999999', '1e3'])('SKEIN_GRAPH_MAX_EDGES=%j is refused by name', (text) => {
    expect(() => limitsFromEnv({ SKEIN_GRAPH_MAX_EDGES: text })).toThrow(/SKEIN_GRAPH_MAX_EDGES is ".*"; set a whole number from 1 to 1000000/)
  })
})
