import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { startBareHttpServer } from '../support/bare-http-server.ts'
import { freePort } from '../support/free-port.ts'
import { codesOf, eventsIn, stdioServers, toldOf, warningsOf } from '../support/kill-world.ts'
import { startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'
import { allKinds, comesBack, each, type Seen, type Witness } from '../support/witnesses.ts'

// What each kind of client sees when its own node is restarted or configured anew; docs/failures.md says the same in words.

const NOTE = 'note://1'
const updates = (one: Witness) => one.heard.filter(({ method, params }) => method === 'notifications/resources/updated' && params?.uri === NOTE).length
/** On the endpoint of the legacy server alone. */
const reaches = (one: Witness) => {
  const before = updates(one)
  return waitUntil(`${one.kind} hears of ${NOTE}`, async () => (await one.call('touch', { uri: NOTE }), updates(one) > before), { timeout: 20_000, every: 100 })
}
/** The connection broke, and nobody said anything: a code of the transport, none of ours. */
const cutOff = (seen: Seen | undefined) => seen !== undefined && !('text' in seen) && seen.skein === undefined && (seen.code === 'ECONNRESET' || seen.code === 'no answer' || seen.code === -32001)
const UNKNOWN = { code: -32000, skein: 'SKEIN_OUTCOME_UNKNOWN' }

/** @returns what is not there before `open` */
function closedWorld() {
  const scratch = tempDataDir()
  const file = join(scratch, 'events')
  const dataDir = tempDataDir()
  const clients: Witness[] = []
  let node: SkeinProcess
  let port: number
  const start = async () => {
    const servers = { legacy: stdioServers.legacy(file), modern: stdioServers.modern(file) }
    node = await startSkein({ dataDir, config: { network: { http_port: port }, mcp: { shutdown_timeout: '1s', graph: { enabled: false }, servers } } })
  }
  return {
    async open() {
      port = await freePort()
      await start()
    },
    async close() {
      await Promise.all(clients.map((one) => one.close()))
      await node?.dispose()
      rmSync(scratch, { recursive: true, force: true })
    },
    file,
    events: eventsIn(file),
    async clients(options: { server?: string; askable?: boolean } = {}) {
      const opened = await allKinds({ node, ...options })
      clients.push(...opened)
      return opened
    },
    async restart(signal: NodeJS.Signals) {
      await node.kill(signal)
      await start()
    },
    async reload(change: (servers: Record<string, any>) => void) {
      const path = join(dataDir, 'node.yaml')
      const config = parse(readFileSync(path, 'utf8'))
      change(config.mcp.servers)
      writeFileSync(path, stringify(config), { mode: 0o600 })
      expect(await node.cli('reload')).toMatchObject({ code: 0 })
    }
  }
}

const SERVERS = ['legacy', 'modern'] as const
const idOf = (server: string, one: Witness) => `${server} ${one.kind}`

/** A world whose node was restarted while calls ran, people were asked and clients watched; what became of that. */
function restartedWorld(signal: 'SIGKILL' | 'SIGTERM') {
  const { clients, events, restart, ...ends } = closedWorld()
  const all: Record<'plain' | 'askable' | 'watching', Witness[]> = { plain: [], askable: [], watching: [] }
  const running: Record<string, Record<string, Seen>> = {}
  const asked: Record<string, Record<string, Seen>> = {}
  async function open(): Promise<void> {
    await ends.open()
    all.plain = await clients()
    all.askable = await clients({ askable: true })
    all.watching = await clients({ server: 'legacy' })
    for (const one of all.watching) await one.subscribe(NOTE)
    await each(all.watching, reaches)
    const calls = SERVERS.map((server) => [server, each(all.plain, (one) => one.call(`${server}__wait`, { id: idOf(server, one) }))] as const)
    const questions = SERVERS.map((server) => [server, each(all.askable, (one) => one.call(`${server}__elicit`, { id: idOf(server, one) }))] as const)
    for (const server of SERVERS) for (const one of all.plain) await events.until(`waiting ${idOf(server, one)}`)
    await waitUntil('all are asked', () => all.askable.every((one) => one.open.length === 2), { timeout: 20_000 })
    for (const one of Object.values(all).flat()) one.heard.splice(0)
    await restart(signal)
    for (const one of all.askable) one.open.splice(0).forEach((answer) => answer())
    for (const [server, ended] of calls) running[server] = await ended
    for (const [server, ended] of questions) asked[server] = await ended
  }
  return { all, running, asked, clients, events, open, close: ends.close }
}

function world() {
  const made = closedWorld()
  beforeAll(made.open, 60_000)
  afterAll(made.close)
  return made
}

// A client whose SDK does not notice that its connection broke waits for half a minute: beside the other tests.
const killed = restartedWorld('SIGKILL')
let opening: Promise<void>
beforeAll(() => {
  opening = killed.open()
  // It is awaited below.
  opening.catch(() => {})
})
afterAll(async () => {
  await opening.catch(() => {})
  await killed.close()
}, 120_000)

describe('a reload', () => {
  const { clients, events, file, reload } = world()

  test('that adds another server changes the lists, and nothing for what runs, is asked, or watches one server', async () => {
    const [plain, askable, watching] = [await clients(), await clients({ askable: true }), await clients({ server: 'legacy' })] as const
    for (const one of watching) await one.subscribe(NOTE)
    await each(watching, reaches)
    const calls = each(plain, (one) => one.call('legacy__wait', { id: `other ${one.kind}`, ms: 4_000 }))
    const questions = each(askable, (one) => one.call('legacy__elicit', { id: `other ${one.kind}` }))
    for (const one of plain) await events.until(`waiting other ${one.kind}`)
    await waitUntil('all are asked', () => askable.every((one) => one.open.length === 1), { timeout: 20_000 })
    await reload((servers) => (servers.other = stdioServers.legacy(file)))
    await waitUntil('older clients are told', () => plain.every((one) => !one.legacy || toldOf(one).includes('tools/list_changed')))
    expect(codesOf(await each(plain, (one) => one.call('other__pid')))).toEqual(plain.map(() => expect.stringMatching(/^\d+$/)))
    for (const one of askable) one.open.splice(0).forEach((answer) => answer())
    expect(Object.values(await questions)).toEqual(askable.map(() => ({ text: 'Ada' })))
    expect(Object.values(await calls)).toEqual(plain.map(() => ({ text: 'waited' })))
    await each(watching, reaches)
    expect(watching.flatMap(toldOf)).toEqual([])
    expect([...plain, ...askable, ...watching].flatMap(warningsOf)).toEqual([])
  })

  test('that changes the used server restarts it: what runs there may have run, sessions and subscriptions stay', async () => {
    const [plain, askable, watching] = [await clients(), await clients({ askable: true }), await clients({ server: 'legacy' })] as const
    for (const one of watching) await one.subscribe(NOTE)
    await each(watching, reaches)
    const calls = each(plain, (one) => one.call('legacy__wait', { id: `used ${one.kind}` }))
    const elsewhere = each(plain, (one) => one.call('modern__wait', { id: `elsewhere ${one.kind}`, ms: 4_000 }))
    const questions = each(askable, (one) => one.call('legacy__elicit', { id: `used ${one.kind}` }))
    for (const one of plain) await events.until(`waiting used ${one.kind}`)
    await waitUntil('all are asked', () => askable.every((one) => one.open.length === 1), { timeout: 20_000 })
    await reload((servers) => servers.legacy.args.push('--changed'))
    expect(codesOf(await calls)).toEqual(plain.map(() => '-32000 SKEIN_OUTCOME_UNKNOWN'))
    for (const one of askable) one.open.splice(0).forEach((answer) => answer())
    const answered = await questions
    for (const one of askable) expect(answered[one.kind], one.kind).toMatchObject(one.legacy ? { skein: 'SKEIN_OUTCOME_UNKNOWN' } : { code: -32602 })
    expect(Object.values(await elsewhere)).toEqual(plain.map(() => ({ text: 'waited' })))
    await each([...plain, ...askable], (one) => comesBack(one, 'legacy__pid'))
    await each(watching, reaches)
    for (const one of [...plain, ...askable]) expect(warningsOf(one), one.kind).toEqual(one.legacy ? ['The server legacy was restarted; its state is gone.'] : [])
    for (const one of watching) expect(new Set(toldOf(one)), one.kind).toContain('tools/list_changed')
    expect(plain.map((one) => events.count(`waiting used ${one.kind}`))).toEqual(plain.map(() => 1))
    expect(askable.map((one) => [events.count(`asking used ${one.kind}`), events.count(`answered used ${one.kind}`)])).toEqual(askable.map(() => [1, 0]))
  })
})

describe('a server over HTTP forgets its sessions', () => {
  test('calls that find it out are run once in a new session, all of them; what ran in the old one may have run', async () => {
    const server = await startBareHttpServer()
    const node = await startSkein({ config: { mcp: { graph: { enabled: false }, servers: { bare: { url: server.url } } } } })
    const all = await allKinds({ node })
    try {
      await each(all, (one) => comesBack(one, 'bare__echo', { text: 'first' }))
      const hanging = each(all, (one) => one.call('bare__hang'))
      await waitUntil('all hang', () => server.calls.filter((name) => name === 'hang').length === all.length)
      server.calls.length = 0
      server.forget()
      expect(await each(all, (one) => one.call('bare__echo', { text: one.kind }))).toEqual(Object.fromEntries(all.map(({ kind }) => [kind, { text: kind }])))
      expect(server.calls).toEqual(all.map(() => 'echo'))
      expect(server.sessions.size).toBe(1)
      expect(codesOf(await hanging)).toEqual(all.map(() => '-32000 SKEIN_OUTCOME_UNKNOWN'))
      expect(all.map(warningsOf)).toEqual(all.map(({ legacy }) => (legacy ? ['The server bare was restarted; its state is gone.'] : [])))
    } finally {
      await Promise.all(all.map((one) => one.close()))
      await node.dispose()
      await server.kill()
    }
  })
})

describe.each(['SIGTERM', 'SIGKILL'] as const)('the own node is restarted after %s', (signal) => {
  const { all, running, asked, clients, events, open, close } = signal === 'SIGKILL' ? killed : restartedWorld(signal)
  beforeAll(() => (signal === 'SIGKILL' ? opening : open()), 120_000)
  if (signal !== 'SIGKILL') afterAll(close)

  test('what ran may have run, and ran once; only over HTTP after a kill there is nobody to say so, and the connection breaks', () => {
    for (const server of SERVERS) {
      for (const one of all.plain) {
        const seen = running[server]?.[one.kind]
        if (one.carrier === 'stdio' || signal === 'SIGTERM') expect(seen, one.kind).toMatchObject(UNKNOWN)
        else expect(cutOff(seen), `${one.kind}: ${JSON.stringify(seen)}`).toBe(true)
        expect(events.count(`waiting ${idOf(server, one)}`)).toBe(1)
      }
    }
  })

  test('open questions: those of an older client end as what ran does; a newer one can still answer a server of the newer era', () => {
    for (const server of SERVERS) {
      for (const one of all.askable) {
        const seen = asked[server]?.[one.kind]
        if (!one.legacy && server === 'modern') expect(seen, one.kind).toEqual({ text: 'Ada' })
        else if (!one.legacy) expect(seen, one.kind).toMatchObject({ code: -32602 })
        else if (one.carrier === 'stdio' || signal === 'SIGTERM') expect(seen, one.kind).toMatchObject(UNKNOWN)
        else expect(cutOff(seen), `${one.kind}: ${JSON.stringify(seen)}`).toBe(true)
        const again = !one.legacy && server === 'modern' ? 1 : 0
        expect([events.count(`asking ${idOf(server, one)}`), events.count(`answered ${idOf(server, one)}`)], one.kind).toEqual([1, again])
      }
    }
  })

  test('the next call works, but for older clients over HTTP: their session is gone (404), a new one works', async () => {
    const answers = await each(all.plain, (one) => one.call('legacy__pid'))
    for (const one of all.plain) {
      if (one.legacy && one.carrier === 'http') expect(answers[one.kind], one.kind).toMatchObject({ code: 404 })
      else expect(answers[one.kind], one.kind).toMatchObject({ text: expect.stringMatching(/^\d+$/) })
    }
    expect(codesOf(await each(await clients(), (one) => one.call('legacy__pid')))).toEqual(all.plain.map(() => expect.stringMatching(/^\d+$/)))
  })

  test('subscriptions: over skein mcp they go on, with news of the lists; over HTTP clients make them again', async () => {
    for (const one of all.watching) {
      if (one.carrier === 'http' && one.legacy) continue
      if (one.carrier === 'http') await one.subscribe(NOTE)
      await reaches(one)
      if (one.carrier === 'stdio') expect(toldOf(one), one.kind).toContain('tools/list_changed')
    }
    expect(Object.fromEntries(all.watching.map((one) => [one.kind, one.ended()]))).toMatchObject({
      'modern, SDK v2 over HTTP': signal === 'SIGKILL' ? 'remote' : 'graceful',
      'modern, SDK v2 over skein mcp': undefined
    })
  })
})
