import type { Command } from 'commander'
import type { RouteCandidate, RouteExplanation } from '../../node/api.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { plain, printJson, printLine, table } from '../output.ts'

type Why = NonNullable<RouteExplanation['choice']>['why']

/** The end of a sentence that begins with the provider. */
export const REASON_TEXT: Record<Why, string> = {
  only: 'nobody else offers it',
  sticky: 'what the session keeps is there',
  local: 'this node itself is as good as any other',
  best: 'nobody else is near its expected time',
  lighter: 'the less loaded of two that are near the best',
  trial: 'it recovers and gets a share of the calls',
  last_resort: 'all others are worse: look at the last column'
}

const PATH_TEXT = { local: 'here', measured: 'measured', predicted: 'predicted', distance: 'by distance', default: 'not known' } as const

const ms = (value: number) => `${value.toFixed(1)} ms`
const label = ({ name, peer, local }: RouteCandidate) => (local ? `${name} (here)` : name || peer)

/** The candidates and what they are judged by, and where a call goes now. */
export function routeText({ tool, choice, candidates }: RouteExplanation): string {
  const rows = candidates.map((one) => [
    label(one),
    one.standing,
    one.local ? '-' : `${ms(one.path)} ${one.relayed ? 'relayed' : PATH_TEXT[one.pathFrom]}`,
    ms(one.service),
    `${Math.round(one.ahead)}/${one.capacity}`,
    `${Math.round(one.reliability * 100)} %`,
    ms(one.expected),
    one.peer === choice?.peer ? 'chosen' : (one.whyNot ?? '')
  ])
  const shown = table(['PROVIDER', 'STANDING', 'PATH', 'SERVICE', 'CALLS', 'ANSWERED', 'EXPECTED', 'WHY NOT'], rows)
  if (choice === undefined) return `${shown}\n\nNobody can take a call of ${plain(tool)} now.`
  return `${shown}\n\nA call of ${plain(tool)} now goes to ${plain(choice.name || choice.peer)}: ${REASON_TEXT[choice.why]}.`
}

export function addRoute(program: Command, context: CliContext): void {
  const route = program.command('route').description('where calls go')
  withCommonOptions(route.command('explain'))
    .description('show who could take a call of a tool now, with the figures of each, and who would get it and why; makes no call')
    .argument('<tool>', 'as in `skein tools ls`: <server>__<tool>')
    .action(async (tool: string, flags: CommonFlags) => {
      const client = await clientOf(context, flags)
      const explanation = await client.request<RouteExplanation>('GET', `/route/${encodeURIComponent(tool)}`)
      if (flags.json === true) printJson(context.io, explanation)
      else printLine(context.io, routeText(explanation))
    })
}
