import { createHash } from 'node:crypto'

/** The strictest limit among clients in use (model APIs take `[A-Za-z0-9_-]{1,64}`). */
export const MAX_NAME = 64

/** 32 bits: names that are cut or collide are few, and what still collides gets a longer one. */
const HASH_LENGTH = 8

export interface NamedTool {
  /** The name under `mcp.servers` (or the one given to a later claimant). */
  server: string
  /** The bare name, as its server lists it. */
  tool: string
}

/** `name` with every character outside `[A-Za-z0-9_-]` as `_`; each code point counts once. */
function mapped(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]/gu, '_')
}

function withHash(name: string, original: string, length: number): string {
  const hash = createHash('sha256').update(original).digest('hex').slice(0, length)
  return `${mapped(name).slice(0, MAX_NAME - length - 1)}_${hash}`
}

// A NUL cannot be in a name that was mapped to itself, so `a` + `b__c` and `a__b` + `c` hash differently.
const hashInput = (tool: NamedTool) => `${tool.server}\u0000${tool.tool}`

/** `<server>__<tool>` within `[A-Za-z0-9_-]{1,64}`: a pure function of both names (what collides is for `assignNames`). */
export function advertisedName(tool: NamedTool): string {
  const full = `${tool.server}__${tool.tool}`
  return mapped(full).length > MAX_NAME ? withHash(full, hashInput(tool), HASH_LENGTH) : mapped(full)
}

/**
 * Advertised names for all of `tools`, in their order, all different. Whatever maps to the same name gets a hash suffix,
 * every one of them: nobody's name depends on who came first. The same {server, tool} twice has the same name twice.
 */
export function assignNames(tools: readonly NamedTool[]): string[] {
  const names = tools.map(advertisedName)
  for (let length = HASH_LENGTH; length <= 32; length *= 2) {
    const groups = new Map<string, Set<string>>()
    for (const [index, tool] of tools.entries()) {
      const name = names[index] as string
      const group = groups.get(name)
      if (group === undefined) groups.set(name, new Set([hashInput(tool)]))
      else group.add(hashInput(tool))
    }
    let collided = false
    for (const [index, tool] of tools.entries()) {
      if ((groups.get(names[index] as string)?.size ?? 0) < 2) continue
      collided = true
      names[index] = withHash(`${tool.server}__${tool.tool}`, hashInput(tool), length)
    }
    if (!collided) break
  }
  return names
}
