import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandom } from '../../src/base/random.ts'
import type { ProfileName } from '../../src/membership/profiles.ts'
import { createAuthority, issuerKit } from '../../src/security/authority.ts'
import { issueCredential } from '../../src/security/credential.ts'
import { signerFromSeed } from '../../src/wire/envelope.ts'

/** All a slim member is told; bytes in base64. */
export interface SlimCard {
  name: string
  seed: string
  federation: string
  pool: string
  bundle: { authority: string; certificate: string; credential: string }
  /** A multiaddr. */
  listen: string
  profile: ProfileName
  fullMesh?: number
}

export interface SlimWorld {
  /** The file of one member, for the command line of test/support/slim-member.ts. */
  card(options: Pick<SlimCard, 'name' | 'listen' | 'profile'> & Partial<Pick<SlimCard, 'pool' | 'fullMesh'>>): string
  dispose(): void
}

const STANDING = { tier: 'leaf', region: 'eu', roles: ['tools'] } as const satisfies { tier: 'leaf'; region: string; roles: string[] }

/** A federation whose members get their keys and credentials from here, so that nobody has to join with a token. */
export function createSlimWorld(): SlimWorld {
  const folder = mkdtempSync(join(tmpdir(), 'skein-slim-'))
  const issuer = signerFromSeed(systemRandom.bytes(32))
  const now = Date.now()
  const state = createAuthority({ ...STANDING, name: 'slim', tier: 'global' }, { signer: issuer, random: systemRandom, now })
  const kit = issuerKit(state, issuer)
  if (kit === undefined) throw new Error('the founder of a federation is its issuer')
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  return {
    card({ name, listen, profile, pool = 'main', fullMesh }) {
      const seed = systemRandom.bytes(32)
      const { authority, certificate, credential } = issueCredential(kit, signerFromSeed(seed).peer, STANDING, { now, random: systemRandom })
      const card: SlimCard = {
        name, listen, profile, pool,
        seed: base64(seed),
        federation: state.id,
        bundle: { authority: base64(authority), certificate: base64(certificate), credential: base64(credential) },
        ...(fullMesh === undefined ? {} : { fullMesh })
      }
      const file = join(folder, `${name}.json`)
      writeFileSync(file, JSON.stringify(card), { mode: 0o600 })
      return file
    },
    dispose: () => rmSync(folder, { recursive: true, force: true })
  }
}
