import type { Command } from 'commander'
import type { MemberChange, MemberInfo } from '../../node/api.ts'
import type { ControlLine } from '../../wire/control.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { ControlClient } from '../client.ts'
import type { CliContext } from '../context.ts'
import { formatSeconds } from '../duration.ts'
import { plain, printJson, printLine, table } from '../output.ts'

interface Flags extends CommonFlags {
  watch?: boolean
}

/** Room for the longest of the words. */
const TYPE_WIDTH = 'suspected'.length
const WAYS = { silence: 'did not answer', refused: 'its machine refuses connections' } as const

/** A member that is only known to have left has no name. */
const label = ({ name, self }: MemberInfo) => (self ? `${name} (self)` : name || '-')

/** Most nodes are in one pool and need no column for it. A pool has the id of its founder, who is often there. */
function poolsColumn(members: readonly MemberInfo[]): { head: string[]; cell(member: MemberInfo): string[] } {
  if (new Set(members.flatMap(({ pools }) => pools)).size < 2) return { head: [], cell: () => [] }
  const names = new Map(members.map(({ peer, name }) => [peer, name]))
  return { head: ['POOLS'], cell: ({ pools }) => [pools.map((pool) => names.get(pool) || pool).join(', ') || '-'] }
}

/** @param now unix ms */
export function membersTable(members: readonly MemberInfo[], now: number): string {
  const { head, cell } = poolsColumn(members)
  const rows = members.map((member) => [
    label(member),
    member.state,
    member.tier,
    member.region || '-',
    member.version,
    formatSeconds((now - member.since) / 1000),
    member.rtt === undefined ? '-' : `${member.rtt.toFixed(1)} ms`,
    member.self ? '-' : member.linked ? 'yes' : 'no',
    ...cell(member),
    member.peer
  ])
  return table(['NAME', 'STATE', 'TIER', 'REGION', 'VERSION', 'SINCE', 'RTT', 'LINK', ...head, 'PEER'], rows)
}

/** @param nameOf the name of a peer, or its id where that is not known */
export function changeLine(change: MemberChange, nameOf: (peer: string) => string): string {
  const { member, was, by, evidence } = change
  const details = [
    was === undefined ? undefined : `was ${was}`,
    by === undefined ? undefined : `accused by ${nameOf(by)}`,
    evidence === undefined ? undefined : WAYS[evidence]
  ].filter((detail) => detail !== undefined)
  const who = `${label(member)} (${member.peer})`
  return plain(`${new Date(change.time).toISOString()}  ${change.type.padEnd(TYPE_WIDTH)}  ${who}${details.length === 0 ? '' : `: ${details.join(', ')}`}`)
}

/** Prints until Ctrl-C, or until whoever reads the output goes away. */
async function watch(client: ControlClient, context: CliContext, json: boolean): Promise<void> {
  const { io, clock } = context
  const end = new AbortController()
  const stop = () => end.abort()
  let names = new Map<string, string>()
  function onLine(line: ControlLine): void {
    if (json) return printLine(io, JSON.stringify(line))
    if ('members' in line) {
      const members = line.members as MemberInfo[]
      names = new Map(members.map(({ peer, name }) => [peer, name]))
      printLine(io, membersTable(members, clock.wall()))
    } else if ('change' in line) {
      const change = line.change as MemberChange
      names.set(change.member.peer, change.member.name)
      printLine(io, changeLine(change, (peer) => names.get(peer) ?? peer))
    }
  }
  io.signals?.on('SIGINT', stop)
  io.signals?.on('SIGTERM', stop)
  io.stdout.on('error', stop)
  try {
    await client.stream('/members/watch', {}, onLine, end.signal)
  } catch (error) {
    if (!end.signal.aborted) throw error
  } finally {
    io.signals?.off('SIGINT', stop)
    io.signals?.off('SIGTERM', stop)
    io.stdout.off('error', stop)
  }
}

export function addMembers(program: Command, context: CliContext): void {
  withCommonOptions(program.command('members'))
    .description('who is in the pools of this node: alive, suspected, dead or gone, and since when; this node is one of them')
    .option('--watch', 'go on with a line for each change until Ctrl-C; with --json one JSON object a line')
    .action(async (flags: Flags) => {
      const client = await clientOf(context, flags)
      if (flags.watch === true) return await watch(client, context, flags.json === true)
      const members = await client.request<MemberInfo[]>('GET', '/members')
      if (flags.json === true) printJson(context.io, members)
      else printLine(context.io, membersTable(members, context.clock.wall()))
    })
}
