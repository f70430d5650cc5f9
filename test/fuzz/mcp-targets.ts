import { randomInt, type Random } from '../../src/base/random.ts'
import { LOADED } from '../../src/wire/mcp-call.ts'
import { CODECS, readVectors, type Vector } from '../support/mcp-vectors.ts'
import type { FuzzTarget } from './driver.ts'
import { mutateBytes, mutateJson } from './mutate.ts'

const vectors = readVectors()

/** Head and params as they came, without the checks of the decoder. */
function parseCall(input: Uint8Array): void {
  const body = Buffer.from(input)
  const end = 4 + body.readUInt32BE(0)
  JSON.parse(body.toString('utf8', 4, end))
  JSON.parse(body.toString('utf8', end))
}

function joined(head: unknown, params: unknown): Buffer {
  const bytes = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes, Buffer.from(JSON.stringify(params))])
}

/** Where the text of an END begins: behind the kind, or the load of the server. */
const textAt = (input: Uint8Array) => ((input[0] ?? 0) < LOADED ? 1 : 5)

/** What the decoder of an END parses at most, without its checks. */
function parseEnd(input: Uint8Array): unknown {
  return JSON.parse(Buffer.from(input).toString('utf8', textAt(input)))
}

/** The same END, or now and then one of another kind, with or without a load, with another text. */
function end(bytes: Buffer, text: string, random: Random): Buffer {
  const kind = random.float() < 0.7 ? (bytes[0] as number) : randomInt(random, 10)
  const load = random.float() < 0.9 ? textAt(Buffer.of(kind)) - 1 : randomInt(random, 6)
  return Buffer.concat([Buffer.of(kind), random.bytes(load), Buffer.from(text)])
}

function target(kind: Vector['kind'], name: string, parse: (input: Uint8Array) => unknown): FuzzTarget {
  const mine = vectors.filter((vector) => vector.kind === kind)
  return {
    name,
    parse,
    read: (input) => void CODECS[kind].decode(input),
    next(random) {
      const { hex, value } = mine[randomInt(random, mine.length)] as Vector
      const bytes = Buffer.from(hex, 'hex')
      if (random.float() < 0.3) return mutateBytes(bytes, random)
      if (kind === 'message') return Buffer.from(JSON.stringify(mutateJson(value ?? {}, random)))
      // Most kinds as they were, some others, with a result or error that was changed behind it.
      if (kind === 'end') return end(bytes, JSON.stringify(mutateJson(parseEnd(bytes), random)), random)
      const { head, params } = value as { head: unknown; params: unknown }
      return random.float() < 0.7 ? joined(mutateJson(head, random), params) : joined(head, mutateJson(params, random))
    }
  }
}

/** The bodies of protocols/mcp.md. */
export const mcpTargets: FuzzTarget[] = [
  target('call', 'mcp call', parseCall),
  target('message', 'mcp message', (input) => JSON.parse(Buffer.from(input).toString())),
  target('end', 'mcp end', parseEnd)
]
