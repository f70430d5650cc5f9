/** `npm run bench -- <name> [options]`: prints figures, ratios side by side; never fails because of a figure. */
import { parseArgs } from 'node:util'
import { benchCall, CALL_BENCH_HELP } from '../test/bench/call/run.ts'
import { benchGuard, GUARD_BENCH_HELP } from '../test/bench/guard/run.ts'
import { benchMembership, MEMBERSHIP_BENCH_HELP, MEMBERSHIP_SCENARIOS } from '../test/bench/membership/run.ts'
import { benchRpc, RPC_BENCH_HELP } from '../test/bench/rpc/run.ts'
import { benchRoute, ROUTE_BENCH_HELP } from '../test/bench/route/run.ts'
import { benchStart, START_BENCH_HELP } from '../test/bench/start/run.ts'

const print = (line: string) => void process.stdout.write(`${line}\n`)
const USAGE = `npm run bench -- <name> [options]\n\n  ${RPC_BENCH_HELP}\n  ${START_BENCH_HELP}\n  ${CALL_BENCH_HELP}\n  ${MEMBERSHIP_BENCH_HELP}\n  ${ROUTE_BENCH_HELP}\n  ${GUARD_BENCH_HELP}\n`

function options() {
  return parseArgs({
    allowPositionals: true,
    options: {
      reps: { type: 'string', default: '5' },
      ms: { type: 'string', default: '1000' },
      warmup: { type: 'string', default: '1500' },
      only: { type: 'string' },
      shape: { type: 'string' },
      'nats-js': { type: 'string' },
      prof: { type: 'string' },
      profile: { type: 'boolean', default: false },
      'no-idle': { type: 'boolean', default: false },
      settle: { type: 'string', default: '10' },
      idle: { type: 'string', default: '20' },
      n: { type: 'string', default: '16,32' },
      runs: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '120' },
      cuts: { type: 'string', default: '20,60,120' },
      'no-serf': { type: 'boolean', default: false },
      'no-skein': { type: 'boolean', default: false },
      json: { type: 'string' },
      log: { type: 'string' }
    }
  })
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1, not ${text}`)
  return value
}

try {
  const { values, positionals } = options()
  const [name] = positionals
  const reps = whole('reps', values.reps)
  if (name === 'rpc') {
    const { only = 'skein,raw,nats,nats-js', shape, prof, 'nats-js': natsJs } = values
    await benchRpc({ reps, ms: whole('ms', values.ms), warmup: whole('warmup', values.warmup), only: only.split(','), shape, natsJs, prof }, print)
  }
  else if (name === 'route') benchRoute({ reps }, print)
  else if (name === 'guard') await benchGuard({ reps }, print)
  else if (name === 'start') await benchStart({ reps, settle: whole('settle', values.settle), idle: whole('idle', values.idle) }, print)
  else if (name === 'call') {
    const { only = 'direct,mcp-proxy,supergateway,skein,skein-2', profile } = values
    await benchCall({ reps, ms: whole('ms', values.ms), warmup: whole('warmup', values.warmup), only: only.split(','), idle: !values['no-idle'], profile }, print)
  }
  else if (name === 'membership') {
    const { n, runs, only = MEMBERSHIP_SCENARIOS.join(), seconds, cuts, json, log } = values
    const list = (option: string, text: string) => text.split(',').map((each) => whole(option, each))
    const options = { members: list('n', n), runs: whole('runs', runs), only: only.split(','), lossSeconds: whole('seconds', seconds), cuts: list('cuts', cuts) }
    await benchMembership({ ...options, serf: !values['no-serf'], skein: !values['no-skein'], json, log }, print)
  } else {
    print(USAGE)
    if (name !== undefined) throw new Error(`there is no bench ${name}`)
  }
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
