import { silentLogger } from '../../src/base/logger.ts'
import { seededRandom } from '../../src/base/random.ts'
import { createOrigins, type Origins } from '../../src/node/members/origins.ts'
import { createReach } from '../../src/rpc/reach/reach.ts'
import type { Reach } from '../../src/rpc/reach/types.ts'
import { createRelay, type RelayOptions } from '../../src/rpc/relay/relay.ts'
import { createTickets, type Tickets } from '../../src/rpc/relay/tickets.ts'
import { issueCredential } from '../../src/security/credential.ts'
import type { CredentialBundle } from '../../src/wire/admission-documents.ts'
import { signerFromSeed, type Signer } from '../../src/wire/envelope.ts'
import { METHOD } from '../../src/wire/protocols.ts'
import { openTicket, sealTicket } from '../../src/wire/relay.ts'
import type { ServerExchange } from '../../src/rpc/types.ts'
import { createFounder, type Member } from './security-world.ts'
import { createRpcNet, type NodeOptions, type RpcNet, type TestNode } from './rpc-net.ts'
import type { PairOptions } from './stream-pair.ts'

export interface ReachNode extends TestNode {
  /** Peer id. */
  id: string
  signer: Signer
  tickets: Tickets
  reach: Reach
  /** Peers whose connections it gave up. */
  abandoned: string[]
  /** `+peer` and `-peer`, as the catalog hears it. */
  lives: string[]
  /** What its reach does to find the way to a node of another pool. */
  resolveAgain(peer: string, within: number): Promise<void>
  origins: Origins
  /** Exchanges of METHOD.MCP_CALL that came here; ECHO answers by itself. */
  served: ServerExchange[]
}

export interface ReachNet {
  net: RpcNet
  nodes: ReachNode[]
  /** Nothing passes between the two any more, nobody is told. */
  block(a: ReachNode, b: ReachNode): void
  unblock(a: ReachNode, b: ReachNode): void
  /** Nothing leaves or reaches this node. */
  freeze(node: ReachNode): void
  thaw(node: ReachNode): void
  /** Connects two, or connects them again. */
  link(a: ReachNode, b: ReachNode): Promise<void>
  /** The connection is gone, both notice. */
  unlink(a: ReachNode, b: ReachNode): Promise<void>
}

const FEDERATION = 'f'
/** Who admitted all of them. */
const FOUNDER = createFounder(99)
const FOUNDING = FOUNDER.admission.myCredential()

/** A credential of the nodes' federation. */
export function credentialFor(peer: string, { issuer = FOUNDER, expires = Infinity }: { issuer?: Member; expires?: number } = {}): CredentialBundle {
  const { bundle, credential } = issuer.admission.myCredential()
  const kit = { signer: issuer.signer, certificate: bundle.certificate, authority: bundle.authority, federation: { id: credential.federation, name: 'acme' } }
  const standing = { tier: 'leaf', region: 'eu', roles: [] } as const
  const now = issuer.clock.wall()
  return issueCredential({ ...kit, lifetime: Math.min(30 * 86_400_000, expires - now) }, peer, { ...standing, roles: [] }, { now, random: seededRandom(1) })
}
/** With ids that grow, so that the first of two nodes opens. */
const SIGNERS = Array.from({ length: 8 }, (_, seed) => signerFromSeed(new Uint8Array(32).fill(seed + 1))).sort((a, b) => (a.peer < b.peer ? -1 : 1))

/**
 * `count` nodes with RPC, relay and reach, all members of each other or of the `pools` that they share,
 * linked as `links` says (by index), on a manual clock.
 */
export async function createReachNet(count: number, links: readonly (readonly [number, number])[], options: PairOptions & { node?: NodeOptions; relay?: Omit<RelayOptions, 'self'>; pools?: readonly (readonly number[])[]; banned?: Set<string> } = {}): Promise<ReachNet> {
  const net = createRpcNet(options)
  const blocked = new Set<string>()
  const key = (a: string, b: string) => (a < b ? `${a} ${b}` : `${b} ${a}`)
  const pools = options.pools ?? [SIGNERS.map((_, index) => index)]
  const share = (a: number, b: number) => pools.some((pool) => pool.includes(a) && pool.includes(b))
  net.refuse = (from, to) => blocked.has(key(from, to)) || blocked.has(from) || blocked.has(to)

  const nodes = SIGNERS.slice(0, count).map((signer, index): ReachNode => {
    const id = signer.peer
    const node = net.node(id, { federation: FEDERATION, ...options.node })
    const deps = { clock: net.clock, random: seededRandom(index + 1), meter: node.meter, logger: silentLogger, rpc: node.rpc }
    const tickets = createTickets({ ...deps, seal: { seal: (ticket) => sealTicket(ticket, signer), open: openTicket } }, { federation: FEDERATION })
    const credential = credentialFor(id)
    const origins = createOrigins({ clock: net.clock, credential: () => credential, banned: (peer) => options.banned?.has(peer) === true }, { federation: FOUNDING.credential.federation })
    createRelay({ ...deps, tickets, standing: origins.standing, isMember: (peer) => nodes.some((other, at) => other.id === peer && share(at, index)), onReceived: (origin) => node.rpc.doubt(origin) }, { self: id, ...options.relay })
    const abandoned: string[] = []
    const reach = createReach(
      {
        ...deps,
        tickets,
        origin: origins.origin,
        resolveAgain: (peer, within) => (nodes[index] as ReachNode).resolveAgain(peer, within),
        abandon(peer) {
          abandoned.push(peer)
          node.rpc.peerDown(peer)
        }
      },
      { self: id }
    )
    const lives: string[] = []
    const served: ServerExchange[] = []
    reach.onLive((peer, up) => lives.push(`${up ? '+' : '-'}${nodes.findIndex((other) => other.id === peer)}`))
    node.rpc.handle(METHOD.ECHO, (exchange) => exchange.end(exchange.body))
    node.rpc.handle(METHOD.MCP_CALL, (exchange) => served.push(exchange))
    return { ...node, id, signer, tickets, reach, abandoned, lives, served, origins, resolveAgain: () => Promise.resolve() }
  })

  /** Streams stand still where something is blocked. */
  function apply(): void {
    for (const { from, to, pair } of net.pairs) pair.a.stalled = pair.b.stalled = blocked.has(key(from, to)) || blocked.has(from) || blocked.has(to)
  }
  const change = (what: () => void) => {
    what()
    apply()
  }
  const world: ReachNet = {
    net, nodes,
    block: (a, b) => change(() => blocked.add(key(a.id, b.id))),
    unblock: (a, b) => change(() => blocked.delete(key(a.id, b.id))),
    freeze: (node) => change(() => blocked.add(node.id)),
    thaw: (node) => change(() => blocked.delete(node.id)),
    async link(a, b) {
      a.rpc.peerUp(b.id)
      b.rpc.peerUp(a.id)
      await net.run()
    },
    async unlink(a, b) {
      a.rpc.peerDown(b.id)
      b.rpc.peerDown(a.id)
      await net.run()
    }
  }
  for (const [index, node] of nodes.entries()) for (const [at, other] of nodes.entries()) if (other !== node && share(index, at)) node.reach.memberUp(other.id)
  for (const [a, b] of links) await world.link(nodes[a] as ReachNode, nodes[b] as ReachNode)
  return world
}
