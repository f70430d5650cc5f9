import { signerFromSeed, type Signer } from '../../src/wire/envelope.ts'
import type { NodeRecord, ServerEntry } from '../../src/wire/catalog-types.ts'
import { toolDigest } from '../../src/wire/catalog-record.ts'
import type { Descriptor, LocalServer } from '../../src/federation/catalog/ports.ts'

/** Signers of fixed seeds, sorted by peer id, so that tests can say who is lower. */
export const SIGNERS: readonly Signer[] = Array.from({ length: 16 }, (_, index) => signerFromSeed(new Uint8Array(32).fill(index + 1))).toSorted((a, b) =>
  a.peer < b.peer ? -1 : 1
)

export function signer(index: number): Signer {
  return SIGNERS[index] as Signer
}

export const WALL = 1_700_000_000_000

export function server(name: string, tools: readonly string[], more: Partial<ServerEntry> = {}): ServerEntry {
  return { name, claimed: WALL, stateless: false, tools: tools.map((tool) => ({ name: tool, digest: toolDigest({ name: tool }), repeatable: false })), ...more }
}

export function nodeRecord(peer: string, more: Partial<NodeRecord> = {}): NodeRecord {
  return {
    federation: 'fed', pool: 'root', peer, sequence: WALL, expires: WALL + 600_000, name: 'node', region: '', tier: 'leaf', addresses: ['/ip4/192.0.2.1/tcp/4001'], draining: false,
    servers: [], ...more
  }
}

export function localServer(name: string, tools: readonly string[], more: Partial<LocalServer> = {}, exposed = true): LocalServer {
  return { name, claimed: WALL, stateless: false, tools: tools.map((tool) => ({ definition: { name: tool, inputSchema: { type: 'object' } }, repeatable: false, exposed })), ...more }
}

export const DESCRIPTOR: Descriptor = { name: 'node', addresses: ['/ip4/192.0.2.1/tcp/4001'], region: '', tier: 'leaf', draining: false }
