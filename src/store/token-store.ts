import type { DatabaseSync } from 'node:sqlite'
import { SkeinError } from '../base/errors.ts'
import type { StoredToken, TokenStore } from '../security/ports.ts'
import { TIERS, type Tier } from '../wire/admission-documents.ts'
import { transaction } from './database.ts'

/** Tokens are made by people; this many good ones at once is a script gone wrong. */
const MAX_TOKENS = 1_000
/** Expired tokens stay in the list for a while, so that people see what became of them, ms. */
const KEEP_EXPIRED = 7 * 86_400_000

export function createTokenStore(db: () => DatabaseSync): TokenStore {
  return {
    create(token) {
      const database = db()
      transaction(database, () => {
        database.prepare('DELETE FROM tokens WHERE expires < ?').run(token.created - KEEP_EXPIRED)
        const good = Number(database.prepare('SELECT COUNT(*) AS n FROM tokens WHERE expires >= ?').get(token.created)?.['n'])
        if (good >= MAX_TOKENS) throw new SkeinError('SKEIN_LIMIT', `there are ${good} tokens that have not expired: wait until some have, or make one with more uses`)
        const { id, created, expires, uses, tier, region, roles } = token
        database.prepare('INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?)').run(id, created, expires, uses, tier, region, JSON.stringify(roles))
      })
    },
    list() {
      const rows = db().prepare('SELECT *, (SELECT COUNT(*) FROM redemptions WHERE token = id) AS used FROM tokens ORDER BY created DESC, id').all()
      return rows.map((row) => ({ ...tokenOf(row), used: Number(row['used']) }))
    },
    redeem(id, peer, now) {
      const database = db()
      // "Immediate": two redemptions never read the same count.
      return transaction(database, () => {
        const token = database.prepare('SELECT uses FROM tokens WHERE id = ?').get(id)
        if (token === undefined) return 'unknown'
        if (database.prepare('SELECT 1 FROM redemptions WHERE token = ? AND peer = ?').get(id, peer) !== undefined) return 'again'
        const used = Number(database.prepare('SELECT COUNT(*) AS n FROM redemptions WHERE token = ?').get(id)?.['n'])
        if (used >= Number(token['uses'])) return 'used'
        database.prepare('INSERT INTO redemptions VALUES (?, ?, ?)').run(id, peer, now)
        return 'admitted'
      })
    }
  }
}

function tokenOf(row: Record<string, unknown>): StoredToken {
  return {
    id: String(row['id']),
    created: Number(row['created']),
    expires: Number(row['expires']),
    uses: Number(row['uses']),
    tier: TIERS.find((tier): tier is Tier => tier === row['tier']) ?? 'leaf',
    region: String(row['region']),
    roles: JSON.parse(String(row['roles'])) as string[]
  }
}
