import { describe, expect, test } from 'vitest'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { silentLogger, type Logger } from '../../../../src/base/logger.ts'
import { createCatalogDriver } from '../../../../src/federation/catalog/driver.ts'
import type { CatalogRequestKind, LocalServer } from '../../../../src/federation/catalog/ports.ts'
import {
  decodeDefinitionsAnswer, decodeDefinitionsRequest, encodeDefinitionsAnswer, encodeDefinitionsRequest, encodeDigestAnswer, encodeGossip
} from '../../../../src/wire/catalog.ts'
import type { About } from '../../../../src/wire/about.ts'
import { canonicalJson } from '../../../../src/wire/canonical-json.ts'
import { openRecord, sealRecord, toolDigest } from '../../../../src/wire/catalog-record.ts'
import { decodeGossip } from '../../../../src/wire/catalog.ts'
import { DESCRIPTOR, localServer, nodeRecord, signer } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const me = signer(0)
const other = signer(1)
const third = signer(2)
const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}

function setup(respond: (peer: string, kind: CatalogRequestKind, body: Uint8Array) => Uint8Array) {
  const clock = createManualClock()
  const meter = createMeter()
  const published: Uint8Array[] = []
  const asked: string[] = []
  const warnings: string[] = []
  const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message), child: () => logger }
  const network = {
    publish: (_pool: string, bytes: Uint8Array) => void published.push(bytes),
    request: async (peer: string, kind: CatalogRequestKind, body: Uint8Array) => {
      asked.push(`${kind} ${peer}`)
      return respond(peer, kind, body)
    }
  }
  const driver = createCatalogDriver({ clock, random: seededRandom(1), meter, logger, network }, { federation: 'fed', self: me.peer, signer: me })
  driver.openPool('root')
  for (const { peer } of [other, third]) driver.memberUp('root', peer)
  const count = (name: string, ...labels: string[]) => meter.snapshot().find((metric) => metric.name === name)?.samples.find((sample) => sample.labels.join() === labels.join())?.value ?? 0
  const learn = (by: typeof other, ...servers: LocalServer[]) => {
    const entries = servers.map(({ name, claimed, stateless, tools }) => ({
      name, claimed, stateless, tools: tools.map(({ definition, repeatable }) => ({ name: String(definition.name), digest: toolDigest(definition), repeatable }))
    }))
    driver.onGossip('root', encodeGossip({ federation: 'fed', pool: 'root', record: sealRecord(nodeRecord(by.peer, { servers: entries }), by) }), by.peer)
  }
  return { clock, driver, published, asked, warnings, count, learn }
}
const empty = encodeDigestAnswer({ records: [], wanted: [], more: false })
const definition = (name: string) => ({ name, inputSchema: { type: 'object' } })
function serve(body: Uint8Array, ...names: string[]): Uint8Array {
  const known = new Map(names.map((name) => [toolDigest(definition(name)), Buffer.from(canonicalJson(definition(name)))]))
  const definitions = decodeDefinitionsRequest(body).digests.flatMap((digest) => (known.has(digest) ? [{ digest, json: new Uint8Array(known.get(digest) as Buffer) }] : []))
  return encodeDefinitionsAnswer({ definitions, more: false })
}

describe('catalog driver', () => {
  test('fetches definitions of offered tools once, checks them and tells listeners', async () => {
    const s = setup((_, kind, body) => (kind === 'digest' ? empty : serve(body, 'a', 'b')))
    let changes = 0
    s.driver.onChange(() => changes++)
    s.learn(other, localServer('files', ['a', 'b']))
    expect(s.asked).toEqual([])
    s.driver.sessionUp(other.peer)
    expect(s.driver.offers().servers.map(({ advertised }) => advertised)).toEqual(['files'])
    const before = changes
    await settle()
    expect(s.asked.filter((line) => line.startsWith('definitions'))).toHaveLength(1)
    expect(changes).toBe(before + 1)
    expect(s.driver.definition(toolDigest(definition('a')))).toEqual(definition('a'))
    s.driver.sessionDown(other.peer)
    expect(s.driver.offers().servers).toEqual([])
  })

  test('a failing provider does not block another, and rests', async () => {
    const s = setup((peer, kind, body) => {
      if (kind === 'digest') return empty
      if (peer === other.peer) throw new Error('down')
      return serve(body, 'a')
    })
    s.driver.start()
    for (const by of [other, third]) {
      s.learn(by, localServer('files', ['a'], { stateless: true }))
      s.driver.sessionUp(by.peer)
    }
    await settle()
    expect(s.driver.definition(toolDigest(definition('a')))).toBeDefined()
    expect(s.asked.filter((line) => line === `definitions ${other.peer}`)).toHaveLength(1)
    s.driver.stop()
    expect(s.clock.pending).toBe(0)
  })

  test('a definition that does not match its digest is refused', async () => {
    const s = setup((_, kind, body) => {
      if (kind === 'digest') return empty
      return encodeDefinitionsAnswer({ definitions: decodeDefinitionsRequest(body).digests.map((digest) => ({ digest, json: new Uint8Array(Buffer.from('{"name":"evil"}')) })), more: false })
    })
    s.learn(other, localServer('files', ['a']))
    s.driver.sessionUp(other.peer)
    await settle()
    expect(s.driver.definition(toolDigest(definition('a')))).toBeUndefined()
    expect(s.count('skein_catalog_definitions_total', 'bad')).toBe(1)
    expect(s.asked.filter((line) => line.startsWith('definitions'))).toHaveLength(1)
  })

  test('exposes what is exposed, offers the rest to itself, and answers definitions of the former only', () => {
    const s = setup(() => empty)
    const mixed = localServer('files', ['a'])
    mixed.tools.push({ definition: definition('secret'), repeatable: false, exposed: false })
    s.driver.setLocal([mixed, localServer('graph', ['g'], {}, false)], { ...DESCRIPTOR, name: 'bad\u0007name' })
    const record = openRecord((decodeGossip(s.published[0] as Uint8Array) as { record: Uint8Array }).record)
    expect(record.name).toBe('badname')
    expect(record.servers.map(({ name, tools }) => [name, ...tools.map((tool) => tool.name)])).toEqual([['files', 'a']])
    expect(s.driver.offers().servers.map(({ advertised, tools }) => [advertised, ...tools.map(({ tool }) => tool)])).toEqual([['files', 'a', 'secret'], ['graph', 'g']])
    const digests = ['a', 'secret', 'g'].map((name) => toolDigest(definition(name)))
    const answer = decodeDefinitionsAnswer(s.driver.answer('definitions', encodeDefinitionsRequest({ digests }), other.peer) as Uint8Array)
    expect(answer.definitions.map(({ digest }) => digest)).toEqual([digests[0]])
    expect(s.driver.definition(digests[1] as string)).toEqual(definition('secret'))
  })

  test('tools that no other node would accept stay here, with a sentence', () => {
    const s = setup(() => empty)
    const files = localServer('files', ['ok', 'x'.repeat(129), 'bell\u0007'])
    const inputSchema = JSON.parse(`${'{"a":'.repeat(64)}1${'}'.repeat(64)}`) as object
    files.tools.push({ definition: { name: 'deep', inputSchema }, repeatable: false, exposed: true })
    s.driver.setLocal([files], DESCRIPTOR)
    expect(s.driver.records()[0]?.servers[0]?.tools.map(({ name }) => name)).toEqual(['ok'])
    expect(s.warnings[0]).toMatch(/3 tools of server "files" stay on this node .*expose/)
    s.driver.setLocal(Array.from({ length: 70 }, (_, index) => localServer(`s${index}`, Array.from({ length: 400 }, (__, tool) => `${'n'.repeat(90)}${tool}`))), DESCRIPTOR)
    expect(s.driver.records()[0]?.servers.length).toBeGreaterThan(5)
  })

  test('a record may be filled to its last byte; who comes after that stays here, is named once and stays named', () => {
    // With one of the three, some shorter name fills what the long ones leave.
    for (const first of [1, 60, 120]) {
      const s = setup(() => empty)
      const long = Array.from({ length: 5_500 }, (_, n) => String(n).padEnd(128, 'x'))
      const shorter = Array.from({ length: 127 }, (_, n) => 'y'.repeat(127 - n))
      const servers = [localServer('a', ['z'.repeat(first), ...long, ...shorter]), localServer('b', ['tool'])]
      for (let n = 0; n < 2; n++) s.driver.setLocal(servers, DESCRIPTOR)
      expect(s.driver.records()[0]?.servers.map(({ name, tools }) => [name, tools.length > 1_000])).toEqual([['a', true]])
      expect(s.warnings).toEqual([expect.stringContaining('tools of server "a" stay on this node'), expect.stringContaining('server "b" stays on this node: the servers before it')])
      expect(s.driver.problems()).toEqual(s.warnings)
      s.driver.setLocal([localServer('b', ['tool'])], DESCRIPTOR)
      expect(s.driver.problems()).toEqual([])
    }
  })

  test('a sender of bad records is named once and counted always', () => {
    const s = setup(() => empty)
    for (let n = 0; n < 3; n++) s.driver.onGossip('root', Uint8Array.of(n), other.peer)
    s.driver.onGossip('root', encodeGossip({ federation: 'fed', pool: 'root', record: sealRecord(nodeRecord(other.peer), third) }), third.peer)
    expect(s.warnings).toHaveLength(2)
    expect(s.count('skein_catalog_updates_total', 'gossip', 'bad')).toBe(4)
  })

  test('a listener that throws harms nobody', () => {
    const s = setup(() => empty)
    let heard = 0
    s.driver.onChange(() => {
      throw new Error('listener')
    })
    const stop = s.driver.onChange(() => heard++)
    s.driver.setLocal([localServer('files', ['a'])], DESCRIPTOR)
    expect(heard).toBe(1)
    stop()
    s.driver.setLocal([], DESCRIPTOR)
    expect(heard).toBe(1)
  })

  test('a member that fails takes its offers along at once, session or not', () => {
    const s = setup((_, kind, body) => (kind === 'digest' ? empty : serve(body, 'a')))
    s.learn(other, localServer('files', ['a']))
    s.driver.sessionUp(other.peer)
    expect(s.driver.offers().servers).toHaveLength(1)
    s.driver.memberDown('root', other.peer)
    expect(s.driver.offers().servers).toEqual([])
    s.driver.memberUp('root', other.peer)
    expect(s.driver.offers().servers).toHaveLength(1)
  })

  test('the same servers again tell nobody and publish nothing', () => {
    const s = setup(() => empty)
    s.driver.setLocal([localServer('files', ['a'])], DESCRIPTOR)
    const offers = s.driver.offers()
    s.driver.setLocal([localServer('files', ['a'])], DESCRIPTOR)
    expect(s.published).toHaveLength(1)
    expect(s.driver.offers()).toBe(offers)
  })

  test('what a server says about itself is fetched like a definition, without tools too', async () => {
    const about: About = { capabilities: { prompts: {} }, serverInfo: { name: 'words', version: '1' }, prompts: [{ name: 'p' }], resources: [], resourceTemplates: [] }
    const digest = toolDigest(about)
    const teller = setup(() => empty)
    teller.driver.setLocal([localServer('words', [], { about: { document: about, exposed: true } })], DESCRIPTOR)
    expect(teller.driver.records()[0]?.servers).toMatchObject([{ name: 'words', about: digest, tools: [] }])
    const listener = setup((_, kind, body) => (kind === 'digest' ? empty : (teller.driver.answer('definitions', body, third.peer) as Uint8Array)))
    const record = sealRecord(nodeRecord(other.peer, { servers: [{ name: 'words', claimed: 1, stateless: false, about: digest, tools: [] }] }), other)
    listener.driver.onGossip('root', encodeGossip({ federation: 'fed', pool: 'root', record }), other.peer)
    listener.driver.sessionUp(other.peer)
    await settle()
    expect(listener.driver.offers().servers).toMatchObject([{ advertised: 'words', about: digest, providers: [other.peer], tools: [] }])
    expect(listener.driver.definition(digest)).toEqual(about)
    expect(listener.asked.filter((line) => line.startsWith('definitions'))).toHaveLength(1)
  })

  test('a hidden server says nothing to others, and its own node knows it', () => {
    const s = setup(() => empty)
    const about: About = { capabilities: {}, serverInfo: {}, prompts: [], resources: [], resourceTemplates: [] }
    s.driver.setLocal([localServer('graph', ['g'], { about: { document: about, exposed: false } }, false)], DESCRIPTOR)
    expect(s.driver.records()[0]?.servers).toEqual([])
    expect(s.driver.offers().servers[0]).toMatchObject({ about: toolDigest(about) })
    s.driver.setLocal([localServer('half', ['t'], { about: { document: about, exposed: false } })], DESCRIPTOR)
    expect(s.driver.records()[0]?.servers).toMatchObject([{ name: 'half' }])
    expect(s.driver.records()[0]?.servers[0]).not.toHaveProperty('about')
    expect(decodeDefinitionsAnswer(s.driver.answer('definitions', encodeDefinitionsRequest({ digests: [toolDigest(about)] }), other.peer) as Uint8Array).definitions).toEqual([])
  })

  test('what is too large for others loses its longest lists first, by name', () => {
    const s = setup(() => empty)
    const many = (key: string) => Array.from({ length: 2_000 }, (_, n) => ({ [key]: `${key}-${n}`, description: 'x'.repeat(100) }))
    const about: About = { capabilities: { prompts: {} }, serverInfo: { name: 'big' }, prompts: [{ name: 'p' }], resources: many('uri'), resourceTemplates: many('uriTemplate') }
    s.driver.setLocal([localServer('big', [], { about: { document: about, exposed: true } })], DESCRIPTOR)
    const digest = s.driver.records()[0]?.servers[0]?.about as string
    const shared = s.driver.definition(digest)
    expect(shared).toEqual({ ...about, resources: [], resourceTemplates: [], partial: ['resources', 'resourceTemplates'] })
    expect(s.warnings).toEqual([expect.stringMatching(/^server "big" .*resources, resourceTemplates/)])
    const [answered] = decodeDefinitionsAnswer(s.driver.answer('definitions', encodeDefinitionsRequest({ digests: [digest] }), other.peer) as Uint8Array).definitions
    expect(answered?.json.length).toBeLessThan(256 * 1024)
    const huge: About = { capabilities: {}, serverInfo: {}, instructions: 'x'.repeat(300_000), prompts: [{ name: 'p' }], resources: [], resourceTemplates: [] }
    s.driver.setLocal([localServer('big', [], { about: { document: huge, exposed: true } })], DESCRIPTOR)
    expect(s.driver.definition(s.driver.records()[0]?.servers[0]?.about as string)).toMatchObject({ capabilities: {}, prompts: [] })
  })

  test('malformed requests are refused by name', () => {
    const s = setup(() => empty)
    for (const kind of ['digest', 'push', 'definitions'] as const) expect(() => s.driver.answer(kind, Uint8Array.of(0xff), other.peer)).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL' }))
  })
})
