import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { createCluster, pause, seconds, type Cluster, type Contender, type Place } from '../../support/member-cluster.ts'
import { createNamespaces, inside, namespacesMissing, removeAbandoned, type Namespaces } from '../../support/namespaces.ts'
import { slimContender } from '../../support/slim-contender.ts'
import { createSlimWorld, type SlimWorld } from '../../support/slim-world.ts'
import { needLinux } from '../proc.ts'
import { machineLine } from '../table.ts'
import { compare, CUTS } from './rows.ts'
import { cut, idle, kill, leave, loss, silent, slow, stop } from './scenarios.ts'
import { serf, serfVersion } from './serf.ts'
import { machine, SETTLE_S, storm, type Figures, type Stand } from './stand.ts'

export const MEMBERSHIP_SCENARIOS = ['join', 'kill', 'leave', 'silent', 'loss', 'stop', 'slow', 'cut', 'idle'] as const
export type MembershipScenario = (typeof MEMBERSHIP_SCENARIOS)[number]

export const MEMBERSHIP_BENCH_HELP = `membership [--n 16,32] [--runs 5] [--only ${MEMBERSHIP_SCENARIOS.join(',')}] [--seconds 120]
             [--cuts ${CUTS.join(',')}] [--no-serf] [--no-skein] [--json file] [--log file]
    slim members (net and membership only) beside Serf's agents, in turn, in network namespaces of their own. Without root and ip
    silent and cut are left out, without nft loss, without the package serf its columns. --seconds: length of the packet loss.
    loss, slow, cut and idle run once, stop up to three times, the others --runs times; silent on one cluster, join on a new one each time`

export interface MembershipBenchOptions {
  members: number[]
  runs: number
  only: readonly string[]
  lossSeconds: number
  cuts: number[]
  serf: boolean
  skein: boolean
  /** File for all figures. */
  json: string | undefined
  /** File for every line of every member. */
  log: string | undefined
}

/** What one run of one scenario does on a fresh cluster. */
interface Plan {
  name: string
  topology: 'single' | 'mesh'
  runs: number
  run(stand: Stand, joined: Figures): Promise<Figures[]>
}

const STOPPED = { count: 3, forSeconds: 10, calm: 20 }
const SLOW = { count: 3, blocked: 2.048, open: 0.064, forSeconds: 60 }
const LOSS_PERCENT = 30
const IDLE_S = 30
const PORT = 7946
const TAG = 'skb'

function plans({ only, runs, lossSeconds, cuts }: MembershipBenchOptions, left: ReadonlySet<string>): Plan[] {
  const wanted = (name: MembershipScenario) => only.includes(name) && !left.has(name)
  const one = (name: MembershipScenario, topology: Plan['topology'], times: number, run: (stand: Stand) => Promise<Figures>): Plan[] =>
    wanted(name) ? [{ name, topology, runs: times, run: async (stand) => [await run(stand)] }] : []
  const round: Plan = {
    name: 'join, kill, leave', topology: 'single', runs,
    async run(stand, joined) {
      const figures = [joined]
      if (wanted('kill')) figures.push(await kill(stand))
      // Twice, so that five runs make ten.
      if (wanted('leave')) figures.push(await leave(stand), await leave(stand))
      return figures
    }
  }
  return [
    ...(wanted('join') || wanted('kill') || wanted('leave') ? [round] : []),
    ...one('idle', 'single', 1, (stand) => idle(stand, IDLE_S)),
    ...one('stop', 'single', Math.min(runs, 3), (stand) => stop(stand, STOPPED)),
    ...one('slow', 'single', 1, (stand) => slow(stand, SLOW)),
    ...one('loss', 'single', 1, (stand) => loss(stand, { percent: LOSS_PERCENT, forSeconds: lossSeconds })),
    ...(wanted('silent') ? [{
      name: 'silent', topology: 'mesh' as const, runs: 1,
      async run(stand: Stand) {
        const figures = []
        for (let time = 0; time < runs; time++) figures.push(await silent(stand))
        return figures
      }
    }] : []),
    ...(wanted('cut') ? [{
      name: 'cut', topology: 'mesh' as const, runs: 1,
      async run(stand: Stand) {
        const figures = []
        for (const length of cuts) figures.push(await cut(stand, length))
        return figures
      }
    }] : [])
  ]
}

/** Everything this run made, to be taken away whatever happens. */
interface Made {
  namespaces: Set<Namespaces>
  clusters: Set<Cluster>
}

/** Prints figures of slim members and of Serf side by side; asserts nothing. */
export async function benchMembership(options: MembershipBenchOptions, print: (line: string) => void): Promise<void> {
  needLinux()
  const say = (line: string) => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`)
  for (const name of options.only) if (!(MEMBERSHIP_SCENARIOS as readonly string[]).includes(name)) throw new Error(`there is no scenario ${name}: ${MEMBERSHIP_SCENARIOS.join(', ')}`)
  const noNamespaces = namespacesMissing(tagOf('t'))
  const noLoss = noNamespaces ?? namespacesMissing(tagOf('t'), { loss: true })
  if (noNamespaces !== undefined) say(`SKIPPED: silent and cut: they need root and network namespaces (${noNamespaces}); the others share the loopback of this machine`)
  if (noLoss !== undefined) say(`SKIPPED: loss: it needs nftables in a network namespace (${noLoss})`)
  if (noNamespaces === undefined) removeAbandoned(TAG)
  const left = new Set([...(noNamespaces === undefined ? [] : ['silent', 'cut']), ...(noLoss === undefined ? [] : ['loss'])])
  const version = options.serf ? serfVersion() : undefined
  if (options.serf && version === undefined) say('SKIPPED: the columns of Serf: the package serf is not installed')
  const names = [...(options.skein ? ['skein lan'] : []), ...(version === undefined ? [] : ['serf lan', 'serf local'])]
  if (names.length === 0) throw new Error('there is nobody to measure')

  const made: Made = { namespaces: new Set(), clusters: new Set() }
  const clean = () => {
    for (const cluster of made.clusters) for (const { child } of cluster.running()) child.kill('SIGKILL')
    for (const namespaces of made.namespaces) namespaces.remove()
  }
  const interrupted = (signal: NodeJS.Signals) => {
    clean()
    process.kill(process.pid, signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupted)
  process.once('exit', clean)
  const world = createSlimWorld()
  if (options.skein) await warmUp()
  const all: Record<string, Record<string, Figures>> = {}
  try {
    for (const members of options.members) {
      const measured = new Map<string, Figures>(names.map((name) => [name, {}]))
      for (const plan of plans(options, left)) {
        for (let run = 0; run < plan.runs; run++) {
          for (const name of names) {
            say(`${members} members, ${plan.name} ${run + 1}/${plan.runs}: ${name}`)
            const figures = await measure({ plan, name, members, world, made, say, log: options.log, isolated: noNamespaces === undefined })
            say(`    ${Object.entries(figures).map(([key, values]) => `${key} ${values.map((value) => Number(value.toFixed(3))).join('/')}`).join(', ')}`)
            const sofar = measured.get(name) as Figures
            for (const [key, values] of Object.entries(figures)) (sofar[key] ??= []).push(...values)
          }
        }
      }
      all[String(members)] = Object.fromEntries(measured)
      if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ serf: version, cores: availableParallelism(), options, figures: all }, null, 1)}\n`)
      print(`${machineLine(availableParallelism(), loadavg()[0] ?? 0, process.version)}; ${version ?? 'no Serf'}; ${options.runs} runs\n`)
      print(`${compare(members, measured)}\n`)
    }
  } finally {
    clean()
    world.dispose()
  }
}

/** Two members that join and leave: nodes have run on their machines before, and Node has kept what it compiled. */
async function warmUp(): Promise<void> {
  const world = createSlimWorld()
  const contender = slimContender('lan', { world, listen: () => '/ip4/127.0.0.1/tcp/0' })
  const cluster = createCluster(contender, placesIn(undefined, 'single', 2), {})
  try {
    const [first, second] = [await cluster.start(0), await cluster.start(1)]
    await contender.join(second, first.place)
    await cluster.until(() => cluster.whole(), seconds(), 30)
    for (const member of [first, second]) contender.leave(member)
    await Promise.race([Promise.all([first.ended, second.ended]), pause(5)])
  } finally {
    await cluster.stop()
    world.dispose()
  }
}

function tagOf(what: string): string {
  return `${TAG}${process.pid}${what}`
}

async function measure(o: { plan: Plan; name: string; members: number; world: SlimWorld; made: Made; say: (line: string) => void; log: string | undefined; isolated: boolean }): Promise<Figures> {
  const { plan, name, made, say } = o
  const namespaces = createNamespaces(tagOf(''))
  made.namespaces.add(namespaces)
  let cluster: Cluster | undefined
  try {
    const places = placesIn(o.isolated ? namespaces : undefined, plan.topology, o.members)
    const namespace = places[0]?.namespace
    const shared = plan.topology === 'mesh' ? undefined : namespace === undefined ? [] : inside(namespace)
    const own = name === 'skein lan' ? slimContender('lan', { world: o.world, listen: listenAt }) : undefined
    const contender: Contender = own ?? serf(name === 'serf lan' ? 'lan' : 'local', shared)
    cluster = createCluster(contender, places, { echo: o.log === undefined ? undefined : logTo(o.log, `${plan.name.replaceAll(', ', '-')}-${name}`) })
    made.clusters.add(cluster)
    const stand: Stand = { cluster, namespaces, skein: own, say }
    const before = machine()
    const joined = await storm(stand)
    await pause(SETTLE_S)
    const merged: Figures = {}
    for (const figures of await plan.run(stand, joined)) {
      for (const [key, values] of Object.entries(figures)) (merged[key] ??= []).push(...values)
    }
    const after = machine()
    return { ...merged, busy: [(100 * (after.busy - before.busy)) / (after.all - before.all)] }
  } finally {
    await cluster?.stop()
    if (cluster !== undefined) made.clusters.delete(cluster)
    namespaces.remove()
    made.namespaces.delete(namespaces)
  }
}

function placesIn(namespaces: Namespaces | undefined, topology: Plan['topology'], members: number): Place[] {
  const name = (index: number) => `n${String(index).padStart(2, '0')}`
  if (topology === 'mesh' && namespaces !== undefined) return namespaces.mesh(members).map((namespace, index) => ({ index, name: name(index), address: `10.77.0.${index + 1}`, namespace }))
  const namespace = namespaces?.single()
  return Array.from({ length: members }, (_, index) => ({ index, name: name(index), address: `127.0.1.${index + 1}`, ...(namespace === undefined ? {} : { namespace }) }))
}

/**
 * On one machine connections that members open come from 127.0.0.1 whatever they listen at. They listen there too: at 127.0.1.x the
 * other end of a connection would not be an advertised address, so that a refusal there is no link evidence and a kill -9 takes the
 * time of a silent death. Serf tells agents apart by address and keeps 127.0.1.x. With a namespace each (silent, cut) both use 10.77.0.x.
 */
function listenAt({ address, index }: Place): string {
  return address.startsWith('127.') ? `/ip4/127.0.0.1/tcp/${PORT + index}` : `/ip4/${address}/tcp/${PORT}`
}

function logTo(folder: string, what: string): (line: string) => void {
  mkdirSync(folder, { recursive: true })
  const file = `${folder}/${what}.log`
  return (line) => writeFileSync(file, `${(performance.now() / 1000).toFixed(3)} ${line}\n`, { flag: 'a' })
}
