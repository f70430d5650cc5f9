import { describe, expect, test } from 'vitest'
import { createStatementSeals } from '../../../../src/node/members/statement-seal.ts'
import type { AliveStatement } from '../../../../src/wire/swim-types.ts'
import { createFounder, createMember, join, tokenOf } from '../../../support/security-world.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const DAY_MS = 86_400_000

async function setup() {
  const clock = createManualClock()
  const founder = createFounder(1, clock)
  const member = createMember(2, clock)
  await join(member, founder, tokenOf(founder))
  const { id: federation } = founder.admission.federation() as { id: string }
  const scope = { federation, pool: 'root' }
  const alive = (more: Partial<AliveStatement> = {}): AliveStatement => ({
    kind: 'alive', subject: member.signer.peer, incarnation: 5, boot: 5, name: 'm', version: '1', addresses: [], credential: member.admission.myCredential().bundle, ...more
  })
  return { clock, founder, member, scope, alive, seal: createStatementSeals({ clock, signer: founder.signer }, scope)(scope.pool) }
}

describe('statement seal', () => {
  test('signs with the own key, and what was signed holds in this scope only', async () => {
    const { seal, founder, scope, clock } = await setup()
    const sealed = seal.seal({ kind: 'leave', subject: founder.signer.peer, incarnation: 5 })
    expect(seal.verify(sealed)).toBe(true)
    expect(createStatementSeals({ clock, signer: founder.signer }, scope)('other').verify(sealed)).toBe(false)
    const changed = Uint8Array.from(sealed.bytes)
    changed[changed.length - 1] = (changed.at(-1) as number) ^ 1
    expect(seal.verify({ ...sealed, bytes: changed })).toBe(false)
  })

  test('tier and region come from the credential, again and again', async () => {
    const { seal, alive } = await setup()
    for (let n = 0; n < 3; n++) expect(seal.standing(alive({ incarnation: n + 5 }))).toMatchObject({ tier: 'leaf', region: 'eu' })
  })

  test('the credential of another member, of another federation or a broken one is worth nothing, also after a good one', async () => {
    const { seal, alive, founder } = await setup()
    expect(seal.standing(alive())).toBeDefined()
    expect(seal.standing(alive({ subject: founder.signer.peer }))).toBeUndefined()
    expect(seal.standing(alive({ credential: createFounder(3).admission.myCredential().bundle, subject: createMember(3).signer.peer }))).toBeUndefined()
    expect(seal.standing(alive({ credential: { ...alive().credential, credential: Uint8Array.of(1) } }))).toBeUndefined()
    expect(seal.standing(alive({ credential: { ...alive().credential, certificate: Uint8Array.of(1) } }))).toBeUndefined()
  })

  test('one that has ended is worth nothing any more, although it was good', async () => {
    const { seal, alive, clock } = await setup()
    expect(seal.standing(alive())).toBeDefined()
    clock.advance(60 * DAY_MS)
    expect(seal.standing(alive())).toBeUndefined()
  })
})
