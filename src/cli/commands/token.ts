import type { Command } from 'commander'
import type { CreatedToken, TokenInfo } from '../../node/api.ts'
import { clientOf, collect, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { parseDuration, parseWhole } from '../duration.ts'
import { fields, printJson, printLine, table } from '../output.ts'

interface CreateFlags extends CommonFlags {
  expires?: string
  uses?: string
  tier?: string
  region?: string
  role?: string[]
}

/** As the node allows. */
const MAX_USES = 10_000

function requestOf(flags: CreateFlags): Record<string, unknown> {
  const given = {
    expires: flags.expires === undefined ? undefined : parseDuration(flags.expires, '--expires') / 1000,
    uses: flags.uses === undefined ? undefined : parseWhole(flags.uses, '--uses', 1, MAX_USES),
    tier: flags.tier,
    region: flags.region,
    roles: flags.role
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function created(token: CreatedToken): string {
  const rows: [string, string][] = [
    ['token', token.token],
    ['good for', `${token.uses === 1 ? 'one node' : `${token.uses} nodes`}, until ${new Date(token.expires).toISOString()}`]
  ]
  return `${fields(rows)}\n\nOn the other machine:\n  ${token.command}`
}

function row(token: TokenInfo): string[] {
  const roles = token.roles.join(', ') || '-'
  return [token.id, `${token.used}/${token.uses}`, new Date(token.expires).toISOString(), token.tier, token.region || '-', roles]
}

export function addToken(program: Command, context: CliContext): void {
  const token = program.command('token').description('tokens that let other nodes join the federation')
  withCommonOptions(token.command('create'))
    .description('create a join token and print the command for the other machine')
    .option('--expires <duration>', 'how long it can be used, such as 30m, 24h or 7d (default: 24h)')
    .option('--uses <count>', 'how many nodes may join with it (default: 1)')
    .option('--tier <tier>', 'global, regional, local or leaf')
    .option('--region <name>', 'region of the nodes that join with it')
    .option('--role <name>', 'a role they get; may be repeated', collect)
    .action(async (flags: CreateFlags) => {
      const request = requestOf(flags)
      const client = await clientOf(context, flags)
      const made = await client.request<CreatedToken>('POST', '/tokens', request)
      if (flags.json === true) printJson(context.io, made)
      else printLine(context.io, created(made))
    })
  withCommonOptions(token.command('ls'))
    .description('list the tokens this node has issued')
    .action(async (flags: CommonFlags) => {
      const client = await clientOf(context, flags)
      const tokens = await client.request<TokenInfo[]>('GET', '/tokens')
      if (flags.json === true) return printJson(context.io, tokens)
      if (tokens.length === 0) return printLine(context.io, 'No tokens. `skein token create` makes one.')
      printLine(context.io, table(['ID', 'USED', 'EXPIRES', 'TIER', 'REGION', 'ROLES'], tokens.map(row)))
    })
}
