import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { NodeStatus, ToolInfo, ToolMatches } from '../../src/node/api.ts'
import { freePort } from '../support/free-port.ts'
import { leanClient } from '../support/lean-mcp.ts'
import { faults, recoveryOf, startTierLoad, tally, type TierLoad, type TierPair } from '../support/tier-load.ts'
import { cannotLose, startTiers, type TierPlan, type TierProcesses } from '../support/tier-processes.ts'
import { waitUntil } from '../support/wait-until.ts'

/** Small federations and their hubs: what the big tree of tiers.test.ts does not show. Bars, ms. */
const KILLED_WITHIN = 10_000
const RESTARTED_WITHIN = 30_000
/** First moves are spread over 10 s and a little for each member; the hub is asked every second or so before. */
const MOVED_WITHIN = 20_000
/** A newcomer is there for 10 s before it votes; voters are looked at each 5 s. */
const VOTES_WITHIN = 20_000
/** Nodes on two cores that many tests share. */
const READY_WITHIN = 30_000
/** The default of `mcp.request_timeout`. */
const CALL_TIMEOUT = 20_000
const EVERY = 500
const AROUND = 1_500

const loads: TierLoad[] = []
const watches: (() => Promise<unknown>)[] = []
let world: TierProcesses

function running(pairs: readonly TierPair[]): TierLoad {
  const load = startTierLoad(world, { pairs, every: EVERY, timeout: CALL_TIMEOUT })
  loads.push(load)
  return load
}
afterEach(async () => {
  await Promise.all([...watches.splice(0).map((end) => end()), ...loads.splice(0).map((load) => load.stop())])
}, 60_000)

const pairsOf = (ids: readonly string[]): TierPair[] => ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => ({ from, to })))
const seconds = (since: number) => `${((Date.now() - since) / 1_000).toFixed(1)} s`
const failed = (load: TierLoad) => load.calls.filter(({ code }) => code !== 'ok')
const toolsOf = (servers: readonly string[]) => servers.flatMap((name) => [`${name}__append`, `${name}__read`]).sort()
const listed = async (id: string) => (await world.node(id).control.request<ToolInfo[]>('GET', '/tools')).map(({ name }) => name).sort()
const tiersOf = async (id: string) => (await world.status(id)).tiers as NonNullable<NodeStatus['tiers']>
/** Id of the node that leads the home of another. */
const hubOf = async (id: string) => {
  const { home, pools } = (await world.status(id)).tiers ?? { home: '', pools: [] }
  const pool = pools.find((one) => one.pool === home)
  return pool?.isHub === true ? id : world.nameOf(pool?.hub?.peer ?? '')
}
const allListed = (ids: readonly string[], servers: readonly string[], timeout: number) =>
  waitUntil('every node lists every tool', async () => (await Promise.all(ids.map(listed))).every((names) => toolsOf(servers).every((name) => names.includes(name))), { timeout, every: 100 })

/** Looks at the lists of some nodes all the time: what is missing, and what goes by another name. */
function watchLists(ids: readonly string[], tools: readonly string[]) {
  const seen = new Set<string>()
  let looks = 0
  const state = { stopped: false }
  const done = (async () => {
    while (!state.stopped) {
      await Promise.all(
        ids.map(async (id) => {
          const names = await listed(id).catch(() => undefined)
          if (names === undefined) return void seen.add(`${id} does not answer`)
          for (const name of tools) if (!names.includes(name)) seen.add(`${id} does not list ${name}`)
          for (const name of names) if (!tools.includes(name)) seen.add(`${id} lists ${name}`)
          looks++
        })
      )
      await sleep(100)
    }
  })()
  const end = async () => {
    state.stopped = true
    await done
    return { looks, wrong: [...seen] }
  }
  watches.push(end)
  return end
}

async function withPorts(plan: readonly TierPlan[]): Promise<TierPlan[]> {
  return Promise.all(plan.map(async (one) => ({ ...one, port: await freePort() })))
}

describe('a flat federation gets tiers while it works', () => {
  const FLAT = ['f', 'a', 'b', 'c']
  const leaf = (id: string): TierPlan => ({ id, tier: 'leaf', region: 'here' })

  beforeAll(async () => {
    world = await startTiers({ plan: FLAT.map(leaf) })
    await allListed(FLAT, FLAT, READY_WITHIN)
  }, 120_000)
  afterAll(() => world?.dispose(), 30_000)

  test('hubs join, leaves move below them, and one becomes a hub itself: no call fails, nothing vanishes, nothing is renamed', { timeout: 150_000 }, async () => {
    expect(await Promise.all(FLAT.map(async (id) => (await world.status(id)).tiers))).toEqual(FLAT.map(() => undefined))
    const load = running(pairsOf(FLAT))
    const ends = watchLists(FLAT, toolsOf(FLAT))
    await sleep(AROUND)

    const joinedAt = Date.now()
    await world.add({ id: 'r', tier: 'regional', region: 'here' })
    const joined = seconds(joinedAt)
    // Voters of root stay, or it would lose its majority: everybody else goes.
    const stayed = async () => {
      const voters = new Set((await world.consensus('r')).groups.find(({ pool }) => pool === 'root')?.voters.map(({ name }) => name))
      return (await Promise.all(FLAT.map(async (id) => [id, (await world.status(id)).tiers?.home] as const))).filter(([, home]) => home === undefined || home === 'root').map(([id]) => ({ id, votes: voters.has(id) }))
    }
    let above: Awaited<ReturnType<typeof stayed>> = []
    const areBelow = (count: number, timeout: number) =>
      waitUntil(`${count} leaves are below a hub`, async () => (above = await stayed()).length <= FLAT.length - count && above.every(({ votes }) => votes), { timeout, every: 100 }).catch(async (error: Error) => {
        const views = await Promise.all([...FLAT, 'r'].map(async (id) => `${id}: ${(await world.consensus(id)).groups.map(({ pool, voters, version, settled }) => `${world.nameOf(pool)} v${version} ${settled} ${voters.map(({ name }) => name).join()}`).join(' / ')}`))
        throw new Error(`${error.message}: ${JSON.stringify(above)}; ${views.join('; ')}`)
      })
    await areBelow(1, MOVED_WITHIN)
    const moved = seconds(joinedAt)

    await world.add({ id: 'l', tier: 'local', region: 'here' })
    await waitUntil('the local hub is below the regional one', async () => (await tiersOf('l')).up?.name === 'r', { timeout: READY_WITHIN, every: 100 })
    // The regional hub becomes a voter in the place of a leaf, which then may go.
    await areBelow(2, VOTES_WITHIN + MOVED_WITHIN)
    const all = seconds(joinedAt)
    await sleep(AROUND)
    expect([failed(load), (await ends()).wrong]).toEqual([[], []])
    const first = await load.stop()

    // One of those that moved becomes a hub: its own calls are not judged while it is away.
    const convert = FLAT.find((id) => above.every((one) => one.id !== id)) as string
    const others = FLAT.filter((id) => id !== convert)
    await waitUntil('its pool can lose it', async () => (await cannotLose(world, convert)) === undefined, { timeout: MOVED_WITHIN, every: 250 })
    const rest = running(pairsOf(others))
    const end = watchLists(others, toolsOf(FLAT))
    const goneAt = Date.now()
    const { home } = await tiersOf(convert)
    await world.stop(convert)
    await world.restart(convert, { tier: 'local', servers: [convert] })
    await waitUntil('it leads its own pool, below the regional hub', async () => {
      const { pools, up } = await tiersOf(convert)
      return pools[0]?.isHub === true && pools[0].pool === world.node(convert).peer && up?.name === 'r'
    }, { timeout: READY_WITHIN, every: 100 })
    const converted = seconds(goneAt)
    await allListed(FLAT, FLAT, READY_WITHIN)
    await sleep(AROUND)
    const { looks, wrong } = await end()
    const second = await rest.stop()
    console.log(
      `${first.length} calls while a regional hub (ready after ${joined}) and a local one joined; the first leaves were below after ${moved}, the others after ${all}, but for voters of root: ${above.map(({ id }) => id).join(' ')}; ` +
        `${tally(first)}. ${convert} became a local hub in ${converted}; ${tally(second)}; ${looks} lists`
    )
    expect(second.filter(({ code }) => code !== 'ok')).toEqual([])
    // The tools of the one that was away may be missing while it was.
    expect(wrong.filter((one) => !one.includes(`list ${convert}__`))).toEqual([])
    expect(faults([...first, ...second], world.executions(), [])).toEqual([])
    expect(['r', 'l'].map(world.poolOf)).toContain(home)
    const calls = await Promise.all(pairsOf(FLAT).map(({ from, to }, index) => world.call(from, to, 'append', `end-${index}`, { timeout: CALL_TIMEOUT })))
    expect(calls.filter(({ code }) => code !== 'ok')).toEqual([])
  })
})

describe('limits, wishes, and small pools', () => {
  const SERVERS: Record<string, string[]> = { l1: ['l1', 'x1', 'x2', 'x3'], l2: ['l2', 'y1', 'y2'], l3: ['l3'], l4: ['l4'] }
  const SERVED = Object.values(SERVERS).flat()
  const LEAVES = Object.keys(SERVERS)
  const crowd = (max: number) => ({ federation: { max_clusters: max } })
  const full = (status: NodeStatus) => status.notices.filter((notice) => notice.includes('full'))
  let plans: Map<string, TierPlan>

  beforeAll(async () => {
    const all = await withPorts([
      { id: 'g', tier: 'global', region: 'hq', config: crowd(1) },
      { id: 'e', tier: 'regional', region: 'e', config: crowd(2) },
      { id: 'l1', tier: 'leaf', region: 'e' },
      { id: 'l2', tier: 'leaf', region: 'e' },
      { id: 'l3', tier: 'leaf', region: 'e' },
      { id: 'l4', tier: 'leaf', region: 'e', parent: 'w', config: { catalog: { max_tools: 10 } } },
      { id: 'w', tier: 'regional', region: 'w' }
    ])
    plans = new Map(all.map((plan) => [plan.id, { ...plan, ...(SERVERS[plan.id] === undefined ? {} : { servers: SERVERS[plan.id] as string[] }) }]))
    world = await startTiers({ plan: ['g', 'e'].map((id) => plans.get(id) as TierPlan), config: { consensus: { threshold: 0.5 } } })
    await waitUntil('the regional hub is below the global one', async () => (await tiersOf('e')).up?.name === 'g', { timeout: READY_WITHIN, every: 50 })
    await Promise.all(['l1', 'l2'].map(add))
    await allListed(['g', 'e', 'l1', 'l2'], [...(SERVERS['l1'] ?? []), ...(SERVERS['l2'] ?? [])], READY_WITHIN)
  }, 120_000)
  afterAll(() => world?.dispose(), 30_000)

  const add = (id: string) => world.add(plans.get(id) as TierPlan)

  test('a full hub sends on to another; when all are full, a leaf joins root and says so', async () => {
    await waitUntil('both leaves are below the regional hub', async () => (await Promise.all(['l1', 'l2'].map(hubOf))).join() === 'e,e', { timeout: READY_WITHIN, every: 100 })
    await add('l3')
    await waitUntil('the third one is below the other hub', async () => (await hubOf('l3')) === 'g', { timeout: READY_WITHIN, every: 100 })
    // It may have asked while another one was on its way through root.
    await waitUntil('it knows that there was room', async () => full(await world.status('l3')).length === 0, { timeout: MOVED_WITHIN, every: 100 })
    const at = Date.now()
    await add('l4')
    const took = seconds(at)
    await waitUntil('it says that every hub is full', async () => full(await world.status('l4')).length > 0, { timeout: 5_000, every: 100 })
    const { stdout } = await world.node('l4').process.cli('status')
    console.log(`a leaf that nobody has a place for was ready after ${took}: ${stdout.split('\n').find((line) => line.includes('full'))}`)
    expect((await tiersOf('l4')).home).toBe('root')
    expect(stdout).toContain('max_clusters')
    await allListed(['l1', 'l2', 'l3'], SERVED, READY_WITHIN)
  })

  test('catalog.max_tools at one leaf: its list is cut, the search finds the rest, and what was found can be called', async () => {
    const own = await listed('l4')
    const missing = toolsOf(SERVED).filter((name) => !own.includes(name))
    console.log(`l4 lists ${own.length} of ${toolsOf(SERVED).length} tools`)
    // What its own pool has is listed whatever the limit says.
    const near = toolsOf(['l3', 'l4'])
    expect(own).toEqual(expect.arrayContaining(near))
    expect(own.length).toBeLessThanOrEqual(10 + near.length)
    expect(own.length).toBeGreaterThan(near.length)
    const [name = '', other = ''] = missing.filter((one) => one.endsWith('__read'))
    const [server = ''] = name.split('__')
    const { process } = world.node('l4')
    const plain = await leanClient(process.mcpUrl())
    const { tools = [] } = ((await plain.ask('tools/list', {})).result ?? {}) as { tools?: { name: string }[] }
    // Whole servers, and the tools of the search in place of the others.
    expect(tools.length).toBeLessThanOrEqual(10)
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining([...near, 'search_tools']))
    plain.close()
    const client = await leanClient(`${process.mcpUrl()}/@search`)
    const call = (tool: string, args: object) => client.call(tool, { ...args })
    const found = JSON.stringify((await call('search_tools', { query: `${server} read` })).result)
    expect(found).toContain(name)
    expect((await call('describe_tool', { name })).result?.isError).not.toBe(true)
    expect((await call('call_tool', { name, arguments: { id: 'through-search' } })).result?.content?.[0]?.text).toBe('read through-search')
    client.close()

    const search = await process.cli('tools', 'search', '--json', ...other.split('__'))
    expect([search.code, search.stderr]).toEqual([0, ''])
    expect((JSON.parse(search.stdout) as ToolMatches).tools.find((tool) => tool.name === other)).toMatchObject({ distant: true })
    const called = await process.cli('call', other, '{"id":"by-command"}')
    expect([called.code, called.stdout.trim(), called.stderr]).toEqual([0, 'read by-command', ''])
    expect([world.executions().get('through-search'), world.executions().get('by-command')]).toEqual([1, 1])
  })

  test('the wished-for hub comes, dies and returns: the leaf goes there, elsewhere within seconds, and back', { timeout: 120_000 }, async () => {
    // With a list that is cut, what is listed would depend on who is how far from whom.
    await world.stop('l4')
    await world.restart('l4', { config: {} })
    const at = Date.now()
    await add('w')
    await waitUntil('the leaf goes to the hub of its wish', async () => (await hubOf('l4')) === 'w', { timeout: MOVED_WITHIN + READY_WITHIN, every: 100 })
    const came = seconds(at)
    expect(full(await world.status('l4'))).toEqual([])
    const proposed = await world.node('g').process.cli('consensus', 'propose', 'setting/max_clusters', '5', '--json')
    expect(JSON.parse(proposed.stdout)).toMatchObject({ outcome: 'decided' })
    await waitUntil('all know the new limit', async () => (await Promise.all(['e', 'l4'].map(async (id) => (await world.consensus(id)).settings.length))).every((count) => count === 1), { timeout: 10_000, every: 100 })

    const pairs = [{ from: 'l4', to: 'l1' }, { from: 'l1', to: 'l4' }]
    const load = running(pairs)
    await load.recovered(pairs, Date.now(), READY_WITHIN)
    const killedAt = Date.now()
    await world.kill('w')
    await waitUntil('the leaf has another hub', async () => !['w', ''].includes(await hubOf('l4')), { timeout: KILLED_WITHIN, every: 50 })
    const left = Date.now() - killedAt
    const refuge = await hubOf('l4')
    await load.recovered(pairs, killedAt + 500, READY_WITHIN)
    const works = Math.max(...pairs.map((pair) => recoveryOf(load.calls, pair, killedAt)))

    const backAt = Date.now()
    await world.restart('w')
    await waitUntil('the leaf is back', async () => (await hubOf('l4')) === 'w', { timeout: RESTARTED_WITHIN, every: 100 })
    const back = seconds(backAt)
    await load.recovered(pairs, Date.now(), READY_WITHIN)
    const calls = await load.stop()
    console.log(`below the hub of its wish ${came} after that was started; killed: with ${refuge} after ${left} ms, calls succeed after ${works} ms; back ${back} after its start; ${tally(calls)}`)
    expect(left).toBeLessThan(KILLED_WITHIN)
    expect(works).toBeLessThan(KILLED_WITHIN)
    expect(faults(calls, world.executions(), [{ from: killedAt - CALL_TIMEOUT, to: killedAt + works }])).toEqual([])
  })

  test('a hub is drained and taken back, its successor is stopped and started: others lose no call', { timeout: 150_000 }, async () => {
    await waitUntil('its pool can lose the hub', async () => (await cannotLose(world, 'e')) === undefined, { timeout: MOVED_WITHIN, every: 250 })
    const pool = world.poolOf('e')
    const pairs = pairsOf(LEAVES)
    const load = running(pairs)
    await load.recovered(pairs, Date.now(), READY_WITHIN)
    const drainedAt = Date.now()
    const drained = await world.node('e').process.cli('drain', '--wait')
    const state = await tiersOf('e')
    const successor = (await world.hubs()).get(pool) as string
    const took = seconds(drainedAt)
    expect([drained.code, state.role, ['l1', 'l2'].includes(successor)]).toEqual([0, 'member', true])
    await sleep(AROUND)
    expect((await world.node('e').process.cli('drain', '--undo')).code).toBe(0)
    await waitUntil('it is a member as any other', async () => (await tiersOf('e')).up?.name === successor, { timeout: 10_000, every: 100 })
    await sleep(AROUND)
    expect([(await tiersOf('e')).role, (await world.hubs()).get(pool)]).toEqual(['member', successor])
    const first = await load.stop()
    expect(first.filter(({ code, tool }) => code !== 'ok' && tool === 'read')).toEqual([])
    expect(faults(first, world.executions(), [])).toEqual([])

    const others = pairs.filter(({ from, to }) => from !== successor && to !== successor)
    const more = running(others)
    await more.recovered(others, Date.now(), READY_WITHIN)
    const stoppedAt = Date.now()
    expect((await world.node(successor).process.cli('stop')).code).toBe(0)
    let next = ''
    await waitUntil('somebody else leads the pool', async () => !['', successor].includes((next = (await world.hubs()).get(pool) ?? '')), { timeout: KILLED_WITHIN, every: 50 })
    const stopped = seconds(stoppedAt)
    // The command does not wait for the end of the process.
    await world.stop(successor)
    await sleep(AROUND)
    await world.restart(successor)
    await waitUntil('it is a member again', async () => (await tiersOf(successor)).home === pool && (await hubOf(successor)) === next, { timeout: READY_WITHIN, every: 100 }).catch(async (error: Error) => {
      const views = await Promise.all(['g', 'e', 'l1', 'l2'].map(async (id) => JSON.stringify([id, (await world.status(id)).tiers, (await world.consensus(id)).groups.map(({ pool, voters, lease }) => [world.nameOf(pool), voters, lease])])))
      throw new Error(`${error.message}: ${successor} below ${next}; ${views.join(' ')}`)
    })
    await allListed(['l1', 'l2', 'l3'], SERVED, READY_WITHIN)
    const second = await more.stop()
    console.log(`drained in ${took}, ${successor} leads: ${tally(first)}; ${successor} stopped in ${stopped}, ${next} leads: ${tally(second)}`)
    expect([...LEAVES, 'e']).toContain(next)
    expect(second.filter(({ code, tool }) => code !== 'ok' && tool === 'read')).toEqual([])
    expect(faults(second, world.executions(), [])).toEqual([])
  })

  test('kill -9 of all nodes at once: started again, everything is as before', { timeout: 150_000 }, async () => {
    const ids = [...world.nodes.keys()]
    const look = async () =>
      Promise.all(
        ids.map(async (id) => {
          const { groups, settings } = await world.consensus(id)
          const { home } = await tiersOf(id)
          return { id, home, settings, groups: groups.filter(({ pool }) => pool === home).map(({ pool, voters, version, lease }) => ({ pool, voters: voters.map(({ name }) => name), version, token: lease?.token ?? 0 })) }
        })
      )
    const stable = async () => (await world.consensus('g')).groups.every(({ settled, voters }) => settled && voters.length % 2 === 1)
    await waitUntil('voters are settled', stable, { timeout: READY_WITHIN, every: 250 })
    const before = await look()
    await Promise.all(ids.map((id) => world.kill(id)))
    const at = Date.now()
    // A leaf whose pool has neither a hub nor a majority for three seconds goes elsewhere, and stays there: how far apart the starts of seven nodes are on this machine must not matter.
    const HUBS = ['g', 'e', 'w']
    await Promise.all(HUBS.map((id) => world.restart(id)))
    await Promise.all(ids.filter((id) => !HUBS.includes(id)).map((id) => world.restart(id)))
    const started = seconds(at)
    const readyAt = Date.now()
    const pools = new Set(before.map(({ home }) => home))
    await waitUntil('each pool has a hub', async () => [...(await world.hubs()).keys()].filter((pool) => pools.has(pool)).length === pools.size, { timeout: RESTARTED_WITHIN, every: 100 })
    const led = seconds(at)
    await allListed(['l1', 'l2', 'l3'], SERVED, RESTARTED_WITHIN)
    const pairs = pairsOf(LEAVES)
    const load = running(pairs)
    await load.recovered(pairs, Date.now(), RESTARTED_WITHIN)
    const called = seconds(at)
    // A leaf whose hub started much later was elsewhere meanwhile.
    let after = before
    let away = ''
    const isAtHome = async () => {
      after = await look()
      const elsewhere = after.filter(({ id, home }) => home !== before.find((one) => one.id === id)?.home).map(({ id }) => id)
      if (elsewhere.length > 0) away = `; away until ${seconds(at)}: ${elsewhere.join(', ')}`
      return elsewhere.length === 0
    }
    await waitUntil('everybody is at home', isAtHome, { timeout: RESTARTED_WITHIN, every: 250 }).catch(() => {})
    const whole = Date.now() - readyAt
    console.log(`${ids.length} nodes were ready again after ${started}, all pools had a hub after ${led}, all calls succeeded after ${called}; all was as before ${whole} ms after they were ready${away}`)
    expect(after.map(({ id, home, settings }) => ({ id, home, settings }))).toEqual(before.map(({ id, home, settings }) => ({ id, home, settings })))
    for (const [index, { id, groups }] of after.entries()) {
      for (const [place, { token, version }] of groups.entries()) {
        expect(token, id).toBeGreaterThanOrEqual(before[index]?.groups[place]?.token ?? 0)
        expect(version, id).toBeGreaterThanOrEqual(before[index]?.groups[place]?.version ?? 0)
      }
    }
    expect(whole).toBeLessThan(RESTARTED_WITHIN)
  })
})
