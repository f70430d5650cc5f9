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

const LEGAL = /^[A-Za-z0-9_-]*$/

/** `name` with every character outside `[A-Za-z0-9_-]` as `_`; each code point counts once. */
function mapped(name: string): string {
  return LEGAL.test(name) ? name : name.replace(/[^A-Za-z0-9_-]/gu, '_')
}

// A NUL cannot be in a name that was mapped to itself, so `a` + `b__c` and `a__b` + `c` hash differently.
function withHash(tool: NamedTool, length: number): string {
  const hash = createHash('sha256').update(`${tool.server}\u0000${tool.tool}`).digest('hex').slice(0, length)
  return `${mapped(`${tool.server}__${tool.tool}`).slice(0, MAX_NAME - length - 1)}_${hash}`
}

/** `<server>__<tool>` within `[A-Za-z0-9_-]{1,64}`: a pure function of both names (what collides is for `assignNames`). */
export function advertisedName(tool: NamedTool): string {
  const name = mapped(`${tool.server}__${tool.tool}`)
  return name.length > MAX_NAME ? withHash(tool, HASH_LENGTH) : name
}

/**
 * Advertised names for all of `tools`, in their order, all different. Whatever maps to the same name gets a hash suffix,
 * every one of them: nobody's name depends on who came first. The same {server, tool} twice has the same name twice.
 */
export function assignNames(tools: readonly NamedTool[]): string[] {
  const names = tools.map(advertisedName)
  for (let length = HASH_LENGTH; length <= 32; length *= 2) {
    const collided = collisions(tools, names)
    if (collided.size === 0) break
    for (const [index, tool] of tools.entries()) if (collided.has(names[index] as string)) names[index] = withHash(tool, length)
  }
  return names
}

/** Names that stand for more than one tool. */
function collisions(tools: readonly NamedTool[], names: readonly string[]): Set<string> {
  const owners = new Map<string, NamedTool>()
  const collided = new Set<string>()
  for (const [index, tool] of tools.entries()) {
    const name = names[index] as string
    const owner = owners.get(name)
    if (owner === undefined) owners.set(name, tool)
    else if (owner.server !== tool.server || owner.tool !== tool.tool) collided.add(name)
  }
  return collided
}
