import type { ClientContext } from '../ports.ts'
import type { Isolation } from './spec.ts'
import type { Era } from '../../wire/mcp-spec.ts'
import { isAskable } from '../askable.ts'

/**
 * Whether a client gets a connection nobody else uses. A server of the 2025 era may ask its client, and cannot say whom it asks when
 * it has several: `auto` keeps those apart that can be asked. One of the 2026 era asks in its answers and needs none of this.
 */
export function wantsOwn(client: ClientContext, isolation: Isolation, era: Era): boolean {
  if (isolation === 'shared') return false
  if (era === '2026') return isolation === 'session' && client.session !== undefined
  return isolation === 'session' || isAskable(client)
}

/** Whether the answer depends on what the server speaks. */
export function mayWantOwn(client: ClientContext, isolation: Isolation): boolean {
  return wantsOwn(client, isolation, '2025')
}
