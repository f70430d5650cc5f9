import type { Command } from 'commander'
import { SkeinError } from '../../base/errors.ts'
import type { ConsensusGroup, ConsensusProposal, ConsensusStatus, ProposeResult } from '../../node/api.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { formatSeconds, parseWhole } from '../duration.ts'
import { EXIT_FAILED } from '../exit-codes.ts'
import { fields, plain, printJson, printLine, table } from '../output.ts'

/** Takes a setting or a ban back. */
const NONE = 'none'
/** ms; beyond the longest `consensus.proposal_timeout`, so that the node is the one that gives up. */
const ANSWER_TIMEOUT = 700_000
/** Those that `ls` shows; the API has the others. */
const SHOWN_PROPOSALS = 10

type Overview = ConsensusStatus & { proposals: ConsensusProposal[] }

interface ProposeFlags extends CommonFlags {
  expect?: string
}

const label = ({ name, peer }: { name: string; peer: string }) => name || peer

function votes(group: ConsensusGroup, kind: 'lease' | 'settings'): string {
  const living = group.voters.filter(({ alive }) => alive).length
  const survives = group.survives[kind]
  const left = living < group.needed[kind] ? `only ${living} live` : `survives ${survives === 0 ? 'no death' : survives === 1 ? '1 death' : `${survives} deaths`}`
  return `${group.needed[kind]} of ${group.voters.length} votes; ${left}`
}

const poolLabel = ({ pool, name }: { pool: string; name: string }) => name || pool

function lease({ lease: found }: ConsensusGroup): string {
  if (found === undefined) return 'none'
  const state = found.resigned ? ', resigned' : found.alive ? '' : ', dead'
  return `${label(found.holder)}${state}; token ${found.token}, ${found.ttl / 1_000} s`
}

function groupText(group: ConsensusGroup): string {
  const voters = group.voters.map((voter) => `${label(voter)}${voter.self ? ' (self)' : ''}${voter.alive ? '' : voter.left ? ' (left)' : ' (dead)'}`)
  const rows: [string, string][] = [
    ['pool', `${poolLabel(group)} (${group.tier})${group.name === '' ? '' : ` ${group.pool}`}`],
    ['hub', lease(group)],
    ['voters', `${voters.join(', ') || 'none'}; list ${group.version}${group.settled ? '' : ', being changed'}`],
    ['leases need', votes(group, 'lease')],
    ...(group.pool === 'root' ? [['settings need', votes(group, 'settings')] as [string, string]] : []),
  ]
  return [fields(rows), ...group.problems.map((problem) => `! ${plain(problem)}`)].join('\n')
}

/** What a hub does every few seconds; the line about the hub has what it leads to. */
const isRoutine = ({ key, state }: ConsensusProposal) => key === 'hub' && state === 'decided'

/** @param now unix ms */
function proposalRow(proposal: ConsensusProposal, pool: string, now: number): string[] {
  const { key, what, state, started, ms, votes: has, needed, reason } = proposal
  // Of one that another node led only the end is known here.
  const votes = has === 0 && (state === 'decided' || state === 'conflict') ? '-' : `${has}/${needed}`
  return [key, pool, what, state === 'conflict' ? 'refused' : state, votes, `${Math.round(ms)} ms`, `${formatSeconds((now - started) / 1_000)} ago`, reason ?? '']
}

/** Groups, what was decided, then the newest proposals. @param now unix ms */
export function consensusText({ groups, root, settings, proposals }: Overview, now: number): string {
  const parts = groups.length === 0 ? ['This node is in no pool yet.'] : groups.map(groupText)
  if (root !== undefined) parts.push(fields([['voters of root', `${root.voters.map(label).join(', ')}; list ${root.version}, as last heard`]]))
  if (settings.length > 0) parts.push(table(['SETTING', 'VALUE', 'VERSION'], settings.map(({ key, value, version }) => [key, JSON.stringify(value), String(version)])))
  const shown = proposals.filter((proposal) => !isRoutine(proposal)).slice(0, SHOWN_PROPOSALS)
  const names = new Map(groups.map((group) => [group.pool, poolLabel(group)]))
  if (shown.length > 0) parts.push(table(['PROPOSAL', 'POOL', 'WHAT', 'STATE', 'VOTES', 'TOOK', 'BEGUN', 'REASON'], shown.map((proposal) => proposalRow(proposal, names.get(proposal.pool) ?? proposal.pool, now))))
  return parts.join('\n\n')
}

/** A number for a setting, the text itself for a ban, null for `none`. @throws SKEIN_USAGE */
export function proposedValue(key: string, text: string): unknown {
  if (text === NONE) return null
  if (!key.startsWith('setting/')) return text
  if (!/^\d{1,15}$/.test(text)) throw new SkeinError('SKEIN_USAGE', `<value> of a setting wants a whole number, or ${NONE}, not "${text}".`)
  return Number(text)
}

export function addConsensus(program: Command, context: CliContext): void {
  const consensus = program.command('consensus').description('what the federation decides by vote: who is hub, settings, bans')
  withCommonOptions(consensus.command('ls'))
    .description('show who votes in the pools of this node, how many votes are needed, how many deaths that survives, who is hub, what was decided, and what is wrong')
    .action(async (flags: CommonFlags) => {
      const client = await clientOf(context, flags)
      const found = await client.request<Overview>('GET', '/consensus')
      if (flags.json === true) printJson(context.io, found)
      else printLine(context.io, consensusText(found, context.clock.wall()))
    })
  withCommonOptions(consensus.command('propose'))
    .description('put a setting of the whole federation or a ban to the vote, and wait for what becomes of it')
    .argument('<key>', 'setting/max_tools, setting/max_regional_hubs, setting/max_child_hubs, setting/max_clusters or ban/<peer id>')
    .argument('<value>', `a whole number for a setting, the reason for a ban, or ${NONE} to take it back`)
    .option('--expect <version>', 'only if it has this version now, 0 if it was never decided (default: whatever it has)')
    .action(async (key: string, value: string, flags: ProposeFlags) => {
      const expect = flags.expect === undefined ? {} : { expect: parseWhole(flags.expect, '--expect', 0, Number.MAX_SAFE_INTEGER) }
      const body = { key, value: proposedValue(key, value), ...expect }
      const client = await clientOf(context, flags)
      const result = await client.stream<ProposeResult>('/consensus/propose', body, () => {}, ANSWER_TIMEOUT)
      if (flags.json === true) printJson(context.io, result)
      else printLine(context.io, plain(result.message))
      if (result.outcome !== 'decided') context.exit(EXIT_FAILED)
    })
}
