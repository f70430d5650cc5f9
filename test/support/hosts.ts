import { systemClock } from '../../src/base/clock.ts'
import { SkeinError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { createMeter } from '../../src/base/meter.ts'
import type { AdmissionRules } from '../../src/net/admission-protocol.ts'
import { createHost, type Host, type HostEvents, type HostOptions } from '../../src/net/host.ts'
import { identityFromSeed } from '../../src/net/identity.ts'

const YES = Uint8Array.of(1)
const NO = Uint8Array.of(0)
const HOUR_MS = 3_600_000

/** The plainest rules: a shared secret byte string is the credential. Admission proper has tests of its own. */
export function secretRules(secret: string | undefined): AdmissionRules {
  const bytes = secret === undefined ? undefined : new Uint8Array(Buffer.from(secret))
  const expires = Date.now() + HOUR_MS
  return {
    presentRequest: () => bytes,
    checkPresentAnswer(answer) {
      if (answer[0] !== 1) throw new SkeinError('SKEIN_NOT_ADMITTED', 'refused')
      return { expires }
    },
    async answer(request) {
      const good = bytes !== undefined && Buffer.from(request).equals(Buffer.from(bytes))
      return good ? { answer: YES, admitted: { expires }, refused: false } : { answer: NO, refused: true }
    }
  }
}

export async function startHost(options: { seed: number; rules: AdmissionRules; events?: Partial<HostEvents>; host?: Partial<HostOptions> }): Promise<Host> {
  const identity = await identityFromSeed(new Uint8Array(32).fill(options.seed))
  const host = await createHost(
    {
      clock: systemClock,
      logger: silentLogger,
      meter: createMeter(),
      rules: options.rules,
      events: { peerUp() {}, peerDown() {}, sessionStream() {}, ...options.events }
    },
    {
      self: identity.peer,
      privateKey: identity.privateKey,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      userAgent: 'skein-test',
      maxConnections: 50,
      dialTimeout: 5_000,
      gossip: { interval: 200, fanout: 3, maxMessageBytes: 65_536 },
      ...options.host
    }
  )
  await host.start()
  return host
}
