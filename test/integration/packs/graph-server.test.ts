import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { initialize, largeEdgeList, startGraph, type GraphChild } from './graph-child.ts'

const textOf = (result: { content?: { text: string }[] }) => result.content?.[0]?.text ?? ''

describe('the graph server over stdio', () => {
  let graph: GraphChild
  beforeEach(async () => {
    graph = startGraph({ SKEIN_GRAPH_MAX_NODES: '10000', SKEIN_GRAPH_MAX_EDGES: '50000' })
    await initialize(graph)
  })
  afterEach(async () => {
    graph.process.kill('SIGKILL')
    await graph.exited
  })

  test('a cancelled betweenness ends within a second, and other calls are answered meanwhile', async () => {
    const made = await graph.call('import_graph', { id: 'big', format: 'edge_list', text: largeEdgeList(10_000), directed: true })
    expect(made.structuredContent).toMatchObject({ nodes: 10_000 })
    // Two, so that every worker is taken and a third computation must wait.
    const [id, other] = ['first', 'second'].map((progressToken) => graph.request('tools/call', { name: 'betweenness_centrality', arguments: { graph: 'big' }, _meta: { progressToken } }))
    const progressOf = (token: string) => graph.messages.filter(({ method, params }) => method === 'notifications/progress' && params?.['progressToken'] === token).length
    await graph.until(() => progressOf('first') > 0 && progressOf('second') > 0)
    const asked = performance.now()
    const list = await graph.call('list_graphs', {})
    expect(performance.now() - asked).toBeLessThan(500)
    expect(list.structuredContent).toMatchObject({ graphs: [{ id: 'big' }] })

    const waiting = graph.call('connected_components', { graph: 'big', limit: 1 })
    await graph.call('list_graphs', {})
    graph.send({ method: 'notifications/cancelled', params: { requestId: id, reason: 'test' } })
    const cancelled = performance.now()
    expect((await waiting).structuredContent).toMatchObject({ count: 1 })
    expect(performance.now() - cancelled).toBeLessThan(1000)
    const progress = progressOf('first')
    const others = progressOf('second')
    await graph.until(() => progressOf('second') > others + 1)
    expect(progressOf('first')).toBe(progress)
    expect(graph.messages.some((message) => message.id === id || message.id === other)).toBe(false)
  }, 30_000)

  test('progress rises to the total and comes before the result', async () => {
    await graph.call('import_graph', { id: 'g', format: 'edge_list', text: largeEdgeList(1500) })
    for (const name of ['betweenness_centrality', 'closeness_centrality', 'clustering_coefficients']) {
      const answer = await graph.call(name, { graph: 'g', limit: 1 }, { progressToken: name })
      const ends = graph.messages.findIndex(({ result }) => result === answer)
      const seen = graph.messages.flatMap(({ method, params }, at) => (method === 'notifications/progress' && params?.['progressToken'] === name ? [{ at, progress: params['progress'] as number, total: params['total'] }] : []))
      expect(seen.length).toBeGreaterThan(0)
      expect(seen.map(({ progress }) => progress)).toEqual([...new Set(seen.map(({ progress }) => progress))].toSorted((a, b) => a - b))
      expect(seen.at(-1)).toMatchObject({ progress: 1500, total: 1500 })
      expect(seen.at(-1)!.at).toBeLessThan(ends)
    }
    const quiet = graph.messages.filter(({ method }) => method === 'notifications/progress').length
    await graph.call('closeness_centrality', { graph: 'g', limit: 1 })
    expect(graph.messages.filter(({ method }) => method === 'notifications/progress')).toHaveLength(quiet)
  }, 30_000)

  test('limits and mistakes are results that say what to do, and change nothing', async () => {
    const small = startGraph({ SKEIN_GRAPH_MAX_NODES: '3', SKEIN_GRAPH_MAX_EDGES: '2' })
    try {
      await initialize(small)
      await small.call('create_graph', { id: 'g' })
      const wide = await small.call('add_edges', { graph: 'g', edges: [{ source: 'a', target: 'b' }, { source: 'c', target: 'd' }] })
      expect([wide.isError, textOf(wide)]).toEqual([true, 'Graph "g" would have 4 nodes, 3 are allowed (SKEIN_GRAPH_MAX_NODES); nothing was changed. Remove what you no longer need, or split the graph'])
      const dense = await small.call('add_edges', { graph: 'g', edges: ['a', 'b', 'c'].map((source) => ({ source, target: 'a' })) })
      expect(textOf(dense)).toMatch(/3 edges, 2 are allowed \(SKEIN_GRAPH_MAX_EDGES\)/)
      expect((await small.call('get_graph_info', { id: 'g' })).structuredContent).toMatchObject({ nodes: 0, edges: 0 })
      for (const [name, args, message] of [
        ['add_nodes', { graph: 'g', nodes: [{ id: 5 }] }, /^The arguments of add_nodes are not right: nodes\.0\.id: /],
        ['add_nodes', { graph: 'g', nodes: [], extra: 1 }, /extra/],
        ['add_nodes', { graph: 'g', nodes: [{ id: 'a', attributes: [] }] }, /nodes\.0\.attributes: must be a JSON object/],
        ['pagerank', { graph: 'x' }, /no graph "x"; there are: g$/],
        ['spanning_tree', { graph: 'y' }, /no graph "y"/],
        ['topological_sort', { graph: 'g' }, /is undirected; topological_sort needs a directed one/],
        ['import_graph', { id: 'h', format: 'graphml', text: '<graphml>\n<' }, /^Line 2: /],
        ['import_graph', { id: 'h', format: 'dot', text: '' }, /format: /]
      ] as const) {
        const result = await small.call(name, args)
        expect([name, result.isError, textOf(result)]).toEqual([name, true, expect.stringMatching(message)])
      }
      small.process.stdin.write('{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{"name":"add_nodes","arguments":{"graph":"g","nodes":[{"id":"a","attributes":{"__proto__":1}}]}}}\n')
      const evil = await small.until(({ id }) => id === 900)
      expect(textOf(evil.result!)).toMatch(/cannot be named __proto__/)
      await expect(small.call('no_such_tool', {})).rejects.toThrow(/no tool "no_such_tool"/)
    } finally {
      small.process.kill('SIGKILL')
      await small.exited
    }
  }, 30_000)

  test('a line that is not JSON does not end the connection', async () => {
    graph.process.stdin.write('not json\n')
    expect((await graph.call('list_graphs', {})).isError).toBeUndefined()
  })

  test('it ends with its stdin, even while a worker computes, and leaves no process', async () => {
    await graph.call('import_graph', { id: 'big', format: 'edge_list', text: largeEdgeList(5000) })
    graph.request('tools/call', { name: 'betweenness_centrality', arguments: { graph: 'big' }, _meta: { progressToken: 1 } })
    await graph.until(({ method }) => method === 'notifications/progress')
    const closed = performance.now()
    graph.process.stdin.end()
    expect(await graph.exited).toBe(0)
    expect(performance.now() - closed).toBeLessThan(2000)
    expect(() => process.kill(graph.process.pid!, 0)).toThrow(/ESRCH/)
  }, 30_000)

  test('a wrong setting ends the start with a sentence on stderr', async () => {
    const wrong = startGraph({ SKEIN_GRAPH_MAX_NODES: 'many' })
    let said = ''
    wrong.process.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    expect(await wrong.exited).toBe(1)
    expect(said).toMatch(/SKEIN_GRAPH_MAX_NODES is "many"; set a whole number/)
  })
})
