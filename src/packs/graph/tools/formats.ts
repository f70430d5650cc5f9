import { z } from 'zod'
import { FORMATS, readDocument, writeDocument } from '../formats/codecs.ts'
import { documentOf } from '../store.ts'
import { defineTool, DESTROYS, graphId, READS } from '../tool.ts'
import { describe } from './graphs.ts'

/** Up to here the text content carries the document too, for clients that show no structured content; twice of more is a waste. */
const MAX_REPEATED = 32 * 1024

const format = z
  .enum(FORMATS)
  .describe('edge_list: lines of "source target weight", no other attributes. node_link: JSON as networkx writes it. graphml: XML with all attributes')

const importGraph = defineTool({
  name: 'import_graph',
  title: 'Import a graph',
  description: 'Makes a graph from a text in one of three formats. Errors name the line or the place, and then nothing is imported.',
  input: z.strictObject({
    id: graphId.describe('The id of the graph to make'),
    format,
    text: z.string(),
    directed: z.boolean().optional().describe('Instead of what the document says; an edge list without a header is undirected'),
    multi: z.boolean().optional().describe('Instead of what the document says; a document that does not say is multi when edges repeat'),
    replace: z.boolean().default(false).describe('Overwrite the graph of this id')
  }),
  output: z.object({ id: z.string(), directed: z.boolean(), multi: z.boolean(), nodes: z.int(), edges: z.int() }),
  annotations: DESTROYS,
  run({ id, format: name, text, directed, multi, replace }, { store }) {
    const stored = store.put(id, readDocument(name, text, { directed, multi }, store.limits), { replace })
    const { graph } = stored
    return { text: describe(stored), data: { id, directed: stored.directed, multi: stored.multi, nodes: graph.order, edges: graph.size } }
  }
})

const exportGraph = defineTool({
  name: 'export_graph',
  title: 'Export a graph',
  description: 'The whole graph as a text. graphml and node_link keep everything; edge_list keeps nodes, edges and numeric weights.',
  input: z.strictObject({ id: graphId, format: format.default('node_link') }),
  output: z.object({ id: z.string(), format: z.enum(FORMATS), text: z.string() }),
  annotations: READS,
  run({ id, format: name }, { store }) {
    const stored = store.get(id)
    const text = writeDocument(name, documentOf(stored), store.limits)
    const summary = `${describe(stored)} Its ${name} text has ${text.length} characters and is in structuredContent.text.`
    return { text: text.length <= MAX_REPEATED ? text : summary, data: { id, format: name, text } }
  }
})

export const formatTools = [importGraph, exportGraph]
