import type { Session } from './session.ts'

/** What the two-connection rule needs to know of a session. */
export type SessionFacts = Pick<Session, 'opener' | 'nonce' | 'hello' | 'peer'>

/**
 * Which of two sessions to one peer stays; both ends decide alike. The newer boot of the peer; of equal boots the lower opener
 * (peer ids as strings); of one opener the lower nonce in the opener's HELLO.
 */
export function chooseSession<T extends SessionFacts>(self: string, a: T, b: T): T {
  const bootA = a.hello?.boot ?? 0n
  const bootB = b.hello?.boot ?? 0n
  if (bootA !== bootB) return bootA > bootB ? a : b
  const openerA = a.opener ? self : a.peer
  const openerB = b.opener ? self : b.peer
  if (openerA !== openerB) return openerA < openerB ? a : b
  return nonceOf(b) < nonceOf(a) ? b : a
}

/** The nonce of the opener's HELLO. */
function nonceOf(session: SessionFacts): bigint {
  return session.opener ? session.nonce : (session.hello?.nonce ?? 0n)
}
