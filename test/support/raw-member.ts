import { SkeinError } from '../../src/base/errors.ts'
import type { AdmissionRules } from '../../src/net/admission-protocol.ts'
import type { Host, HostEvents } from '../../src/net/host.ts'
import type { ByteStream } from '../../src/rpc/ports.ts'
import { verifyToken } from '../../src/security/token.ts'
import type { CredentialBundle } from '../../src/wire/admission-documents.ts'
import { decodeAdmissionAnswer, encodeAdmissionRequest } from '../../src/wire/admission.ts'
import { startHost } from './hosts.ts'
import { encodeFields, VECTOR_FIELDS } from './rpc-vectors.ts'

/** A host with a credential of a real federation and nothing above the streams: the test is the peer. */
export interface RawMember {
  host: Host
  /** The node it joined. */
  node: string
  federation: string
}

/** Joins with a token and is admitted; `seed` makes its key. */
export async function joinRaw(token: string, seed: number, events: Partial<HostEvents> = {}): Promise<RawMember> {
  const { addresses, federation } = verifyToken(token, Date.now())
  const card: { bundle?: CredentialBundle } = {}
  const rules: AdmissionRules = {
    presentRequest: () => (card.bundle === undefined ? undefined : encodeAdmissionRequest({ kind: 'present', bundle: card.bundle })),
    checkPresentAnswer(bytes) {
      const answer = decodeAdmissionAnswer(bytes)
      if (!answer.ok) throw new SkeinError(answer.code, answer.message)
      return { expires: Date.now() + 3_600_000 }
    },
    answer: () => Promise.reject(new Error('nobody dials this member'))
  }
  // Streams the node opens are not answered.
  const host = await startHost({ seed, rules, events: { sessionStream: (_, stream) => stream.abort(new Error('the test opens its own')), ...events } })
  const signal = AbortSignal.timeout(10_000)
  const { answer } = await host.ask(addresses, encodeAdmissionRequest({ kind: 'join', token, name: `raw-${seed}` }), { signal })
  const granted = decodeAdmissionAnswer(answer)
  if (!granted.ok) throw new SkeinError(granted.code, granted.message)
  card.bundle = granted.bundle
  return { host, node: await host.connect(addresses, { signal }), federation }
}

/** A session stream with nothing sent on it yet. */
export async function openRaw({ host, node }: RawMember): Promise<ByteStream & { received(): number; closed(): boolean }> {
  const stream = await host.open(node, { signal: AbortSignal.timeout(10_000) })
  let received = 0
  let closed = false
  stream.attach({ data: (bytes) => (received += bytes.length), drain() {}, closed: () => (closed = true) })
  return Object.assign(Object.create(stream) as ByteStream, { received: () => received, closed: () => closed })
}

export function helloOf({ federation }: RawMember): Uint8Array {
  return encodeFields({ ...VECTOR_FIELDS[0]?.[1], boot: String(Date.now()), federation })
}
