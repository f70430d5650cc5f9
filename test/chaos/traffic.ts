import { setTimeout as sleep } from 'node:timers/promises'
import { httpChannel, stdioChannel, WireError } from './channels.ts'
import { sessionClient, statelessClient, type TrafficClient } from './clients.ts'
import { ASKED, OPEN, pick, PLAIN, Refused, SEARCH, SINGLE, WATCHED, Wrong, type Operation, type Watched } from './operations.ts'
import type { Home, World } from './world.ts'

export interface Traffic {
  readonly counts: ReadonlyMap<string, number>
  /** Answers that no disturbance explains, one sentence each. */
  readonly unexplained: readonly string[]
  /** Questions left open in the last `ms`. */
  leftOpen(ms: number): number
  /** Resolves when every client has left. */
  stop(): Promise<void>
}

/** What a client may be told while what it needs is broken. */
const EXPLAINED = new Set([
  'SKEIN_OUTCOME_UNKNOWN', 'SKEIN_NO_PROVIDER', 'SKEIN_NOT_FOUND', 'SKEIN_UPSTREAM_DOWN', 'SKEIN_UNDELIVERED', 'SKEIN_GOAWAY', 'SKEIN_BUSY',
  // A question whose server or node is gone cannot be answered any more.
  'SKEIN_BAD_REQUEST', '-32602',
  // Of a view whose server is gone, or of a node that has not heard of it again.
  'HTTP 404', '-32601',
  'wire'
])
/** Between two things a client does, ms, on average: so that the machine is busy and not full. */
const PAUSE_MS = 250
/** Things a client does before it leaves, on average. */
const LIFE = 150
/** How often a client leaves without a word. */
const RUDE = 0.3
const UPDATE_MS = 5_000
/** A question left open is kept for ten minutes: so there are about ten of them. */
const OPEN_EVERY_MS = 60_000
const MAX_UNEXPLAINED = 500

type Era = '2025' | '2026'

interface Job {
  name: string
  home: Home
  era: Era
  /** Undefined: HTTP. */
  bridge: boolean
  view(): string | undefined
  askable: boolean
  operations: readonly Operation[]
}

export function startTraffic(world: World): Traffic {
  const counts = new Map<string, number>()
  const unexplained: string[] = []
  const ending = new AbortController()
  const over = () => ending.signal.aborted
  const count = (what: string) => void counts.set(what, (counts.get(what) ?? 0) + 1)
  const pause = (ms: number) => sleep(ms, undefined, { signal: ending.signal }).catch(() => {})
  const leftAt: number[] = []
  let names = 0

  async function connect(job: Pick<Job, 'name' | 'home' | 'era' | 'bridge' | 'askable'>, view: string | undefined): Promise<TrafficClient> {
    const { home } = job
    const channel = job.bridge ? stdioChannel(home.dataDir, view) : httpChannel(`${home.node.mcpUrl()}${view === undefined ? '' : `/${view}`}`)
    const options = { name: `${job.name}-${++names}`, askable: job.askable }
    count(`clients ${job.era}${job.bridge ? ' stdio' : ''}`)
    try {
      return job.era === '2026' ? statelessClient(channel, options) : await sessionClient(channel, options)
    } catch (error) {
      await channel.close(true)
      throw error
    }
  }

  /** Counts a failure, and keeps it if nothing explains it. `server` is what the client needed beside its own node. */
  function judge(error: unknown, home: Home, server: string, what: string): void {
    const code = error instanceof Refused || error instanceof WireError ? error.code : error instanceof Wrong ? 'wrong' : 'thrown'
    count(`! ${code}`)
    if (EXPLAINED.has(code) && world.disturbed(home, server)) return
    if (unexplained.length < MAX_UNEXPLAINED) unexplained.push(`${new Date().toISOString().slice(11, 23)} ${what}: ${code} ${error instanceof Error ? error.message : String(error)}`)
  }

  function choose(operations: readonly Operation[]): Operation {
    let dice = Math.random() * operations.reduce((sum, { weight }) => sum + weight, 0)
    return operations.find(({ weight }) => (dice -= weight) < 0) ?? (operations[0] as Operation)
  }

  /** Everything a client of this kind does, one client after the other. */
  async function work(job: Job): Promise<void> {
    const { home } = job
    while (!over()) {
      if (home.away) {
        await pause(200)
        continue
      }
      const { generation } = home
      const view = job.view()
      const server = view?.startsWith('@') === true ? '' : (view ?? '')
      let client: TrafficClient | undefined
      try {
        client = await connect(job, view)
        await live(job, client, server, generation)
      } catch (error) {
        judge(error, home, server, `${home.name} ${job.name} connects to ${view ?? '/mcp'}`)
        await pause(500)
      }
      await client?.leave(Math.random() < RUDE).catch((error: unknown) => judge(error, home, server, `${home.name} ${job.name} leaves`))
    }
  }
  async function live(job: Job, client: TrafficClient, viewed: string, generation: number): Promise<void> {
    const { home } = job
    for (let left = Math.ceil(Math.random() * 2 * LIFE); left > 0 && !over(); left -= 1) {
      // A session ends with its node; a bridge does not.
      if (!job.bridge && (home.away || home.generation !== generation)) return
      if (client.deaf !== undefined) throw new WireError('wire', `its stream: ${client.deaf}`)
      const operation = choose(job.operations)
      const server = operation.server() || viewed
      count(operation.name)
      try {
        await operation.run(client, server)
      } catch (error) {
        judge(error, home, server, `${client.name} ${operation.name} ${server}`)
        // Its session may be gone; who is told no goes on.
        if (!(error instanceof Refused)) return
        await pause(200)
      }
      await pause(Math.random() * 2 * PAUSE_MS)
    }
  }

  /** One client listens, another one at any node makes the resource change. */
  async function watch(home: Home, index: number, era: Era): Promise<void> {
    for (let turn = index; !over(); turn += 1) {
      const watched = WATCHED[turn % WATCHED.length] as Watched
      if (home.away) {
        await pause(200)
        continue
      }
      const clients: TrafficClient[] = []
      const what = `${home.name} watches ${watched.server} (${era})`
      try {
        const client = await connect({ name: `watcher-${home.name}`, home, era, bridge: false, askable: false }, watched.view)
        clients.push(client)
        await client.subscribe([watched.uri(index)])
        await updates(watched, { home, client, uri: watched.uri(index), generation: home.generation }, clients)
      } catch (error) {
        judge(error, home, watched.server, what)
        await pause(500)
      }
      for (const client of clients) await client.leave(Math.random() < RUDE).catch((error: unknown) => judge(error, home, watched.server, what))
    }
  }
  async function updates(watched: Watched, watcher: { home: Home; client: TrafficClient; uri: string; generation: number }, clients: TrafficClient[]): Promise<void> {
    const { home, client, uri, generation } = watcher
    const key = `notifications/resources/updated ${uri}`
    const actorHome = pick(world.homes.filter(({ away }) => !away))
    const actorGeneration = actorHome.generation
    const actor = await connect({ name: `actor-${actorHome.name}`, home: actorHome, era: '2026', bridge: false, askable: false }, undefined)
    clients.push(actor)
    // The provider hears of a subscription shortly after the client's answer.
    await pause(1_000)
    for (let left = 30; left > 0 && !over(); left -= 1) {
      if (home.away || home.generation !== generation || actorHome.away || actorHome.generation !== actorGeneration) return
      if (client.deaf !== undefined) throw new WireError('wire', `its stream: ${client.deaf}`)
      const before = client.heard.get(key) ?? 0
      const calm = () => !world.disturbed(home, watched.server) && !world.disturbed(actorHome, watched.server)
      const wasCalm = calm()
      count(`update ${watched.server}`)
      try {
        const said = await watched.touch(actor, uri)
        if (said !== 'told' && wasCalm && calm()) throw new Wrong(`the server knows of no subscription to ${uri}`)
      } catch (error) {
        if (error instanceof Wrong || !world.disturbed(actorHome, watched.server)) throw error
        await pause(500)
        continue
      }
      for (const end = performance.now() + UPDATE_MS; (client.heard.get(key) ?? 0) === before && performance.now() < end; ) await sleep(10)
      if ((client.heard.get(key) ?? 0) === before) {
        if (wasCalm && calm()) throw new Wrong(`no update of ${uri} within ${UPDATE_MS} ms`)
        count('updates missed while broken')
      }
      await pause(Math.random() * 2_000)
    }
  }

  /** Questions that nobody ever answers: their calls must not stay for good. */
  async function neverAnswer(): Promise<void> {
    while (!over()) {
      await pause(OPEN_EVERY_MS * (0.5 + Math.random()))
      const home = pick(world.homes.filter(({ away }) => !away))
      const server = OPEN.server()
      let client: TrafficClient | undefined
      if (over()) return
      count('left open')
      leftAt.push(performance.now())
      try {
        client = await connect({ name: `leaver-${home.name}`, home, era: pick(['2025', '2026']), bridge: false, askable: true }, undefined)
        const { answer } = await client.leaveOpen('tools/call', OPEN.tool(server))
        if (answer?.error !== undefined) throw new Refused(String(answer.error.data?.code ?? answer.error.code), answer.error.message)
        if (answer !== undefined) throw new Wrong('answered although nobody was asked')
      } catch (error) {
        judge(error, home, server, `${home.name} leaves a question of ${server} open`)
      }
      await client?.leave(Math.random() < 0.5).catch((error: unknown) => judge(error, home, server, 'leaves'))
    }
  }

  const everything = () => undefined
  const jobs = world.homes.flatMap((home, index): Job[] => {
    const eras: readonly [Era, Era] = index % 2 === 0 ? ['2025', '2026'] : ['2026', '2025']
    const job = (name: string, era: Era, operations: readonly Operation[], options: Partial<Job> = {}): Job => ({
      name: `${name}-${home.name}`, home, era, bridge: false, view: everything, askable: false, operations, ...options
    })
    return [
      ...[1, 2].flatMap(() => eras.map((era) => job('plain', era, PLAIN))),
      ...eras.map((era) => job('asked', era, ASKED, { askable: true })),
      job('search', eras[0], SEARCH, { view: () => '@search' }),
      job('single', eras[1], SINGLE, { view: () => pick(['web', 'web25', 'modern']) }),
      job('bridge', eras[0], PLAIN, { bridge: true })
    ]
  })
  const running = [
    ...jobs.map(work),
    ...world.homes.map((home, index) => watch(home, index, index % 2 === 0 ? '2026' : '2025')),
    neverAnswer()
  ].map((each) => each.catch((error: unknown) => void unexplained.push(`the soak itself: ${error instanceof Error ? error.stack : String(error)}`)))

  return {
    counts,
    unexplained,
    leftOpen: (ms) => leftAt.filter((at) => performance.now() - at < ms).length,
    async stop() {
      ending.abort()
      await Promise.all(running)
    }
  }
}
