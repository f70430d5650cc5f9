/** A lease changes hands a few times a day; a claim so far beyond what is known was made up. */
export const MAX_TOKEN_JUMP = 1_000

/** What a record says: that its writer is hub of a pool, by a lease with this fencing number. */
export interface HubClaim {
  peer: string
  token: number
}

/**
 * Which of several nodes that say to be hub of the same pool is believed: the highest token. Nobody proves it in a record, so tokens that jump are
 * not believed. `jumped`: those.
 * @param known the token of the last hub; undefined: none is known, and the lowest claim is where counting begins
 */
export function believedClaim<T extends HubClaim>(claims: readonly T[], known?: number): { best: T | undefined; jumped: T[] } {
  const start = known ?? claims.reduce((low, { token }) => Math.min(low, token), Infinity)
  const jumped = claims.filter(({ token }) => token > start + MAX_TOKEN_JUMP)
  const rest = claims.filter((claim) => !jumped.includes(claim))
  // Equal tokens cannot be: whoever is first stays, everywhere the same one.
  const best = rest.reduce<T | undefined>((first, claim) => (first === undefined || claim.token > first.token || (claim.token === first.token && claim.peer < first.peer) ? claim : first), undefined)
  return { best, jumped }
}
