import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { createPoolMembers, type PoolMembers } from '../../../src/membership/pools.ts'
import { PROFILES } from '../../../src/membership/profiles.ts'
import type { Host } from '../../../src/net/host.ts'
import { createMemberNetwork } from '../../../src/net/member-network.ts'
import { signerFromSeed } from '../../../src/wire/envelope.ts'
import { sealStatement, verifyStatement } from '../../../src/wire/swim-statements.ts'
import { secretRules, startHost } from '../../support/hosts.ts'
import { waitUntil } from '../../support/wait-until.ts'

interface Node {
  host: Host
  members: PoolMembers
  stop(): Promise<void>
}

const nodes: Node[] = []
const boot = Date.now()

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
})

/** Pools over real connections; credentials are taken on trust, signatures are not. */
async function startNode(seed: number, ...pools: string[]): Promise<Node> {
  const signer = signerFromSeed(new Uint8Array(32).fill(seed))
  const late: { members?: PoolMembers } = {}
  const host = await startHost({
    seed, rules: secretRules('s'),
    events: { peerUp: (peer, at) => late.members?.linkUp(peer, at), peerDown: (peer, how) => late.members?.linkDown(peer, how) }
  })
  const network = createMemberNetwork(host, { clock: systemClock, logger: silentLogger })
  const members = createPoolMembers(
    {
      clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger, network,
      seal: (pool) => ({
        seal: (statement) => sealStatement(statement, { federation: 'f', pool }, signer),
        verify: (sealed) => verifyStatement(sealed, { federation: 'f', pool }),
        standing: () => ({ tier: 'leaf', region: '' })
      })
    },
    { self: host.self, federation: 'f', profile: PROFILES.local }
  )
  late.members = members
  network.onFrame((peer, message) => members.received(peer, message))
  const credential = { authority: new Uint8Array(32), certificate: Uint8Array.of(1), credential: Uint8Array.of(2) }
  for (const pool of pools) members.enter(pool)
  members.start({ name: `n${seed}`, version: '1', addresses: host.addresses().map((address) => address.split('/p2p/')[0] as string), credential }, boot + seed)
  const node = {
    host, members,
    async stop() {
      members.stop()
      network.stop()
      await host.stop()
    }
  }
  nodes.push(node)
  return node
}

test('two pools over the same connections: one is left and the connection stays, both are left and it is closed', async () => {
  const [hub, peer, leaf] = [await startNode(1, 'home', 'up'), await startNode(2, 'home', 'up'), await startNode(3, 'home')]
  for (const { host } of [peer, leaf]) await host.connect(hub.host.addresses(), { peer: hub.host.self, signal: AbortSignal.timeout(10_000) })
  await waitUntil('all are known', () => hub.members.members().length === 3 && leaf.members.members('home').length === 3 && peer.members.poolsOf(hub.host.self).length === 2)
  expect(leaf.members.members('up')).toEqual([])
  await waitUntil('everybody of home is linked with everybody', () => leaf.host.peers().length === 2)

  const told: string[] = []
  hub.members.onEvent(({ type, member }) => told.push(`${type} ${member.name}`))
  await peer.members.leave('home')
  await waitUntil('it has left home', () => hub.members.member(peer.host.self, 'home')?.state === 'left' && leaf.members.member(peer.host.self)?.state === 'left')
  await waitUntil('its link with the leaf is closed', () => !leaf.host.peers().includes(peer.host.self))
  expect(hub.members.member(peer.host.self)?.state).toBe('alive')
  expect(hub.host.peers()).toContain(peer.host.self)
  expect(told).toEqual([])

  peer.members.enter('home', { through: [hub.host.self] })
  await waitUntil('it is back in home', () => leaf.members.member(peer.host.self)?.state === 'alive')
  await Promise.all([peer.members.leave('home'), peer.members.leave('up')])
  await waitUntil('it has left everywhere', () => hub.members.member(peer.host.self)?.state === 'left')
  await waitUntil('its links are closed', () => peer.host.peers().length === 0)
  expect(told.filter((line) => line !== 'suspected n2' && line !== 'recovered n2')).toEqual(['left n2'])
})
