import type { Command } from 'commander'
import type { NetTestStep } from '../../node/api.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { EXIT_FAILED } from '../exit-codes.ts'
import { plain, printJson, printLine } from '../output.ts'
import { withProgress } from '../progress.ts'

/** The node ends a test after 60 s; its answer needs a moment. ms */
const TIMEOUT = 65_000

function stepText(step: NetTestStep): string {
  return `${step.ok ? 'ok  ' : 'FAIL'}  ${step.step.padEnd(6)}  ${`${step.ms.toFixed(1)} ms`.padStart(10)}  ${plain(step.detail)}`
}

export function addNet(program: Command, context: CliContext): void {
  const net = program.command('net').description('the network between nodes')
  withCommonOptions(net.command('test'))
    .description('try an address from the running node step by step: parse, dial, prove, admit, echo')
    .argument('<multiaddr>', 'such as /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo…')
    .action(async (address: string, flags: CommonFlags) => {
      const client = await clientOf(context, flags)
      const steps: NetTestStep[] = []
      const { ok } = await withProgress(context, `testing ${address}`, (progress) =>
        client.stream<{ ok: boolean }>(
          '/net-test',
          { address },
          (line) => {
            if (!('step' in line)) return
            const step = line.step as NetTestStep
            steps.push(step)
            progress.update(`testing ${address}, after ${step.step}`)
          },
          TIMEOUT
        )
      )
      if (flags.json === true) printJson(context.io, { ok, steps })
      else for (const step of steps) printLine(context.io, stepText(step))
      if (!ok) context.exit(EXIT_FAILED)
    })
}
