import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { codesOf, eventsIn, stdioServers, toldOf } from '../support/kill-world.ts'
import { makeToken, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'
import { allKinds, comesBack, each, type Seen, type Witness } from '../support/witnesses.ts'

// What each kind of client sees when the node dies that has the server; docs/failures.md says the same in words.

const NOTE = 'note://1'
const scratch = tempDataDir()
const files = { first: join(scratch, 'first'), second: join(scratch, 'second') }
const events = { first: eventsIn(files.first), second: eventsIn(files.second) }
/** Servers that two nodes have; the reader's `wait` may run twice. */
const replicas = (file: string) => ({
  twin: { ...stdioServers.legacy(file), stateless: true },
  reader: { ...stdioServers.legacy(file), stateless: true, repeatable: ['wait'] }
})
const ALONE = ['legacy', 'modern'] as const

describe('the node of a server is killed with -9', () => {
  const dataDir = tempDataDir()
  let edge: SkeinProcess
  let first: SkeinProcess
  let second: SkeinProcess
  const clients: Record<'plain' | 'askable' | 'onLegacy' | 'onTwin', Witness[]> = { plain: [], askable: [], onLegacy: [], onTwin: [] }
  const running: Record<string, Promise<Record<string, Seen>>> = {}
  const asked: Record<string, Promise<Record<string, Seen>>> = {}

  const config = (id: string, servers: Record<string, unknown>) => ({ node: { id }, mcp: { graph: { enabled: false }, request_timeout: '60s', servers } })
  const startFirst = (token?: string) =>
    startSkein({ dataDir, config: config('first', { legacy: stdioServers.legacy(files.first), modern: stdioServers.modern(files.first), ...replicas(files.first) }), ...(token === undefined ? {} : { token }) })
  const listed = (counts: Record<string, number>) =>
    waitUntil(
      'the edge lists the providers',
      async () => {
        const tools = await edge.tools()
        return Object.entries(counts).every(([server, count]) => tools.find(({ name }) => name === `${server}__pid`)?.providers.length === count)
      },
      { timeout: 20_000, every: 100 }
    )
  const id = (server: string, one: Witness) => `${server} ${one.kind}`
  const updates = (one: Witness) => one.heard.filter(({ method, params }) => method === 'notifications/resources/updated' && params?.uri === NOTE).length
  const reaches = (one: Witness) => {
    const before = updates(one)
    return waitUntil(`${one.kind} hears of ${NOTE}`, async () => (await one.call('touch', { uri: NOTE }), updates(one) > before), { timeout: 30_000, every: 100 })
  }

  beforeAll(async () => {
    edge = await startSkein({ config: config('edge', {}) })
    const token = await makeToken(edge, { uses: 2 })
    ;[first, second] = await Promise.all([startFirst(token), startSkein({ token, config: config('second', {}) })])
    await listed({ legacy: 1, modern: 1, twin: 1, reader: 1 })
    clients.plain = await allKinds({ node: edge })
    clients.askable = await allKinds({ node: edge, askable: true })
    clients.onLegacy = await allKinds({ node: edge, server: 'legacy' })
    clients.onTwin = await allKinds({ node: edge, server: 'twin' })
    for (const one of [...clients.onLegacy, ...clients.onTwin]) await one.subscribe(NOTE)
    await each(clients.onLegacy, reaches)
    await each(clients.onTwin, reaches)
    for (const server of [...ALONE, 'twin']) asked[server] = each(clients.askable, (one) => one.call(`${server}__elicit`, { id: id(server, one) }))
    await waitUntil('all are asked', () => clients.askable.every((one) => one.open.length === 3), { timeout: 20_000 })
    for (const server of [...ALONE, 'twin']) running[server] = each(clients.plain, (one) => one.call(`${server}__wait`, { id: id(server, one) }))
    running['reader'] = each(clients.plain, (one) => one.call('reader__wait', { id: id('reader', one), ms: 10_000 }))
    for (const server of Object.keys(running)) for (const one of clients.plain) await events.first.until(`waiting ${id(server, one)}`)
    // Only now is there another node for the twins: all that runs is at the first.
    const file = join(second.dataDir, 'node.yaml')
    writeFileSync(file, stringify({ ...parse(readFileSync(file, 'utf8')), ...config('second', replicas(files.second)) }), { mode: 0o600 })
    expect(await second.cli('reload')).toMatchObject({ code: 0 })
    await listed({ twin: 2, reader: 2 })
    for (const one of Object.values(clients).flat()) one.heard.splice(0)
    await first.kill('SIGKILL')
  }, 180_000)
  afterAll(async () => {
    await Promise.all(Object.values(clients).flat().map((one) => one.close()))
    await Promise.all([edge, first, second].map((node) => node?.dispose()))
    rmSync(scratch, { recursive: true, force: true })
  })

  test('idle: where another node has the server the next call works at once', async () => {
    expect(codesOf(await each(clients.plain, (one) => one.call('twin__pid')))).toEqual(clients.plain.map(() => expect.stringMatching(/^\d+$/)))
  })

  test('idle: where no other node has it, its tools are gone and the clients know', async () => {
    await waitUntil('the tools are gone', async () => !(await clients.plain[0]?.tools())?.some((name) => name.startsWith('legacy__')))
    expect(codesOf(await each(clients.plain, (one) => one.call('legacy__pid')))).toEqual(clients.plain.map(() => '-32602 SKEIN_NOT_FOUND'))
    const inItsView = await each(clients.onLegacy, (one) => one.call('pid'))
    expect(codesOf(inItsView)).toEqual(clients.onLegacy.map(({ kind, legacy }) => (legacy ? '-32602 SKEIN_NOT_FOUND' : kind.includes('SDK v2 over HTTP') ? expect.stringMatching(/^404 /) : '-32000 SKEIN_NO_PROVIDER')))
    await waitUntil('all are told', () => clients.plain.every((one) => !one.legacy || toldOf(one).includes('tools/list_changed')))
    await waitUntil('who watches that server is told', () => clients.onLegacy.every((one) => toldOf(one).includes('tools/list_changed')))
  })

  test('what ran there may have run, and ran once', async () => {
    for (const server of [...ALONE, 'twin']) {
      expect(codesOf(await (running[server] as (typeof running)[string]))).toEqual(clients.plain.map(() => '-32000 SKEIN_OUTCOME_UNKNOWN'))
      expect(clients.plain.map((one) => [events.first, events.second].map(({ count }) => count(`waiting ${id(server, one)}`)))).toEqual(clients.plain.map(() => [1, 0]))
    }
  })

  test('what may run twice is run again elsewhere, and the clients see its answer only', async () => {
    expect(Object.values(await (running['reader'] as (typeof running)[string]))).toEqual(clients.plain.map(() => ({ text: 'waited' })))
    expect(clients.plain.map((one) => events.second.count(`waiting ${id('reader', one)}`))).toEqual(clients.plain.map(() => 1))
  })

  test('questions asked there: an older client’s call may have run, a newer one is told that its question is void; neither runs again', async () => {
    for (const one of clients.askable) one.open.splice(0).forEach((answer) => answer())
    const expected = (newer: string) => clients.askable.map(({ legacy }) => (legacy ? '-32000 SKEIN_OUTCOME_UNKNOWN' : newer))
    for (const server of ALONE) expect(codesOf(await (asked[server] as (typeof asked)[string]))).toEqual(expected('-32602 SKEIN_NOT_FOUND'))
    expect(codesOf(await (asked['twin'] as (typeof asked)[string]))).toEqual(expected('-32602 SKEIN_BAD_REQUEST'))
    for (const server of [...ALONE, 'twin']) {
      const ran = clients.askable.map((one) => [events.first, events.second].flatMap(({ count }) => [count(`asking ${id(server, one)}`), count(`answered ${id(server, one)}`)]))
      expect(ran).toEqual(clients.askable.map(() => [1, 0, 0, 0]))
    }
  })

  test('subscriptions move to the other node, those without one wait', async () => {
    await each(clients.onTwin, reaches)
    expect(clients.onTwin.flatMap(toldOf)).toEqual([])
    expect([...clients.onTwin, ...clients.onLegacy].map((one) => one.ended())).toEqual([...clients.onTwin, ...clients.onLegacy].map(() => undefined))
  })

  test('when the node is back, so are its tools and the subscriptions, in the same sessions', async () => {
    for (const one of Object.values(clients).flat()) one.heard.splice(0)
    first = await startFirst()
    await each(clients.plain, (one) => comesBack(one, 'legacy__pid'))
    await each(clients.onLegacy, reaches)
    await waitUntil('all are told', () => [...clients.plain.filter(({ legacy }) => legacy), ...clients.onLegacy].every((one) => toldOf(one).includes('tools/list_changed')))
  })
})
