import { describe, expect, test } from 'vitest'
import { silentLogger, type LogFields, type Logger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createMembership, LEAVE_FLUSH, LEAVE_WAIT, type Membership } from '../../../src/membership/driver.ts'
import type { SendResult } from '../../../src/membership/ports.ts'
import { PROFILES } from '../../../src/membership/profiles.ts'
import type { KnockResult, LocalMember, MemberEvent } from '../../../src/membership/types.ts'
import { encodeSwimFrame } from '../../../src/wire/swim.ts'
import { sealStatement, verifyStatement } from '../../../src/wire/swim-statements.ts'
import type { SwimScope } from '../../../src/wire/swim-types.ts'
import { signer } from '../../support/catalog-fixtures.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'

const SCOPE: SwimScope = { federation: 'fed', pool: 'root' }
const BOOT = 1_700_000_000_000
const LENGTH_BYTES = 4
const addressOf = (index: number) => `/ip4/192.0.2.${index + 1}/tcp/4001`

function local(index: number, more: Partial<LocalMember> = {}): LocalMember {
  const credential = { authority: new Uint8Array(32), certificate: Uint8Array.of(1), credential: Uint8Array.of(2) }
  return { name: `node-${index}`, version: '1.0.0', addresses: [addressOf(index)], credential, ...more }
}

interface Node {
  index: number
  peer: string
  membership: Membership
  events: MemberEvent[]
  lines: { level: string; message: string; fields: LogFields | undefined }[]
  metric(name: string, ...labels: string[]): number
  /** What its network does. */
  net: { result: SendResult | undefined; failSend: boolean; knock: KnockResult; dials: { peer: string; signal: AbortSignal; end(error?: Error): void }[]; knocked: string[]; closed: string[]; sent: number; onClose: (peer: string) => void }
}

/** Drivers on one virtual wire; frames take a millisecond. */
function createNet(clock: ManualClock = createManualClock()) {
  const nodes = new Map<string, Node>()
  const links = new Set<string>()
  const key = (a: string, b: string) => [a, b].sort().join(' ')

  function add(index: number): Node {
    const me = signer(index)
    const meter = createMeter()
    const lines: Node['lines'] = []
    const line = (level: string) => (message: string, fields?: LogFields) => void lines.push({ level, message, fields })
    const logger: Logger = { ...silentLogger, info: line('info'), warn: line('warn'), error: line('error'), child: () => logger }
    const net: Node['net'] = { result: undefined, failSend: false, knock: 'silent', dials: [], knocked: [], closed: [], sent: 0, onClose() {} }
    const membership = createMembership(
      {
        clock, random: seededRandom(index + 1), meter, logger,
        network: {
          send(peer, frame) {
            if (net.failSend) throw new Error('no socket')
            if (!links.has(key(me.peer, peer))) return 'lost'
            net.sent++
            clock.after(1, () => links.has(key(me.peer, peer)) && nodes.get(peer)?.membership.received(me.peer, frame.subarray(LENGTH_BYTES)))
            return net.result ?? 'sent'
          },
          knock: async (addresses) => {
            net.knocked.push(...addresses)
            return net.knock
          },
          dial: (peer, _addresses, { signal }) =>
            new Promise((resolve, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason), { once: true })
              net.dials.push({ peer, signal, end: (error) => (error === undefined ? resolve() : reject(error)) })
            }),
          close(peer) {
            net.closed.push(peer)
            net.onClose(peer)
          }
        },
        seal: {
          seal: (statement) => sealStatement(statement, SCOPE, me),
          verify: (sealed) => verifyStatement(sealed, SCOPE),
          standing: () => ({ tier: 'leaf', region: 'eu' })
        }
      },
      { self: me.peer, scope: SCOPE, profile: PROFILES.lan }
    )
    const events: MemberEvent[] = []
    membership.onEvent((event) => events.push(event))
    const metric = (name: string, ...labels: string[]) => meter.snapshot().find((one) => one.name === name)?.samples.find((sample) => sample.labels.join() === labels.join())?.value ?? 0
    const node = { index, peer: me.peer, membership, events, lines, metric, net }
    nodes.set(me.peer, node)
    return node
  }

  function link(a: Node, b: Node): void {
    links.add(key(a.peer, b.peer))
    a.membership.linkUp(b.peer, { address: addressOf(b.index), dialled: true })
    b.membership.linkUp(a.peer, { address: '/ip4/192.0.2.99/tcp/50000', dialled: false })
  }

  async function pass(ms: number): Promise<void> {
    const end = clock.now() + ms
    while (clock.now() < end) {
      clock.advance(Math.min(10, end - clock.now()))
      // What the network answers comes between the steps.
      for (let turn = 0; turn < 4; turn++) await Promise.resolve()
    }
  }

  return { clock, links, key, add, link, pass }
}

/** Two members that know each other. */
async function pair() {
  const net = createNet()
  const a = net.add(0)
  const b = net.add(1)
  a.membership.start(local(0), BOOT)
  b.membership.start(local(1), BOOT + 1)
  net.link(a, b)
  await net.pass(2_000)
  return { ...net, a, b }
}

const types = ({ events }: Node) => events.map(({ type }) => type)

describe('membership driver', () => {
  test('two that are connected know each other, probe each other, and count it', async () => {
    const { a, b, pass } = await pair()
    expect(a.events).toMatchObject([{ type: 'joined', member: { peer: b.peer, name: 'node-1', state: 'alive', incarnation: BOOT + 1, tier: 'leaf', region: 'eu' } }])
    expect(a.membership.members().map(({ peer }) => peer).sort()).toEqual([a.peer, b.peer].sort())
    await pass(5_000)
    expect(types(a)).toEqual(['joined'])
    expect(a.metric('skein_membership_probes_total', 'direct')).toBeGreaterThan(3)
    expect(a.metric('skein_membership_sent_total', 'ping')).toBeGreaterThan(3)
    expect(a.metric('skein_membership_received_total', 'ack')).toBeGreaterThan(3)
    expect(a.metric('skein_membership_sent_bytes_total', 'ping')).toBeGreaterThan(300)
    expect([a.metric('federation_nodes_total'), a.metric('federation_nodes_healthy'), a.metric('membership_failures_total')]).toEqual([2, 2, 0])
    expect(a.lines).toEqual([{ level: 'info', message: 'a node joined', fields: { node: 'node-1', peer: b.peer, addresses: [addressOf(1)] } }])
  })

  test('links that came up before the start are told after it', async () => {
    const net = createNet()
    const [a, b] = [net.add(0), net.add(1)]
    b.membership.start(local(1), BOOT)
    net.link(a, b)
    expect(a.net.sent).toBe(0)
    a.membership.received(b.peer, Uint8Array.of(1, 2, 3))
    expect(a.lines).toEqual([])
    a.membership.start(local(0), BOOT)
    await net.pass(1_000)
    expect([types(a), types(b)]).toEqual([['joined'], ['joined']])
  })

  test.each<[SendResult | undefined, number]>([
    [undefined, LEAVE_FLUSH],
    ['kept', LEAVE_WAIT],
    ['replaced', LEAVE_WAIT]
  ])('leaves with one message, a goodbye that was %s gets its time, and may come back', async (result, wait) => {
    const { a, b, pass } = await pair()
    a.net.result = result
    let done = false
    void a.membership.leave().then(() => (done = true))
    await pass(wait - 10)
    expect([done, types(b)]).toEqual([false, ['joined', 'left']])
    await pass(10)
    expect(done).toBe(true)
    const { sent } = a.net
    await a.membership.leave()
    await pass(5_000)
    expect([a.net.sent, b.membership.member(a.peer)?.state]).toEqual([sent, 'left'])
    expect(b.lines.at(-1)).toMatchObject({ level: 'info', message: 'a node left', fields: { node: 'node-0', was: 'alive', for: '2.0 s' } })
    a.membership.start(local(0), BOOT + 10)
    await pass(1_000)
    expect(b.events.at(-1)).toMatchObject({ type: 'joined', was: 'left' })
    expect(b.membership.member(a.peer)?.incarnation).toBeGreaterThan(BOOT)
  })

  test('leaving alone takes no time', async () => {
    const { add, clock } = createNet()
    const a = add(0)
    a.membership.start(local(0), BOOT)
    await a.membership.leave()
    expect(clock.now()).toBe(0)
  })

  test('a broken connection is looked into, and two refusals are a failure, told by name', async () => {
    const { a, b, links, key, pass } = await pair()
    a.net.knock = 'refused'
    links.delete(key(a.peer, b.peer))
    b.membership.stop()
    a.membership.linkDown(b.peer, { expected: false })
    await pass(1_000)
    expect(a.net.knocked.slice(0, 2)).toEqual([addressOf(1), addressOf(1)])
    expect(types(a)).toContain('failed')
    expect(a.membership.member(b.peer)?.state).toBe('dead')
    expect([a.metric('membership_failures_total'), a.metric('federation_nodes_total'), a.metric('federation_nodes_healthy')]).toEqual([1, 2, 1])
    expect(a.metric('skein_membership_knocks_total', 'refused')).toBeGreaterThanOrEqual(2)
    expect(a.lines.filter(({ level }) => level === 'warn')).toMatchObject([{ message: expect.stringMatching(/^a node failed/), fields: { node: 'node-1', peer: b.peer } }])
  })

  test('dials end as events: what failed is tried again, and all end with the driver', async () => {
    const { a, b, links, key, clock, pass } = await pair()
    a.net.knock = 'open'
    links.delete(key(a.peer, b.peer))
    a.membership.linkDown(b.peer, { expected: false })
    await pass(3_000)
    expect(a.net.dials).toHaveLength(1)
    a.net.dials[0]?.end(new Error('refused'))
    await pass(3_000)
    expect(a.net.dials).toHaveLength(2)
    expect(a.metric('skein_membership_dials_total', 'failed')).toBe(1)
    b.membership.stop()
    a.membership.stop()
    expect(a.net.dials[1]?.signal.aborted).toBe(true)
    await pass(100)
    expect(a.metric('skein_membership_dials_total', 'failed')).toBe(1)
    expect(clock.pending).toBe(0)
    a.membership.linkDown(b.peer, { expected: false })
    a.membership.update(local(0, { name: 'other' }))
    expect(clock.pending).toBe(0)
  })

  test('says anew what changed, and nothing when nothing did', async () => {
    const { a, b, pass } = await pair()
    a.membership.update(local(0))
    await pass(1_000)
    expect(types(b)).toEqual(['joined'])
    a.membership.update(local(0, { addresses: ['/ip4/192.0.2.50/tcp/4001'] }))
    await pass(1_000)
    expect(b.events.at(-1)).toMatchObject({ type: 'updated', member: { addresses: ['/ip4/192.0.2.50/tcp/4001'] } })
    const renewed = { ...local(0).credential, credential: Uint8Array.of(3) }
    a.membership.update(local(0, { addresses: ['/ip4/192.0.2.50/tcp/4001'], credential: renewed }))
    await pass(1_000)
    expect(types(b)).toEqual(['joined', 'updated', 'updated'])
  })

  test('what cannot be read or believed is counted by reason, its sender named once, and nothing ends', async () => {
    const { a, b, pass } = await pair()
    for (let n = 0; n < 3; n++) a.membership.received(b.peer, Uint8Array.of(n))
    const foreign = encodeSwimFrame({ federation: 'other', pool: 'root' }, { kind: 'gossip', updates: [] }).subarray(LENGTH_BYTES)
    a.membership.received(b.peer, foreign)
    const alive = sealStatement({ kind: 'leave', subject: b.peer, incarnation: BOOT + 1 }, SCOPE, signer(1))
    const broken = Uint8Array.from(alive.bytes)
    broken[broken.length - 1] = (broken.at(-1) as number) ^ 1
    a.membership.received(b.peer, encodeSwimFrame(SCOPE, { kind: 'gossip', updates: [{ ...alive, bytes: broken }, { ...alive, bytes: Uint8Array.of(9) }] }).subarray(LENGTH_BYTES))
    const rejected = (reason: string) => a.metric('skein_membership_rejected_total', reason)
    expect(['malformed', 'foreign', 'forged', 'unreadable'].map(rejected)).toEqual([3, 1, 1, 1])
    expect(a.lines.filter(({ level }) => level === 'warn')).toMatchObject([{ fields: { node: 'node-1', from: b.peer, reason: 'malformed' } }])
    await pass(3_000)
    expect(a.membership.member(b.peer)?.state).toBe('alive')
  })

  test('listeners that throw, a network that throws, and steps within steps harm nothing', async () => {
    const { a, b, links, key, pass } = await pair()
    a.membership.onEvent(() => {
      throw new Error('listener')
    })
    const heard: string[] = []
    const stop = a.membership.onEvent(({ type }) => heard.push(type))
    // The connection breaks in the very call that closes it.
    a.net.onClose = (peer) => a.membership.linkDown(peer, { expected: true })
    // Both hear nothing of the other any more.
    links.delete(key(a.peer, b.peer))
    await pass(40_000)
    expect(heard).toEqual(['suspected', 'failed'])
    expect(a.net.closed).toEqual([b.peer])
    expect(a.lines.filter(({ level, fields }) => level === 'error' && fields?.['error'] === 'listener').length).toBeGreaterThan(0)
    stop()
    a.net.failSend = true
    links.add(key(a.peer, b.peer))
    a.membership.linkUp(b.peer, { address: addressOf(1), dialled: true })
    await pass(2_000)
    expect(a.lines.some(({ fields }) => fields?.['error'] === 'no socket')).toBe(true)
    a.net.failSend = false
    b.membership.linkUp(a.peer, { address: addressOf(0), dialled: false })
    await pass(5_000)
    expect(a.membership.member(b.peer)?.state).toBe('alive')
    expect(a.lines.findLast(({ level }) => level === 'info')).toMatchObject({ message: 'a node is back', fields: { node: 'node-1', was: 'dead' } })
    // Nobody was told who had stopped listening.
    expect(heard).toEqual(['suspected', 'failed'])
  })

  test('falls silent when a newer process has its identity, and says what to do', async () => {
    const { a, b, pass } = await pair()
    await pass(6_000)
    const by: { boot: number; name: string }[] = []
    a.membership.onSuperseded((newer) => by.push(newer))
    const copy = sealStatement({ kind: 'alive', subject: a.peer, incarnation: BOOT + 100, boot: BOOT + 100, ...local(0, { name: 'copy' }), addresses: [addressOf(7)] }, SCOPE, signer(0))
    a.membership.received(b.peer, encodeSwimFrame(SCOPE, { kind: 'gossip', updates: [copy] }).subarray(LENGTH_BYTES))
    expect(by).toMatchObject([{ boot: BOOT + 100, name: 'copy' }])
    expect(a.lines.at(-1)).toMatchObject({ level: 'error', message: expect.stringContaining('node.data_dir'), fields: { node: 'copy', addresses: [addressOf(7)] } })
    const { sent } = a.net
    await a.membership.leave()
    await pass(3_000)
    expect(a.net.sent).toBe(sent)
  })
})
