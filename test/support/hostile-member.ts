import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { createMeter } from '../../src/base/meter.ts'
import { systemRandom } from '../../src/base/random.ts'
import { createMembership, type Membership } from '../../src/membership/driver.ts'
import { PROFILES } from '../../src/membership/profiles.ts'
import { createHost, type Host } from '../../src/net/host.ts'
import { identityFromSeed } from '../../src/net/identity.ts'
import { createMemberNetwork } from '../../src/net/member-network.ts'
import { admissionRules } from '../../src/node/members/admission-rules.ts'
import { joinWithToken } from '../../src/node/members/credential.ts'
import { createStatementSeals } from '../../src/node/members/statement-seal.ts'
import { createRpc } from '../../src/rpc/rpc.ts'
import type { Rpc } from '../../src/rpc/types.ts'
import { createAdmission } from '../../src/security/admission.ts'
import { verifyToken } from '../../src/security/token.ts'
import type { NodeRecord } from '../../src/wire/catalog-types.ts'
import { signerFromSeed, type Signer } from '../../src/wire/envelope.ts'
import { ROOT_POOL } from '../../src/wire/protocols.ts'
import { createFakeFederationStore, createFakeTokenStore } from './fake-security-stores.ts'
import { waitUntil } from './wait-until.ts'

/** A member with a valid credential that takes part in the membership, and says and sends whatever a test wants beside it. */
export interface HostileMember {
  self: string
  federation: string
  host: Host
  rpc: Rpc
  signer: Signer
  /** A record of its own that others accept, with these parts replaced. */
  record(parts: Partial<NodeRecord>): NodeRecord
  stop(): Promise<void>
}

const RECORD_LIFE_MS = 600_000

/** Joins with a token; a session to `victim` stands when this resolves. */
export async function startHostileMember(seedByte: number, token: string, victim: string): Promise<HostileMember> {
  const seed = new Uint8Array(32).fill(seedByte)
  const identity = await identityFromSeed(seed)
  const signer = signerFromSeed(seed)
  const parts = { clock: systemClock, random: systemRandom, logger: silentLogger, meter: createMeter() }
  const admission = createAdmission({ ...parts, signer, tokens: createFakeTokenStore(), federation: createFakeFederationStore() })
  const sessions: { rpc?: Rpc; membership?: Membership } = {}
  const host = await createHost(
    {
      ...parts,
      rules: admissionRules(admission, { rpc: () => sessions.rpc as Rpc, isBanned: () => false }),
      events: {
        peerUp(peer, at) {
          sessions.rpc?.peerUp(peer)
          sessions.membership?.linkUp(peer, at)
        },
        peerDown(peer, why) {
          sessions.rpc?.peerDown(peer)
          sessions.membership?.linkDown(peer, why)
        },
        sessionStream: (peer, stream) => sessions.rpc?.accept(peer, stream)
      }
    },
    {
      self: identity.peer, privateKey: identity.privateKey, listen: ['/ip4/127.0.0.1/tcp/0'], announce: [], userAgent: 'hostile',
      maxConnections: 50, dialTimeout: 5_000, gossip: { interval: 200, fanout: 3, maxMessageBytes: 65_536 }
    }
  )
  await host.start()
  await joinWithToken({ ...parts, admission, host, bootstrap: [] }, token, 'mallory')
  const { federation, addresses } = verifyToken(token, systemClock.wall())
  const rpc = createRpc({ ...parts, opener: host }, { self: identity.peer, federation, bootId: BigInt(Date.now()) })
  sessions.rpc = rpc
  const scope = { federation, pool: ROOT_POOL }
  const network = createMemberNetwork(host, parts)
  const membership = createMembership({ ...parts, network, seal: createStatementSeals({ clock: systemClock, signer }, scope)(scope.pool) }, { self: identity.peer, scope, profile: PROFILES.lan })
  sessions.membership = membership
  network.onFrame((peer, message) => membership.received(peer, message))
  membership.start({ name: 'mallory', version: '0.0.0', addresses: host.addresses(), credential: admission.myCredential().bundle }, Date.now())
  await host.connect(addresses, { peer: victim, signal: AbortSignal.timeout(10_000) })
  rpc.peerUp(victim)
  await waitUntil('the session stands', () => rpc.sessions().some((session) => session.peer === victim))
  let sequence = Date.now()
  return {
    self: identity.peer, federation, host, rpc, signer,
    record: (changes) => ({
      federation, pool: ROOT_POOL, peer: identity.peer, sequence: ++sequence, expires: Date.now() + RECORD_LIFE_MS,
      name: 'mallory', region: '', tier: 'leaf', addresses: host.addresses(), draining: false, servers: [], ...changes
    }),
    async stop() {
      membership.stop()
      network.stop()
      rpc.close()
      await host.stop()
    }
  }
}
