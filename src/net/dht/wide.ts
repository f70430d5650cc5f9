/**
 * Marks the options of a question of ours, whose answers may lead to members of other pools. The library hands options on as far as
 * `openStream`; what it asks by itself (its table, the search for neighbours) has no mark, and stays among connected peers and members of the own pools.
 */
const WIDE = Symbol('skein.dht.wide')

export function wide<T extends object>(options: T): T {
  return { ...options, [WIDE]: true }
}

export function isWide(options: object): boolean {
  return (options as { [WIDE]?: true })[WIDE] === true
}
