import { describe, expect, test } from 'vitest'
import { randomInt, seededRandom } from '../../../../src/base/random.ts'
import type { Attributes, GraphDocument } from '../../../../src/packs/graph/document.ts'
import { readDocument, writeDocument, type Format } from '../../../../src/packs/graph/formats/codecs.ts'
import { DEFAULT_LIMITS } from '../../../../src/packs/graph/limits.ts'

const read = (format: Format, text: string, options: { directed?: boolean; multi?: boolean } = {}) => readDocument(format, text, options, DEFAULT_LIMITS)
const write = (format: Format, document: GraphDocument) => writeDocument(format, document, DEFAULT_LIMITS)

const AWKWARD = ['a b', '"quoted"', 'x,y', '#not a comment', 'a#b', '<&>\'"', 'back\\slash', ' ü€𝕏 ', '-', '0', 'nbsp\u00a0', ']]>', '&amp;', 'line\u2028sep']
const VALUES: unknown[] = [1, -2.5, 1e21, -0, true, false, 'text', '', ' spaced ', 'two\nlines\r\n\ttab', 'nul\u0000bell\u0007', '\ud800', '<b>&amp;</b>', null, [1, [2]], { a: { b: null } }, '12', 'true']

function randomDocument(seed: number): GraphDocument {
  const random = seededRandom(seed)
  const pick = <T>(from: readonly T[]): T => from[randomInt(random, from.length)]!
  const names = ['weight', 'label', 'id', 'source', 'key', 'attributes', 'a b', '<&">', 'ünï']
  const attributes = (): Attributes => Object.fromEntries(Array.from({ length: randomInt(random, 4) }, () => [pick(names), pick(VALUES)]))
  const nodes = AWKWARD.slice(0, 2 + randomInt(random, AWKWARD.length - 1)).map((id) => ({ id, attributes: attributes() }))
  const directed = random.float() < 0.5
  const multi = random.float() < 0.5
  const seen = new Set<string>()
  const edges = Array.from({ length: 12 }, (_, at) => ({ key: `k ${at}`, source: pick(nodes).id, target: pick(nodes).id, attributes: attributes() })).filter(({ source, target }) => {
    const pair = JSON.stringify(directed ? [source, target] : [source, target].toSorted())
    return multi || (!seen.has(pair) && seen.add(pair))
  })
  return { directed, multi, attributes: attributes(), nodes, edges }
}

describe('a round trip', () => {
  const SEEDS = Array.from({ length: 30 }, (_, seed) => seed)

  test.each(SEEDS)('through node_link keeps everything (seed %d)', (seed) => {
    const document = randomDocument(seed)
    // JSON writes -0 as 0, as every JSON writer does.
    expect(read('node_link', write('node_link', document))).toEqual(JSON.parse(JSON.stringify(document)))
  })

  test.each(SEEDS)('through graphml keeps everything (seed %d)', (seed) => {
    const document = randomDocument(seed)
    expect(read('graphml', write('graphml', document))).toEqual(document)
  })

  test.each(SEEDS)('through edge_list keeps nodes, edges and numeric weights (seed %d)', (seed) => {
    const document = randomDocument(seed)
    const back = read('edge_list', write('edge_list', document))
    expect([back.directed, back.multi]).toEqual([document.directed, document.multi])
    expect(back.nodes.map(({ id }) => id)).toEqual(document.nodes.map(({ id }) => id))
    const numeric = (value: unknown) => (typeof value === 'number' ? { weight: value === 0 ? 0 : value } : {})
    expect(back.edges).toEqual(document.edges.map(({ source, target, attributes }) => ({ source, target, attributes: numeric(attributes['weight']) })))
  })
})

describe('documents of others', () => {
  test('a plain edge list, with commas, tabs, comments and no header', () => {
    const { directed, multi, nodes, edges } = read('edge_list', '# made by hand\na b 1.5\r\nb,c\n\n\tc\td\t2 # heavy\nlonely\na b', { directed: true })
    expect({ directed, multi }).toEqual({ directed: true, multi: true })
    expect(nodes.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd', 'lonely'])
    expect(edges.map(({ source, target, attributes }) => [source, target, attributes['weight']])).toEqual([['a', 'b', 1.5], ['b', 'c', undefined], ['c', 'd', 2], ['a', 'b', undefined]])
  })

  test('node-link JSON of older networkx: links, numbers as ids, numbered parallel edges', () => {
    const text = '{"directed": false, "multigraph": true, "graph": {"name": "g"}, "nodes": [{"id": 0, "club": "x"}, {"id": 1}], "links": [{"source": 0, "target": 1, "key": 0}, {"source": 0, "target": 1, "key": 1, "weight": 3}]}'
    expect(read('node_link', text)).toEqual({
      directed: false,
      multi: true,
      attributes: { name: 'g' },
      nodes: [{ id: '0', attributes: { club: 'x' } }, { id: '1', attributes: {} }],
      edges: [{ source: '0', target: '1', attributes: {} }, { source: '0', target: '1', attributes: { weight: 3 } }]
    })
  })

  test('GraphML with a prefix, defaults, comments, CDATA and edges before nodes', () => {
    const text = `\ufeff<?xml version="1.0"?>
<!-- a comment with <tags> -->
<g:graphml xmlns:g="http://graphml.graphdrawing.org/xmlns">
  <g:key id="c" for="node" attr.name="colour" attr.type="string"><g:default>yellow</g:default></g:key>
  <g:key id="w" for="edge" attr.name="weight" attr.type="double"/>
  <g:desc>anything <g:b>here</g:b></g:desc>
  <g:graph id="G" edgedefault="directed">
    <g:edge source='a' target='b' directed="true"><g:data key="w"> 1.5 </g:data></g:edge>
    <g:node id="a"><g:data key="c"><![CDATA[<red>]]> &#x26; &lt;</g:data></g:node>
    <g:node id="b"/>
  </g:graph>
</g:graphml>`
    expect(read('graphml', text)).toEqual({
      directed: true,
      multi: false,
      attributes: {},
      nodes: [{ id: 'a', attributes: { colour: '<red> & <' } }, { id: 'b', attributes: { colour: 'yellow' } }],
      edges: [{ source: 'a', target: 'b', attributes: { weight: 1.5 } }]
    })
  })
})

describe('malformed input names the place', () => {
  const graphml = (body: string, keys = '') => `<graphml>\n${keys}<graph edgedefault="undirected">\n${body}\n</graph>\n</graphml>`
  test.each<[Format, string, RegExp]>([
    ['edge_list', 'a b\na b c d', /^Line 2: more than three words/],
    ['edge_list', 'a b\n\na c x1', /^Line 3: the weight "x1" is not a number/],
    ['edge_list', 'a "b', /^Line 1, column 3: not a name/],
    ['edge_list', 'a "\\q"', /^Line 1: "\\q" is not a valid string/],
    ['edge_list', 'a ""', /^Line 1: The node id "" is not usable/],
    ['edge_list', '# directed=false multi=false\na b\nb a', /^Line 3: "b" and "a" are joined already/],
    ['node_link', '{"nodes": [\n{"id": "a"},]}', /^Not JSON, line 2: /],
    ['node_link', '{"nodes": [\n{"id": "a"}\n,\n{"id": "b" "c"}\n]\n}', /^Not JSON, line 4: /],
    ['node_link', '{"nodes": [\n{"id": "a\n"}]}', /^Not JSON, line 2: /],
    ['node_link', '{"nodes": [\n', /^Not JSON, line 2: /],
    ['node_link', '[]', /^The document: must be a JSON object/],
    ['node_link', '{"nodes": {}}', /^nodes: must be a list/],
    ['node_link', '{"nodes": [{"id": "a"}, {"name": "b"}], "edges": []}', /^nodes\[1\]\.id: must be a string or a number/],
    ['node_link', '{"nodes": [{"id": "a"}, {"id": "a"}], "edges": []}', /^nodes\[1\]: the node "a" appears twice/],
    ['node_link', '{"nodes": [{"id": "a"}], "edges": [{"source": "a", "target": "b"}]}', /^edges\[0\]: the edge names a node "b"/],
    ['node_link', '{"nodes": [{"id": "a"}], "links": [{"source": "a", "target": "a", "key": "k"}, {"source": "a", "target": "a", "key": "k"}]}', /^links\[1\]: the edge key "k" appears twice/],
    ['node_link', '{"nodes": [], "edges": [], "directed": "yes"}', /^directed: must be true or false/],
    ['graphml', '', /^Line 1: there is no element/],
    ['graphml', 'hello', /^Line 1: text outside/],
    ['graphml', '<!DOCTYPE x [<!ENTITY a "b">]>\n<graphml/>', /^Line 1: a DOCTYPE is not accepted/],
    ['graphml', '<graphml>\n<graph', /^Line 2: this is not a well-formed tag: <graph/],
    ['graphml', '<graphml>\n</graph>', /^Line 2: <\/graph> does not close/],
    ['graphml', '<graphml>\n\n', /^Line 3: the document ends before <\/graphml>/],
    ['graphml', '<graphml></graphml>', /^The document: has no <graph>/],
    ['graphml', '<html/>', /^Line 1: the root element is <html>/],
    ['graphml', '<graphml/><graphml/>', /^Line 1: a second root element/],
    ['graphml', '<graphml><graph/></graphml>', /^Line 1: <graph> needs edgedefault/],
    ['graphml', graphml('<node/>'), /^Line 3: <node> needs the attribute id/],
    ['graphml', graphml('<node id="a"/>\n<node id="a"/>'), /^Line 4: the node "a" appears twice/],
    ['graphml', graphml('<node id="a&b;"/>'), /^Line 3: &b; is not a character reference/],
    ['graphml', graphml('<node id="a" id="b"/>'), /^Line 3: the attribute id appears twice/],
    ['graphml', graphml('<node id="a"><graph/></node>'), /^Line 3: a second or nested <graph>/],
    ['graphml', graphml('<hyperedge/>'), /^Line 3: <hyperedge> is not supported here/],
    ['graphml', graphml('<node id="a"><data key="x">1</data></node>'), /^Line 3: the key "x" is not declared/],
    ['graphml', graphml('<node id="a"><data key="x">one</data></node>', '<key id="x" attr.type="int"/>'), /^Line 3: "one" cannot be read as int/],
    ['graphml', graphml('<node id="a"/>\n<edge source="a" target="a" directed="true"/>'), /^Line 4: this edge has another direction/],
    ['graphml', graphml('<node id="a"/>\n<edge source="a" target="z"/>'), /^Line 4: the edge names a node "z"/],
    ['graphml', '<a>'.repeat(40), /root element is <a>/]
  ])('%s %j', (format, text, message) => {
    expect(() => read(format, text)).toThrow(message)
  })

  test('nothing but our own errors comes out of damaged documents', () => {
    const random = seededRandom(11)
    for (const format of ['edge_list', 'node_link', 'graphml'] as const) {
      const text = write(format, randomDocument(3))
      for (let run = 0; run < 300; run++) {
        const at = randomInt(random, text.length)
        const damaged = text.slice(0, at) + ['', '<', '"', '&', '\u0000', '}', '\n', '>'][randomInt(random, 8)]! + text.slice(at + randomInt(random, 6))
        try {
          read(format, damaged)
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(/^SKEIN_(BAD_REQUEST|LIMIT)$/)
        }
      }
    }
  })
})

describe('bounds', () => {
  const limits = { ...DEFAULT_LIMITS, maxNodes: 2, maxEdges: 1, maxDocumentBytes: 2000 }
  test.each<[Format, string, RegExp]>([
    ['edge_list', 'a b\nc', /^Line 2: more than 2 nodes/],
    ['edge_list', 'a b\nb a', /^Line 2: more than 1 edges/],
    ['node_link', '{"nodes":[{"id":1},{"id":2},{"id":3}],"edges":[]}', /^nodes\[2\]: more than 2 nodes/],
    ['graphml', '<graphml><graph edgedefault="directed"><node id="a"/><edge source="a" target="a"/>\n<edge source="a" target="a"/></graph></graphml>', /^Line 2: more than 1 edges/],
    ['graphml', ' '.repeat(2001), /has 2001 bytes, 2000 are allowed/]
  ])('%s %j', (format, text, message) => {
    expect(() => readDocument(format, text, {}, limits)).toThrow(message)
  })

  test('an export that is too long says what to do', () => {
    const document = { directed: false, multi: false, attributes: { text: 'x'.repeat(2000) }, nodes: [], edges: [] }
    expect(() => writeDocument('graphml', document, limits)).toThrow(/would have \d+ bytes, 2000 are allowed; take the format edge_list/)
  })

  test('a long document on one line is read in no more than linear time', () => {
    const nodes = Array.from({ length: 10_000 }, (_, at) => `<node id="node-${at}"></node>`).join('')
    expect(read('graphml', `<graphml><graph edgedefault="directed">${nodes}</graph></graphml>`).nodes).toHaveLength(10_000)
  })
})
