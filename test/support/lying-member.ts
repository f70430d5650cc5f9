import type { ServerExchange } from '../../src/rpc/types.ts'
import { sealRecord, toolDigest } from '../../src/wire/catalog-record.ts'
import { decodeDefinitionsRequest, encodeDefinitionsAnswer, encodeDigestAnswer, encodePush } from '../../src/wire/catalog.ts'
import { canonicalJson } from '../../src/wire/canonical-json.ts'
import { encodeCbor } from '../../src/wire/cbor.ts'
import { decodeMcpCall } from '../../src/wire/mcp-call.ts'
import { METHOD, ROOT_POOL } from '../../src/wire/protocols.ts'
import { startHostileMember, type HostileMember } from './hostile-member.ts'

/** A node that offers servers as others do and answers calls as its owner likes. */
export interface LyingMember extends HostileMember {
  /** Calls that came, by server. */
  readonly called: ReadonlyMap<string, number>
}

/**
 * Joins and offers one tool under several server names, all stateless, so that it is a replica where others offer them too.
 *
 * @param answers by server name: what it does with a call, the first being 0
 */
export async function startLyingMember(
  seedByte: number,
  token: string,
  victim: string,
  definition: Record<string, unknown> & { name: string },
  answers: Record<string, (exchange: ServerExchange, count: number) => void>
): Promise<LyingMember> {
  const member = await startHostileMember(seedByte, token, victim)
  const called = new Map<string, number>()
  member.rpc.handle(METHOD.CATALOG_DIGEST, (exchange) => exchange.end(encodeDigestAnswer({ records: [], wanted: [], more: false })))
  member.rpc.handle(METHOD.CATALOG_PUSH, (exchange) => exchange.end(encodeCbor({})))
  member.rpc.handle(METHOD.CATALOG_DEFINITIONS, (exchange) =>
    exchange.end(encodeDefinitionsAnswer({ definitions: decodeDefinitionsRequest(exchange.body).digests.map((digest) => ({ digest, json: Buffer.from(canonicalJson(definition)) })), more: false }))
  )
  member.rpc.handle(METHOD.MCP_END_SESSION, (exchange) => exchange.end(new Uint8Array()))
  member.rpc.handle(METHOD.MCP_CALL, (exchange) => {
    const { server } = decodeMcpCall(exchange.body).head
    const count = called.get(server) ?? 0
    called.set(server, count + 1)
    answers[server]?.(exchange, count)
  })
  const tools = [{ name: definition.name, digest: toolDigest(definition), repeatable: false }]
  const record = member.record({ servers: Object.keys(answers).sort().map((name) => ({ name, claimed: Date.now(), stateless: true, tools })) })
  const push = encodePush({ federation: member.federation, pool: ROOT_POOL, records: [sealRecord(record, member.signer)] })
  await member.rpc.call(victim, METHOD.CATALOG_PUSH, push, { timeout: 10_000 })
  return Object.assign(member, { called })
}
