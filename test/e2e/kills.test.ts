import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sees } from '../support/federation-checks.ts'
import { freePort } from '../support/free-port.ts'
import { codesOf, eventsIn, httpFixture, killServer, pidsOf, stdioServers, toldOf, warningsOf, type HttpFixture } from '../support/kill-world.ts'
import { makeToken, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'
import { allKinds, comesBack, each, type Witness } from '../support/witnesses.ts'

// What each kind of client sees when a server dies; docs/failures.md says the same in words.

const SERVERS = ['legacy', 'modern', 'legacy-http', 'modern-http'] as const
type ServerName = (typeof SERVERS)[number]
type HttpName = 'legacy-http' | 'modern-http'
const isHttp = (server: ServerName): server is HttpName => server.endsWith('http')

/**
 * A node of its own for each situation: a server that dies again soon is started again later and later. `hop`: the clients are at
 * another node than the servers.
 */
function world({ hop = false } = {}) {
  const scratch = tempDataDir()
  const file = join(scratch, 'events')
  const http = {} as Record<HttpName, HttpFixture>
  const clients: Witness[] = []
  let edge: SkeinProcess
  let node: SkeinProcess
  beforeAll(async () => {
    Object.assign(http, { 'legacy-http': httpFixture('2025', await freePort(), file), 'modern-http': httpFixture('2026', await freePort(), file) })
    await Promise.all(Object.values(http).map((one) => one.start()))
    const servers = {
      legacy: stdioServers.legacy(file),
      modern: stdioServers.modern(file),
      'legacy-http': { url: http['legacy-http'].url },
      'modern-http': { url: http['modern-http'].url }
    }
    if (hop) edge = await startSkein({ config: { mcp: { graph: { enabled: false }, servers: {} } } })
    node = await startSkein({ config: { mcp: { graph: { enabled: false }, servers } }, ...(hop ? { token: await makeToken(edge) } : {}) })
    if (!hop) edge = node
    await sees(edge, ...SERVERS)
  }, 120_000)
  afterAll(async () => {
    await Promise.all(clients.map((one) => one.close()))
    await Promise.all([hop ? edge?.dispose() : undefined, node?.dispose(), ...Object.values(http).map((one) => one.dispose())])
    rmSync(scratch, { recursive: true, force: true })
  })
  return {
    events: eventsIn(file),
    http,
    async clients(options: { server?: string; askable?: boolean } = {}) {
      const opened = await allKinds({ node: edge, ...options })
      clients.push(...opened)
      return opened
    },
    /** Resolves when the node has noticed. */
    async kill(server: ServerName) {
      if (isHttp(server)) {
        // The node gives it about a second before its tools are gone: less than a process takes to start on a busy machine.
        await http[server].prepare()
        await http[server].kill()
        // Its connections are reset; asking the node would take longer than its first tries to reach it.
        return sleep(100)
      }
      const before = await pidsOf(node, server)
      await killServer(node, server)
      await waitUntil('the node noticed', async () => (await pidsOf(node, server)).every((pid) => !before.includes(pid)))
    },
    /** Those over HTTP are not ours to start; children come back by themselves. */
    startAgain: (server: ServerName) => (isHttp(server) ? http[server].start() : Promise.resolve())
  }
}

/** Once for each session of an older client that had state in a server of the older era; others have lost nothing. */
function expectWarned(all: readonly Witness[], server: ServerName): void {
  const text = `The server ${server} was restarted; its state is gone.`
  const expected = all.map(({ legacy }) => (legacy && server.startsWith('legacy') ? [text] : []))
  expect(all.map(warningsOf)).toEqual(expected)
}

describe('an idle server is killed with -9: the next call works, and finds a new server', () => {
  const { events, clients, kill, startAgain } = world()
  test.each(SERVERS)('%s', async (server) => {
    const all = await clients()
    const id = (one: Witness) => `${server} ${one.kind}`
    const before = new Set(Object.values(await each(all, async (one) => (await comesBack(one, `${server}__pid`)).text)))
    expect(before.size).toBe(1)
    await kill(server)
    const next = each(all, (one) => one.call(`${server}__pid`, { id: id(one) }))
    await startAgain(server)
    const after = new Set(Object.values(await next).map((answer) => ('text' in answer ? answer.text : JSON.stringify(answer))))
    expect(after.size, [...after].join()).toBe(1)
    expect(after).not.toEqual(before)
    expect([...after][0]).toMatch(/^\d+$/)
    expect(all.map((one) => events.count(`pid ${id(one)}`))).toEqual(all.map(() => 1))
    expectWarned(all, server)
    expect(all.flatMap(toldOf)).toEqual([])
  })
})

describe('a server is killed with -9 while calls run: they may have run, the next works', () => {
  const { events, clients, kill, startAgain } = world()
  test.each(SERVERS)('%s', async (server) => {
    const all = await clients()
    const id = (one: Witness) => `${server} ${one.kind}`
    const calls = each(all, (one) => one.call(`${server}__wait`, { id: id(one) }))
    for (const one of all) await events.until(`waiting ${id(one)}`)
    const from = performance.now()
    await kill(server)
    expect(codesOf(await calls)).toEqual(all.map(() => '-32000 SKEIN_OUTCOME_UNKNOWN'))
    expect(performance.now() - from).toBeLessThan(10_000)
    await startAgain(server)
    await each(all, (one) => comesBack(one, `${server}__pid`))
    expect(all.map((one) => events.count(`waiting ${id(one)}`))).toEqual(all.map(() => 1))
    expectWarned(all, server)
  })
})

describe('a server is killed with -9 while people are asked: with the older era the call may have run, the newer one goes on', () => {
  const { events, clients, kill, startAgain } = world()
  test.each(SERVERS)('%s', async (server) => {
    const all = await clients({ askable: true })
    const id = (one: Witness) => `${server} ${one.kind}`
    const modern = server.startsWith('modern')
    const calls = each(all, (one) => one.call(`${server}__elicit`, { id: id(one) }))
    await waitUntil('all are asked', () => all.every((one) => one.open.length === 1), { timeout: 20_000 })
    await kill(server)
    await startAgain(server)
    for (const one of all) one.open.splice(0).forEach((answer) => answer())
    const ended = await calls
    if (modern) expect(Object.values(ended)).toEqual(all.map(() => ({ text: 'Ada' })))
    else expect(codesOf(ended)).toEqual(all.map(() => '-32000 SKEIN_OUTCOME_UNKNOWN'))
    await each(all, (one) => comesBack(one, `${server}__pid`))
    expect(all.map((one) => [events.count(`asking ${id(one)}`), events.count(`answered ${id(one)}`)])).toEqual(all.map(() => (modern ? [1, 1] : [1, 0])))
    expectWarned(all, server)
  })
})

describe('a server is killed with -9 while clients subscribe to it: their subscriptions go on', () => {
  const { clients, kill, startAgain } = world()
  test.each(SERVERS)('%s', async (server) => {
    const all = await clients({ server })
    const uri = server === 'legacy' ? 'note://1' : 'test://watched-resource'
    const updates = (one: Witness) => one.heard.filter(({ method, params }) => method === 'notifications/resources/updated' && params?.uri === uri).length
    const reaches = (one: Witness) => {
      const before = updates(one)
      return waitUntil(`${one.kind} hears of ${uri}`, async () => (await one.call('touch', { uri }), updates(one) > before), { timeout: 20_000, every: 100 })
    }
    await each(all, (one) => one.subscribe(uri))
    await each(all, reaches)
    await kill(server)
    await startAgain(server)
    await each(all, reaches)
    expectWarned(all, server)
    expect(all.flatMap(toldOf)).toEqual([])
    expect(all.map((one) => one.ended())).toEqual(all.map(() => undefined))
  })
})

describe('a server of another node is killed with -9 while calls run and people are asked: the same as at the own node', () => {
  const { events, clients, kill, startAgain } = world({ hop: true })
  test.each(SERVERS)('%s', async (server) => {
    const [plain, askable] = [await clients(), await clients({ askable: true })] as const
    const modern = server.startsWith('modern')
    const id = (one: Witness) => `${server} ${one.kind}`
    const calls = each(plain, (one) => one.call(`${server}__wait`, { id: id(one) }))
    const questions = each(askable, (one) => one.call(`${server}__elicit`, { id: id(one) }))
    for (const one of plain) await events.until(`waiting ${id(one)}`)
    await waitUntil('all are asked', () => askable.every((one) => one.open.length === 1), { timeout: 20_000 })
    await kill(server)
    await startAgain(server)
    expect(codesOf(await calls)).toEqual(plain.map(() => '-32000 SKEIN_OUTCOME_UNKNOWN'))
    for (const one of askable) one.open.splice(0).forEach((answer) => answer())
    expect(codesOf(await questions)).toEqual(askable.map(() => (modern ? 'Ada' : '-32000 SKEIN_OUTCOME_UNKNOWN')))
    await each([...plain, ...askable], (one) => comesBack(one, `${server}__pid`))
    expect(plain.map((one) => events.count(`waiting ${id(one)}`))).toEqual(plain.map(() => 1))
    expect(askable.map((one) => [events.count(`asking ${id(one)}`), events.count(`answered ${id(one)}`)])).toEqual(askable.map(() => (modern ? [1, 1] : [1, 0])))
    expectWarned(plain, server)
    expectWarned(askable, server)
  })
})

describe('a server that skein cannot start stays away', () => {
  const { clients, http } = world()
  test.each(['legacy-http', 'modern-http'] as const)('%s: calls say that it is down, then its tools are gone, until it is back', async (server) => {
    const all = await clients()
    await each(all, (one) => comesBack(one, `${server}__pid`))
    await http[server].kill()
    await sleep(100)
    expect(codesOf(await each(all, (one) => one.call(`${server}__pid`)))).toEqual(all.map(() => '-32000 SKEIN_UPSTREAM_DOWN'))
    await waitUntil('its tools are gone', async () => !(await all[0]?.tools())?.includes(`${server}__pid`), { timeout: 20_000, every: 100 })
    expect(codesOf(await each(all, (one) => one.call(`${server}__pid`)))).toEqual(all.map(() => '-32602 SKEIN_NOT_FOUND'))
    await http[server].start()
    // Tried again after 30 s at the latest.
    await each(all, (one) => comesBack(one, `${server}__pid`, {}, 40_000))
    expect(all.map((one) => one.legacy && toldOf(one).filter((method) => method === 'tools/list_changed').length)).toEqual(all.map(({ legacy }) => legacy && 2))
  })
})
