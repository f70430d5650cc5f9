import type { Command } from 'commander'
import type { ToolInfo, ToolMatches } from '../../node/api.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { parseWhole } from '../duration.ts'
import { fields, plain, printJson, printLine, shorten, table } from '../output.ts'

/** Enough of a description to recognise a tool in a list. */
const DESCRIPTION_WIDTH = 60
/** As many as the node gives. */
const MAX_FOUND = 200

type Provider = ToolInfo['providers'][number]

function providerText({ name, local, rtt }: Provider): string {
  if (local) return 'here'
  return rtt === undefined ? name : `${name} (${Math.round(rtt)} ms)`
}

/** No provider in the pools of the node: hubs pass the calls on. */
function placesOf({ providers }: ToolInfo): string {
  return providers.length === 0 ? 'through hubs' : providers.map(providerText).join(', ')
}

function list(tools: readonly ToolInfo[]): string {
  if (tools.length === 0) return 'No tools yet. Attach servers under mcp.servers in the configuration, then `skein reload`.'
  const rows = tools.map((tool) => [tool.name, placesOf(tool), shorten(tool.description, DESCRIPTION_WIDTH)])
  return table(['NAME', 'AT', 'DESCRIPTION'], rows)
}

function show(tool: ToolInfo & { definition: Record<string, unknown> }): string {
  const rows: [string, string][] = [
    ['name', tool.name],
    ['server', tool.server],
    ['tool', tool.tool],
    ['at', placesOf(tool)],
    ['repeatable', tool.repeatable ? 'yes' : 'no'],
    ['digest', tool.digest],
    ...(tool.notice === undefined ? [] : [['note', tool.notice] as [string, string]])
  ]
  const description = tool.description.split('\n').map(plain).join('\n')
  return `${fields(rows)}\n\n${description}\n\n${JSON.stringify(tool.definition.inputSchema ?? {}, undefined, 2)}`
}

function matches({ tools, total, partial }: ToolMatches): string {
  const missing = partial ? '\nParts of the federation did not answer, so there may be more: search again in a moment.' : ''
  if (tools.length === 0) return `No tool fits: try other words.${missing}`
  const rows = tools.map((tool) => [tool.name, tool.listed ? (tool.distant ? 'through hubs' : 'listed') : 'found', tool.providers === 0 ? '-' : String(tool.providers), shorten(tool.description, DESCRIPTION_WIDTH)])
  const more = total > tools.length ? `\n${total - tools.length} more: use more precise words, or --limit.` : ''
  return `${table(['NAME', 'HERE', 'NODES', 'DESCRIPTION'], rows)}${more}${missing}`
}

export function addTools(program: Command, context: CliContext): void {
  const tools = program.command('tools').description('the tools that clients of this node see')
  withCommonOptions(tools.command('ls'))
    .description('list all tools and where they run')
    .action(async (flags: CommonFlags) => {
      const client = await clientOf(context, flags)
      const found = await client.request<ToolInfo[]>('GET', '/tools')
      if (flags.json === true) printJson(context.io, found)
      else printLine(context.io, list(found))
    })
  withCommonOptions(tools.command('show'))
    .description('show one tool: its description, providers and input schema')
    .argument('<name>', 'as in `skein tools ls`: <server>__<tool>')
    .action(async (name: string, flags: CommonFlags) => {
      const client = await clientOf(context, flags)
      const tool = await client.request<ToolInfo & { definition: Record<string, unknown> }>('GET', `/tools/${encodeURIComponent(name)}`)
      if (flags.json === true) printJson(context.io, tool)
      else printLine(context.io, show(tool))
    })
  withCommonOptions(tools.command('search'))
    .description('find tools by words in the whole federation, also those that no list of this node has')
    .argument('<words...>', 'what the tool should do, such as: read file')
    .option('--limit <n>', `how many to show, 1 to ${MAX_FOUND}`, '20')
    .action(async (words: string[], flags: CommonFlags & { limit: string }) => {
      const limit = parseWhole(flags.limit, '--limit', 1, MAX_FOUND)
      const client = await clientOf(context, flags)
      const found = await client.request<ToolMatches>('POST', '/tools/search', { query: words.join(' '), limit })
      if (flags.json === true) printJson(context.io, found)
      else printLine(context.io, matches(found))
    })
}
