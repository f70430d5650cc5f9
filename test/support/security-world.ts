import { createMeter, type MemoryMeter } from '../../src/base/meter.ts'
import { silentLogger, type Logger } from '../../src/base/logger.ts'
import { seededRandom } from '../../src/base/random.ts'
import { createAdmission, type Admission } from '../../src/security/admission.ts'
import type { FederationStore, Forward, TokenStore } from '../../src/security/ports.ts'
import { signerFromSeed, type Signer } from '../../src/wire/envelope.ts'
import { createFakeFederationStore, createFakeTokenStore } from './fake-security-stores.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'

export interface Member {
  admission: Admission
  signer: Signer
  tokens: TokenStore
  federation: FederationStore
  meter: MemoryMeter
  clock: ManualClock
  /** A new Admission on the same stores, as after a restart. */
  restart(): Admission
}

/** The key of member `n` in tests and golden vectors: 32 bytes of `n`. */
export function testSigner(n: number): Signer {
  return signerFromSeed(new Uint8Array(32).fill(n))
}

export function createMember(n: number, clock: ManualClock = createManualClock(), logger: Logger = silentLogger): Member {
  const deps = { clock, random: seededRandom(n), logger, meter: createMeter(), signer: testSigner(n), tokens: createFakeTokenStore(), federation: createFakeFederationStore() }
  const restart = () => createAdmission(deps)
  return { ...deps, restart, admission: restart() }
}

export const LEAF = { tier: 'leaf', region: 'eu', roles: ['tools'] } as const satisfies { tier: 'leaf'; region: string; roles: string[] }

export function createFounder(n: number, clock: ManualClock = createManualClock(), logger: Logger = silentLogger): Member {
  const founder = createMember(n, clock, logger)
  founder.admission.found({ name: 'acme', tier: 'global', region: 'eu', roles: ['issuer'] })
  return founder
}

export function tokenOf(founder: Member, uses = 1): string {
  return founder.admission.issueTokenText({ ...LEAF, uses, addresses: ['/ip4/127.0.0.1/tcp/4001/p2p/' + founder.signer.peer] }).text
}

/** Lets `joiner` redeem `token` at `at`; throws the refusal. */
export async function join(joiner: Member, at: Member, token: string, forward: Forward = unreachable): Promise<void> {
  const { bytes } = await at.admission.answer(joiner.admission.joinRequest(token, `node ${joiner.signer.peer.slice(-4)}`), joiner.signer.peer, forward)
  joiner.admission.readJoinAnswer(bytes, token)
}

export function unreachable(): Promise<Uint8Array> {
  return Promise.reject(new Error('no route'))
}
