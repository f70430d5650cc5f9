import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { ResourceListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { Client as ModernClient } from '@modelcontextprotocol/client'
import { StdioClientTransport as ModernStdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAIN } from './graph-child.ts'

const server = { command: process.execPath, args: [MAIN] }

describe('every tool through the client of SDK v1, which checks results against the output schemas', () => {
  const client = new Client({ name: 'test', version: '1' })
  const used = new Set<string>()
  let listChanges = 0
  let names: string[] = []

  async function call(name: string, args: Record<string, unknown>): Promise<Record<string, unknown>> {
    used.add(name)
    const result = await client.callTool({ name, arguments: args })
    expect([result.isError, result.content]).toEqual([undefined, [{ type: 'text', text: expect.any(String) as string }]])
    return result.structuredContent as Record<string, unknown>
  }

  beforeAll(async () => {
    client.setNotificationHandler(ResourceListChangedNotificationSchema, () => void (listChanges += 1))
    await client.connect(new StdioClientTransport(server))
    // The client compiles the output schemas it will check with.
    const { tools } = await client.listTools()
    names = tools.map(({ name }) => name)
    for (const { inputSchema, outputSchema, annotations, description } of tools) {
      expect([inputSchema.type, outputSchema?.type, annotations?.openWorldHint, typeof description]).toEqual(['object', 'object', false, 'string'])
    }
    const changing = tools.filter(({ annotations }) => annotations?.readOnlyHint === false).map(({ name }) => name)
    expect(changing).toEqual(['create_graph', 'delete_graph', 'add_nodes', 'remove_nodes', 'add_edges', 'remove_edges', 'set_attributes', 'import_graph'])
  })
  afterAll(() => client.close())

  test('graphs, nodes and edges', async () => {
    expect(await call('create_graph', { id: 'town', attributes: { year: 2026 } })).toMatchObject({ id: 'town', uri: 'graph://town', nodes: 0 })
    expect(await call('add_nodes', { graph: 'town', nodes: [{ id: 'a', attributes: { colour: 'red' } }, { id: 'z' }] })).toMatchObject({ added: 2, nodes: 2 })
    const edges = [['a', 'b', 1], ['b', 'c', 1], ['a', 'c', 5], ['c', 'd', 2], ['z', 'y', 1]].map(([source, target, weight]) => ({ source, target, weight }))
    expect(await call('add_edges', { graph: 'town', edges })).toEqual({ added: 5, updated: 0, nodes_created: 4, nodes: 6, edges: 5 })
    expect(await call('remove_edges', { graph: 'town', edges: [{ source: 'y', target: 'z' }] })).toEqual({ removed: 1, nodes: 6, edges: 4 })
    expect(await call('remove_nodes', { graph: 'town', nodes: ['y', 'z'] })).toEqual({ removed_nodes: 2, removed_edges: 0, nodes: 4, edges: 4 })
    expect(await call('get_graph_info', { id: 'town' })).toMatchObject({ nodes: 4, edges: 4, attributes: { year: 2026 }, min_degree: 1, max_degree: 3, average_degree: 2, self_loops: 0 })
    expect(await call('list_graphs', {})).toMatchObject({ graphs: [{ id: 'town' }] })
  })

  test('attributes', async () => {
    expect(await call('set_attributes', { graph: 'town', node: 'a', attributes: { size: 3, colour: null } })).toEqual({ kind: 'node', name: 'a', attributes: { size: 3 } })
    expect(await call('set_attributes', { graph: 'town', edge: { source: 'c', target: 'd' }, attributes: { road: true } })).toMatchObject({ kind: 'edge', attributes: { weight: 2, road: true } })
    expect(await call('get_attributes', { graph: 'town', edge: { key: 'e4' } })).toMatchObject({ name: 'e4', attributes: { weight: 2, road: true } })
    expect(await call('set_attributes', { graph: 'town', attributes: { name: 'Town' }, replace: true })).toEqual({ kind: 'graph', name: 'town', attributes: { name: 'Town' } })
    expect(await call('get_attributes', { graph: 'town' })).toMatchObject({ attributes: { name: 'Town' } })
  })

  test('paths and structure', async () => {
    expect(await call('get_neighbors', { graph: 'town', node: 'c' })).toMatchObject({ total: 3, neighbors: [{ id: 'b', edges: [{ key: 'e2', direction: 'undirected', weight: 1 }] }, { id: 'a' }, { id: 'd' }] })
    expect(await call('shortest_path', { graph: 'town', source: 'a', target: 'd' })).toEqual({ reachable: true, path: ['a', 'c', 'd'], edges: ['e3', 'e4'], distance: 2 })
    expect(await call('shortest_path', { graph: 'town', source: 'a', target: 'd', weight: 'weight' })).toMatchObject({ path: ['a', 'b', 'c', 'd'], distance: 4 })
    await call('add_nodes', { graph: 'town', nodes: [{ id: 'island' }] })
    expect(await call('shortest_path', { graph: 'town', source: 'a', target: 'island' })).toEqual({ reachable: false, path: [], edges: [], distance: null })
    expect(await call('connected_components', { graph: 'town', limit: 2 })).toEqual({ mode: 'weak', count: 2, groups: [{ size: 4, nodes: ['a', 'b'] }], truncated: true })
    expect(await call('clustering_coefficients', { graph: 'town' })).toMatchObject({ triangles: 1, transitivity: 0.6 })
    expect(await call('spanning_tree', { graph: 'town' })).toMatchObject({ weight: 4, count: 3, trees: 2 })
    await call('create_graph', { id: 'plan', directed: true })
    await call('add_edges', { graph: 'plan', edges: [{ source: 'b', target: 'a' }, { source: 'c', target: 'b' }] })
    expect(await call('topological_sort', { graph: 'plan' })).toEqual({ acyclic: true, order: ['c', 'b', 'a'], cycle: [] })
    await call('add_edges', { graph: 'plan', edges: [{ source: 'a', target: 'c' }] })
    const { cycle } = await call('topological_sort', { graph: 'plan' })
    expect((cycle as string[]).slice(1).toSorted()).toEqual(['a', 'b', 'c'])
    expect(await call('connected_components', { graph: 'plan', mode: 'strong' })).toMatchObject({ count: 1 })
  })

  test('centralities and communities', async () => {
    expect(await call('degree_centrality', { graph: 'town', limit: 1 })).toEqual({ total: 5, scores: [{ node: 'c', score: 0.75 }] })
    expect(await call('degree_centrality', { graph: 'plan', direction: 'in', normalized: false })).toMatchObject({ scores: [{ score: 1 }, { score: 1 }, { score: 1 }] })
    expect(await call('betweenness_centrality', { graph: 'town', normalized: false, limit: 1 })).toEqual({ total: 5, scores: [{ node: 'c', score: 2 }] })
    expect(await call('closeness_centrality', { graph: 'town', limit: 1, improved: false })).toEqual({ total: 5, scores: [{ node: 'c', score: 1 }] })
    expect(await call('pagerank', { graph: 'plan' })).toMatchObject({ total: 3, scores: [{ score: 1 / 3 }, {}, {}] })
    const first = await call('communities', { graph: 'town', seed: 3 })
    expect(first).toMatchObject({ truncated: false })
    expect(await call('communities', { graph: 'town', seed: 3 })).toEqual(first)
  })

  test('formats, and graphs as resources', async () => {
    const before = listChanges
    for (const format of ['graphml', 'node_link']) {
      const { text } = await call('export_graph', { id: 'town', format })
      expect(await call('import_graph', { id: `copy-${format}`, format, text })).toEqual({ id: `copy-${format}`, directed: false, multi: false, nodes: 5, edges: 4 })
      expect((await call('export_graph', { id: `copy-${format}`, format }))['text']).toBe(text)
    }
    expect(await call('delete_graph', { id: 'copy-graphml' })).toEqual({ id: 'copy-graphml', nodes: 5, edges: 4 })
    expect(listChanges - before).toBe(3)
    const { resources } = await client.listResources()
    expect(resources.map(({ uri }) => uri)).toEqual(['graph://town', 'graph://plan', 'graph://copy-node_link'])
    expect((await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(['graph://{id}'])
    const { contents } = await client.readResource({ uri: 'graph://town' })
    const content = contents[0] as { mimeType: string; text: string }
    expect(content.mimeType).toBe('application/json')
    expect(JSON.parse(content.text)).toMatchObject({ directed: false, multigraph: false, graph: { name: 'Town' }, nodes: [{ id: 'a', size: 3 }, {}, {}, {}, {}] })
    await expect(client.readResource({ uri: 'graph://none' })).rejects.toThrow(/no graph at graph:\/\/none/)
  })

  test('none was left out', () => {
    expect([...used].toSorted()).toEqual(names.toSorted())
  })
})

test('a client of 2026-07-28 is served too', async () => {
  const client = new ModernClient({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  await client.connect(new ModernStdioClientTransport(server))
  try {
    await client.callTool({ name: 'create_graph', arguments: { id: 'g', directed: true } })
    await client.callTool({ name: 'add_edges', arguments: { graph: 'g', edges: [{ source: 'a', target: 'b' }] } })
    const result = await client.callTool({ name: 'betweenness_centrality', arguments: { graph: 'g' } })
    expect(result.structuredContent).toEqual({ total: 2, scores: [{ node: 'a', score: 0 }, { node: 'b', score: 0 }] })
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toEqual(['graph://g'])
  } finally {
    await client.close()
  }
})
