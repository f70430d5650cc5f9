import type { Json } from '../../wire/json-rpc.ts'

export const DEFAULT_LIMIT = 10
/** More does not help a model to choose, it only fills its context. */
export const MAX_LIMIT = 50
/** A query is a few words; more is a pasted document. */
export const MAX_QUERY = 1_000
/** Enough of a description to see whether the tool fits. */
export const MAX_DESCRIPTION = 200

/** What a client's model reads about a search view: the same whatever the federation has. */
export const SEARCH_INSTRUCTIONS =
  'Many tools are available here, but they are not listed one by one. Find one with search_tools, read its arguments with describe_tool, then run it with call_tool.'

/** Before the instructions of servers, where a list has not all tools. */
export const MORE_INSTRUCTIONS =
  'Not all tools that are available here are listed. Find others with search_tools, read their arguments with describe_tool, then run them with call_tool.'

const READS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false }
const NAME = { type: 'string', description: 'Name of a tool exactly as search_tools gave it.' }

/** The whole of `tools/list` in a search view: constant, so that a client's cache of it never goes stale. Sorted by name. */
export const SEARCH_TOOLS: readonly Json[] = [
  {
    name: 'call_tool',
    title: 'Call a tool',
    description: 'Runs a tool found with search_tools. Its arguments must fit the inputSchema that describe_tool shows. The answer is that of the tool itself.',
    inputSchema: {
      type: 'object',
      properties: { name: NAME, arguments: { type: 'object', description: 'Arguments of the tool.' } },
      required: ['name']
    },
    // Any tool may be behind it, so the most careful of all hints hold.
    annotations: { title: 'Call a tool', readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true }
  },
  {
    name: 'describe_tool',
    title: 'Describe a tool',
    description: 'Shows the whole definition of a tool found with search_tools: its description and the JSON Schema of its arguments.',
    inputSchema: { type: 'object', properties: { name: NAME }, required: ['name'], additionalProperties: false },
    outputSchema: {
      type: 'object',
      // No more, because what servers write into the other members is not checked.
      properties: { name: { type: 'string' } },
      required: ['name']
    },
    annotations: { title: 'Describe a tool', ...READS }
  },
  {
    name: 'search_tools',
    title: 'Search tools',
    description: 'Finds tools by words of their name, description and parameters; the best come first. Use a few plain words for what should be done, such as "read file".',
    inputSchema: {
      type: 'object',
      properties: {
        query: { type: 'string', maxLength: MAX_QUERY, description: 'Words to look for; empty lists tools by name.' },
        limit: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT, description: 'How many tools to show.' },
        server: { type: 'string', description: 'Only tools of this server.' }
      },
      required: ['query'],
      additionalProperties: false
    },
    outputSchema: {
      type: 'object',
      properties: {
        tools: {
          type: 'array',
          items: {
            type: 'object',
            properties: { name: { type: 'string' }, server: { type: 'string' }, title: { type: 'string' }, description: { type: 'string' } },
            required: ['name', 'server', 'description']
          }
        },
        total: { type: 'integer', description: 'Tools that fit the query, shown or not.' },
        partial: { type: 'boolean', description: 'Parts of the federation did not answer: there may be more.' }
      },
      required: ['tools', 'total']
    },
    annotations: { title: 'Search tools', ...READS }
  }
]
