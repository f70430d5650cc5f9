import type { Json } from '../../../wire/json-rpc.ts'
import { isObject } from '../../../base/is-object.ts'

/** What a server may ask of a client; anything else has no meaning in this era. */
export const CLIENT_METHODS: ReadonlySet<string> = new Set(['sampling/createMessage', 'elicitation/create', 'roots/list'])

/**
 * The capabilities that a client must declare to be asked this, as far as it did not, in the shape of its capabilities; undefined:
 * nothing is missing. `elicitation: {}` means forms, as before there were modes.
 */
export function missingCapabilities(method: string, params: Json | undefined, declared: Json): Json | undefined {
  if (method === 'roots/list') return declared.roots === undefined ? { roots: {} } : undefined
  if (method === 'sampling/createMessage') {
    const tools = params?.tools !== undefined || params?.toolChoice !== undefined
    const missing = tools ? !hasMember(declared.sampling, 'tools') : declared.sampling === undefined
    return missing ? { sampling: tools ? { tools: {} } : {} } : undefined
  }
  const mode = params?.mode === 'url' ? 'url' : 'form'
  const { elicitation } = declared
  const bare = mode === 'form' && isObject(elicitation) && elicitation.form === undefined && elicitation.url === undefined
  return bare || hasMember(elicitation, mode) ? undefined : { elicitation: { [mode]: {} } }
}

function hasMember(capability: unknown, member: string): boolean {
  return isObject(capability) && capability[member] !== undefined
}
