import type { ClientContext } from './ports.ts'
import { isObject } from '../base/is-object.ts'

/** Capabilities of a client that let servers ask it something. */
export const ASKABLE = ['sampling', 'elicitation', 'roots'] as const

/** Clients with one of these can be asked by a server, and a shared legacy server cannot say whom it asks. */
export function isAskable({ capabilities }: Pick<ClientContext, 'capabilities'>): boolean {
  return ASKABLE.some((capability) => isObject(capabilities[capability]))
}
