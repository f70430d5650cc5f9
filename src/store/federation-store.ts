import type { DatabaseSync } from 'node:sqlite'
import type { FederationStore } from '../security/ports.ts'

export function createFederationStore(db: () => DatabaseSync): FederationStore {
  return {
    load() {
      const row = db().prepare('SELECT * FROM federation').get()
      if (row === undefined) return undefined
      const bytes = (column: string) => row[column] as Uint8Array
      const authority = bytes('authority')
      return {
        id: String(row['id']),
        name: String(row['name']),
        authority,
        bundle: { authority, certificate: bytes('issuer_certificate'), credential: bytes('credential') },
        ...(row['own_certificate'] === null ? {} : { certificate: bytes('own_certificate') }),
        ...(row['authority_seed'] === null ? {} : { authoritySeed: bytes('authority_seed') })
      }
    },
    save({ id, name, authority, bundle, certificate, authoritySeed }) {
      db()
        .prepare('INSERT OR REPLACE INTO federation VALUES (1, ?, ?, ?, ?, ?, ?, ?)')
        .run(id, name, authority, bundle.certificate, bundle.credential, certificate ?? null, authoritySeed ?? null)
    }
  }
}
