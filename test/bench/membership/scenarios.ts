import { pause, seconds, type MemberProcess, type Started } from '../../support/member-cluster.ts'
import { median } from '../table.ts'
import { cpuSeconds, loopback, meanRss, pick, rejoin, SETTLE_S, since, sum, type Figures, type Stand } from './stand.ts'

/** Longest wait for a detection or a healing, s. */
const PATIENCE_S = 120

const others = ({ cluster }: Stand, victim: Started) => cluster.running().filter((member) => member.pid !== victim.pid)

/** When each observer saw it, s after `from`. */
function times(stand: Stand, from: number, event: 'failed' | 'left', about: string, observers: readonly MemberProcess[]): number[] {
  return observers.flatMap(({ place }) => {
    const first = since(stand.cluster, from, event, (seen) => seen.observer === place.name && seen.about === about)[0]
    return first === undefined ? [] : [first.at - from]
  })
}

function firstAccusation(stand: Stand, from: number, about: string): number {
  const first = since(stand.cluster, from, 'accused', (seen) => seen.about === about)[0]
  return first === undefined ? NaN : first.at - from
}

/** A process is gone and its port refuses; then it comes back with the same identity. */
export async function kill(stand: Stand): Promise<Figures> {
  const { cluster } = stand
  const [victim] = pick(cluster.running(), 1) as [MemberProcess]
  const { name, index } = victim.place
  const observers = others(stand, victim)
  const began = seconds()
  victim.child.kill('SIGKILL')
  const last = await cluster.until(() => observers.every(({ view }) => view.get(name) === 'failed'), began, PATIENCE_S)
  const seen = times(stand, began, 'failed', name, observers)
  const wrong = since(cluster, began, 'failed', ({ about }) => about !== name).length
  await victim.ended
  await pause(1)
  const figures = {
    'kill first': [Math.min(...seen)],
    'kill median': [median(seen)],
    'kill last': [last],
    'kill first suspicion': [firstAccusation(stand, began, name)],
    'kill false': [wrong],
    'rejoin after kill': [await rejoin(stand, index)]
  }
  await pause(SETTLE_S)
  return figures
}

export async function leave(stand: Stand): Promise<Figures> {
  const { cluster } = stand
  const [victim] = pick(cluster.running(), 1) as [MemberProcess]
  const { name, index } = victim.place
  const observers = others(stand, victim)
  const began = seconds()
  cluster.contender.leave(victim)
  const last = await cluster.until(() => observers.every(({ view }) => view.get(name) !== 'joined'), began, PATIENCE_S)
  await Promise.race([victim.ended, pause(15)])
  if (victim.running) victim.child.kill('SIGKILL')
  await victim.ended
  const gone = seconds() - began
  await pause(1)
  const figures = {
    'leave median': [median(times(stand, began, 'left', name, observers))],
    'leave last': [last],
    'leave as failure': [since(cluster, began, 'failed', ({ about }) => about === name).length],
    'leave ended': [gone],
    'rejoin after leave': [await rejoin(stand, index)]
  }
  await pause(SETTLE_S)
  return figures
}

/** The interface of a member goes down: packets to it vanish, nothing refuses. */
export async function silent(stand: Stand): Promise<Figures> {
  const { cluster, namespaces } = stand
  const [victim] = pick(cluster.running(), 1) as [MemberProcess]
  const { name, namespace = '' } = victim.place
  const observers = others(stand, victim)
  const began = seconds()
  namespaces.link(namespace, 'down')
  const last = await cluster.until(() => observers.every(({ view }) => view.get(name) === 'failed'), began, PATIENCE_S)
  const seen = times(stand, began, 'failed', name, observers)
  const wrong = since(cluster, began, 'failed', ({ about, observer }) => about !== name && observer !== name).length
  await pause(2)
  namespaces.link(namespace, 'up')
  const healed = await cluster.until(() => cluster.whole(), seconds(), PATIENCE_S)
  await pause(SETTLE_S)
  return {
    'silent first': [Math.min(...seen)],
    'silent last': [last],
    'silent first suspicion': [firstAccusation(stand, began, name)],
    'silent false': [wrong],
    'silent healed': [healed]
  }
}

/** Every packet is lost with this chance, both ways. */
export async function loss(stand: Stand, { percent, forSeconds }: { percent: number; forSeconds: number }): Promise<Figures> {
  const { cluster, namespaces } = stand
  const [some] = cluster.running() as [MemberProcess]
  const evidence = await linkEvidence(stand)
  const began = seconds()
  namespaces.lose(some.place.namespace ?? '', percent)
  await pause(forSeconds)
  const failed = since(cluster, began, 'failed')
  const accused = since(cluster, began, 'accused')
  const refuted = since(cluster, began, 'refuted').length
  const dropped = namespaces.loseNothing(some.place.namespace ?? '')
  const ended = seconds()
  const whole = await cluster.until(() => cluster.whole(), ended, PATIENCE_S)
  return {
    'loss false': [failed.length],
    'loss false members': [new Set(failed.map(({ about }) => about)).size],
    'loss suspicions': [accused.length],
    'loss refutations': [refuted],
    'loss dropped': [dropped],
    'loss whole': [whole],
    ...(stand.skein === undefined ? {} : { 'loss evidence': [(await linkEvidence(stand)) - evidence] })
  }
}

/**
 * Looks at a member that were refused, and proofs made of them, by the members' own counters. Events would not do: an accusation of
 * somebody who is suspect already makes none.
 */
async function linkEvidence({ cluster, skein }: Stand): Promise<number> {
  if (skein === undefined) return 0
  const all = await Promise.all(cluster.running().map((member) => skein.stats(member)))
  return sum(all.flatMap(({ counters }) => Object.entries(counters).filter(([name]) => /link_evidence_total|knocks_total refused/.test(name)).map(([, value]) => value)))
}

/** What was said wrongly about members that ran all the time. */
function wrongs(stand: Stand, from: number, key: string, troubled: ReadonlySet<string>): Figures {
  const { cluster } = stand
  const accused = since(cluster, from, 'accused', ({ about }) => !troubled.has(about))
  return {
    [`${key} false`]: [since(cluster, from, 'failed', ({ about }) => !troubled.has(about)).length],
    [`${key} accused healthy`]: [accused.length],
    [`${key} accused by healthy`]: [accused.filter(({ observer }) => !troubled.has(observer)).length],
    [`${key} failed troubled`]: [since(cluster, from, 'failed', ({ about }) => troubled.has(about)).length]
  }
}

/** Processes stand still for a while and go on. */
export async function stop(stand: Stand, { count, forSeconds, calm }: { count: number; forSeconds: number; calm: number }): Promise<Figures> {
  const { cluster } = stand
  const victims = pick(cluster.running(), count)
  const names = new Set(victims.map(({ place }) => place.name))
  const began = seconds()
  for (const { child } of victims) child.kill('SIGSTOP')
  await pause(forSeconds)
  const goesOn = seconds()
  for (const { child } of victims) child.kill('SIGCONT')
  // Whole, and it stays so: what was whole for a moment may fall apart when late accusations arrive.
  let healed = Infinity
  while (seconds() < goesOn + PATIENCE_S) {
    const lastChange = cluster.sightings.findLast(({ at, event }) => at > goesOn && (event === 'joined' || event === 'failed'))?.at ?? goesOn
    if (cluster.whole() && seconds() - lastChange > calm) {
      healed = lastChange - goesOn
      break
    }
    await pause(0.25)
  }
  return { ...wrongs(stand, began, 'stop', names), 'stop healed': [healed] }
}

/** Slow members as in the Lifeguard paper: blocked and open in turn, each at its own time. */
export async function slow(stand: Stand, { count, blocked, open, forSeconds }: { count: number; blocked: number; open: number; forSeconds: number }): Promise<Figures> {
  const { cluster } = stand
  const victims = pick(cluster.running(), count)
  const names = new Set(victims.map(({ place }) => place.name))
  const began = seconds()
  await Promise.all(
    victims.map(async ({ child }) => {
      await pause(Math.random() * blocked)
      while (seconds() - began < forSeconds) {
        child.kill('SIGSTOP')
        await pause(blocked)
        child.kill('SIGCONT')
        await pause(open)
      }
    })
  )
  const healed = await cluster.until(() => cluster.whole(), seconds(), PATIENCE_S)
  await pause(10)
  return { ...wrongs(stand, began, 'slow', names), 'slow healed': [healed] }
}

/** The cable between the halves is cut, and mended. */
export async function cut(stand: Stand, forSeconds: number): Promise<Figures> {
  const { cluster, namespaces, skein } = stand
  const half = cluster.places.length / 2
  const sideOf = new Map(cluster.places.map(({ name, index }) => [name, index < half]))
  const began = seconds()
  namespaces.cable('down')
  await pause(forSeconds)
  const failed = since(cluster, began, 'failed')
  const across = failed.filter(({ about, observer }) => sideOf.get(about) !== sideOf.get(observer)).length
  if (skein !== undefined) for (const member of cluster.running()) skein.reset(member)
  namespaces.cable('up')
  const merged = await cluster.until(() => cluster.whole(), seconds(), 300)
  await pause(SETTLE_S)
  const dials = skein === undefined ? [] : await Promise.all(cluster.running().map((member) => skein.stats(member)))
  return {
    [`cut ${forSeconds} across`]: [across],
    [`cut ${forSeconds} false`]: [failed.length - across],
    [`cut ${forSeconds} merged`]: [merged],
    ...(skein === undefined ? {} : { [`cut ${forSeconds} dial peak`]: [Math.max(...dials.map(({ dialPeak }) => dialPeak))] })
  }
}

export async function idle(stand: Stand, forSeconds: number): Promise<Figures> {
  const { cluster, skein } = stand
  const members = cluster.running()
  const [some] = members as [MemberProcess]
  await pause(5)
  if (skein !== undefined) for (const member of members) skein.reset(member)
  const before = { cpu: cpuSeconds(members), net: loopback(some), at: seconds() }
  await pause(forSeconds)
  const took = seconds() - before.at
  const net = loopback(some)
  const perMember = (value: number) => [value / took / members.length]
  const figures: Figures = {
    'idle cpu': perMember(100 * (cpuSeconds(members) - before.cpu)),
    'idle rss': [meanRss(members)],
    'idle packets': perMember(net.packets - before.net.packets),
    'idle wire bytes': perMember(net.bytes - before.net.bytes)
  }
  if (skein === undefined) return figures
  const own = await Promise.all(members.map((member) => skein.stats(member)))
  return { ...figures, 'idle messages': perMember(sum(own.map(({ messages }) => messages))), 'idle message bytes': perMember(sum(own.map(({ bytes }) => bytes))) }
}
