import { z } from 'zod'
import { isAttributes, MAX_ID_LENGTH } from './attributes.ts'
import type { Attributes } from './document.ts'
import type { JobRunner } from './jobs.ts'
import type { OnProgress } from './algorithms/betweenness.ts'
import type { GraphStore } from './store.ts'

export interface ToolContext {
  store: GraphStore
  jobs: JobRunner
  /** Aborts when the client cancels the call or goes away. */
  signal: AbortSignal
  /** Given when the client asked for progress. */
  onProgress?: OnProgress
}

export interface ToolResult<Output> {
  /** One or two sentences for models that do not read structured content. */
  text: string
  data: Output
}

export interface ToolAnnotations {
  readOnlyHint: boolean
  destructiveHint: boolean
  idempotentHint: boolean
}

/** A tool as the server sees it, its types folded away. */
export interface Tool {
  name: string
  title: string
  description: string
  input: z.ZodType
  output: z.ZodType
  annotations: ToolAnnotations
  run(args: unknown, context: ToolContext): Promise<ToolResult<Record<string, unknown>>>
}

/** Reads only: computations and look-ups. */
export const READS: ToolAnnotations = { readOnlyHint: true, destructiveHint: false, idempotentHint: true }
/** Adds only; the same call again changes nothing more. */
export const ADDS: ToolAnnotations = { readOnlyHint: false, destructiveHint: false, idempotentHint: true }
/** Can overwrite or remove; the same call again changes nothing more. */
export const DESTROYS: ToolAnnotations = { readOnlyHint: false, destructiveHint: true, idempotentHint: true }

/** A tool whose arguments and results are typed by its schemas. */
export function defineTool<Input extends z.ZodType, Output extends z.ZodObject>(tool: {
  name: string
  title: string
  description: string
  input: Input
  output: Output
  annotations: ToolAnnotations
  run(args: z.output<Input>, context: ToolContext): ToolResult<z.output<Output>> | Promise<ToolResult<z.output<Output>>>
}): Tool {
  return {
    ...tool,
    // The server has parsed the arguments with `input` before it calls this.
    run: async (args, context) => await tool.run(args as z.output<Input>, context)
  }
}

/** More in one call makes a message that carriers refuse; a larger graph comes in with import_graph. */
export const MAX_BATCH = 10_000

export const graphId = z.string().describe('The id of the graph')
export const nodeId = z.string().min(1).max(MAX_ID_LENGTH)

/** Not z.record: that copies, and a copy loses a property named __proto__ before the store can refuse it. */
export const attributesSchema = z
  .custom<Attributes>(isAttributes, { error: 'must be a JSON object' })
  .meta({ type: 'object', description: 'Named values, any JSON' })

export const edgeReference = z
  .strictObject({
    key: nodeId.optional().describe('The key of the edge'),
    source: nodeId.optional(),
    target: nodeId.optional()
  })
  .describe('An edge by its key, or by source and target')

/** The weight option of computations. */
export const weightOption = z.string().min(1).max(128).optional().describe('The edge attribute to take as weight, such as "weight"; left out, every edge counts 1')

/** How many entries of a long answer to give. */
export const topOption = z.int().min(1).max(10_000).default(100).describe('At most this many entries are given')
