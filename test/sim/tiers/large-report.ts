import type { LargeReport } from './large-main.ts'
import { ROLES, type PublishTimes, type Role, type Spread } from './large.ts'

/** What a node of the large federation may cost, against the same role in the small one. */
export const BAR = 1.2
/** A published tool is callable at the farthest leaf, s. */
export const PUBLISH_BAR = 10
/** After the death of any hub, s. */
export const HEAL_BAR = 60

/** What is compared; heap in bytes, tree and membership together. */
export interface Line {
  role: Role
  messages: Spread
  bytes: Spread
  startMessages: Spread
  startBytes: Spread
  heap: number | undefined
}

export function linesOf({ costs, swim }: LargeReport): Line[] {
  return ROLES.map((role) => {
    const cost = costs[role]
    const member = swim[role]
    const plus = ({ median, max }: Spread, more: number): Spread => ({ median: median + more, max: max + more })
    return {
      role,
      messages: plus(cost.messages, member.messages), bytes: plus(cost.bytes, member.bytes),
      startMessages: plus(cost.startMessages, member.startMessages), startBytes: plus(cost.startBytes, member.startBytes),
      heap: cost.heap === undefined ? undefined : cost.heap + member.heap
    }
  })
}

const number = (value: number | undefined, digits = 1) => (value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits))
const pair = ({ median, max }: Spread, unit = 1, digits = 1) => `${number(median / unit, digits)} / ${number(max / unit, digits)}`
const seconds = (value: number | undefined) => (value === undefined ? 'not' : `${number(value)} s`)

export function printReport(name: string, report: LargeReport, print: (line: string) => void): void {
  const { shape, costs, heals, nodes } = report
  print(`${name}: ${shape.regions} x ${shape.areas} x ${shape.leaves}, ${nodes} nodes, ${shape.servers} servers on ${shape.copies} leaves each; ${report.virtual.toFixed(0)} s of virtual time in ${report.real.toFixed(0)} s`)
  print('  role      messages/s (median / max)  kB/s           start-up messages  start-up kB      heap, kB')
  for (const line of linesOf(report)) {
    print(`  ${line.role.padEnd(8)}  ${pair(line.messages).padEnd(25)}  ${pair(line.bytes, 1_000, 2).padEnd(13)}  ${pair(line.startMessages, 1, 0).padEnd(17)}  ${pair(line.startBytes, 1_000, 0).padEnd(15)}  ${number(line.heap === undefined ? undefined : line.heap / 1_000, 0)}`)
    const parts = Object.entries(costs[line.role].parts).map(([part, { messages, bytes }]) => `${part} ${number(messages, 2)}, ${number(bytes / 1_000, 2)} kB`)
    print(`            of that a second: ${parts.join('; ')}; membership ${number(report.swim[line.role].messages, 2)}, ${number(report.swim[line.role].bytes / 1_000, 2)} kB`)
  }
  const told = ({ resolvable, shown, shownWhenAsked }: PublishTimes) => `resolvable ${seconds(resolvable)}, listed unasked ${seconds(shown)}, listed where it was asked for ${seconds(shownWhenAsked)}`
  print(`  a tool published at one leaf, at the farthest: ${told(report.published)}; under 1 % loss: ${told(report.publishedWithLoss)}`)
  print(`  1 % of the leaves restart in a minute; summaries a second: ${ROLES.map((role) => `${role} ${number(report.churn[role].messages, 2)}, ${number(report.churn[role].bytes / 1_000, 2)} kB`).join('; ')}`)
  for (const { role, how, ways, resolved, problem } of heals) print(`  ${role} hub ${how}: everybody has a way up after ${number(ways)} s, everything is resolvable after ${number(resolved)} s${problem === undefined ? '' : ` (${problem})`}`)
}

/** What a hub of regions sends, by kind, beside that of the small federation: where the number of its children shows. */
export function printKinds(role: Role, large: LargeReport, small: LargeReport, print: (line: string) => void): void {
  const of = (report: LargeReport, kind: string) => report.costs[role].kinds[kind] ?? { steady: { messages: 0, bytes: 0 }, start: { messages: 0, bytes: 0 } }
  const kinds = [...new Set([large, small].flatMap(({ costs }) => Object.keys(costs[role].kinds)))].toSorted()
  print(`  ${role}, large / small     messages/s       bytes/s          start-up messages  start-up kB`)
  for (const kind of kinds) {
    const [one, other] = [of(large, kind), of(small, kind)]
    const two = (pick: (each: typeof one) => number, digits: number, unit = 1) => `${number(pick(one) / unit, digits)} / ${number(pick(other) / unit, digits)}`
    print(`    ${kind.padEnd(24)} ${two(({ steady }) => steady.messages, 2).padEnd(16)} ${two(({ steady }) => steady.bytes, 0).padEnd(16)} ${two(({ start }) => start.messages, 0).padEnd(18)} ${two(({ start }) => start.bytes, 0, 1_000)}`)
  }
}

/** Ratios of medians; the sentences that do not hold. */
export function compare(large: LargeReport, small: LargeReport, print: (line: string) => void): string[] {
  const wrong: string[] = []
  const others = linesOf(small)
  for (const line of linesOf(large)) {
    const other = others.find(({ role }) => role === line.role) as Line
    const ratios: Record<string, number> = {
      'messages/s': line.messages.median / other.messages.median, 'bytes/s': line.bytes.median / other.bytes.median,
      'start-up messages': line.startMessages.median / other.startMessages.median, 'start-up bytes': line.startBytes.median / other.startBytes.median,
      heap: (line.heap ?? NaN) / (other.heap ?? NaN)
    }
    print(`  ${line.role.padEnd(8)}  ${Object.entries(ratios).map(([what, ratio]) => `${what} x ${number(ratio, 2)}`).join(', ')}`)
    for (const [what, ratio] of Object.entries(ratios)) if (ratio > BAR) wrong.push(`${line.role}: ${what} is ${number(ratio, 2)} times that of the small federation`)
  }
  return wrong
}

/** The sentences about times that do not hold. */
export function late({ published, publishedWithLoss, heals }: LargeReport): string[] {
  const wrong: string[] = []
  for (const [name, { resolvable }] of Object.entries({ published, publishedWithLoss })) {
    if (resolvable === undefined || resolvable > PUBLISH_BAR) wrong.push(`${name}: callable at the farthest leaf after ${seconds(resolvable)}`)
  }
  for (const { role, how, resolved } of heals) if (resolved === undefined || resolved > HEAL_BAR) wrong.push(`${role} hub ${how}: healed after ${number(resolved)} s`)
  return wrong
}
