import type { Source } from './sources.ts'

/** Bytes of one digest in a row's body. */
const DIGEST_BYTES = 32

/**
 * Which hubs told of servers with these definitions, of tools or of what servers say about themselves: digest -> peers, those of the
 * pools below first, as `sources` come. One pass over the packed digests of all tables: twenty thousand tools are less than a millisecond's work.
 */
export function holdersOf(sources: Iterable<Pick<Source, 'peer' | 'last' | 'table'>>, digests: ReadonlySet<string>): Map<string, string[]> {
  /** By the first four bytes, so that hardly any other digest is looked at twice. */
  const wanted = new Map<number, string[]>()
  for (const digest of digests) {
    const start = Number.parseInt(digest.slice(0, 8), 16)
    const same = wanted.get(start)
    if (same === undefined) wanted.set(start, [digest])
    else same.push(digest)
  }
  const holders = new Map<string, string[]>()
  for (const { peer, last, table } of sources) {
    const who = peer ?? last
    if (who === undefined) continue
    const add = (digest: string) => {
      const found = holders.get(digest)
      if (found === undefined) holders.set(digest, [who])
      else if (!found.includes(who)) found.push(who)
    }
    for (const { body } of table.rows.values()) {
      if (body.about !== undefined && digests.has(body.about)) add(body.about)
      const bytes = Buffer.from(body.digests.buffer, body.digests.byteOffset, body.digests.byteLength)
      for (let at = 0; at + DIGEST_BYTES <= bytes.length; at += DIGEST_BYTES) {
        const same = wanted.get(bytes.readUInt32BE(at))
        if (same === undefined) continue
        const digest = bytes.toString('hex', at, at + DIGEST_BYTES)
        if (same.includes(digest)) add(digest)
      }
    }
  }
  return holders
}
