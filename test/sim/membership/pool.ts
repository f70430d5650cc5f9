import type { MembershipProfile } from '../../../src/membership/profiles.ts'
import { createWorld } from '../../support/swim-world.ts'
import type { World, WorldOptions } from '../../support/swim-world-types.ts'
import { notConverged } from './checkers/convergence.ts'

export interface Pool {
  world: World
  /** ms until everybody knew everybody. */
  formed: number
}

/** What a pool may take to form before the test gives up, ms. */
const PATIENCE = 120_000

/** Starts `members` at once and waits until all know all. */
export function createPool(options: Omit<WorldOptions, 'profile'> & { profile: MembershipProfile; links?: boolean }): Pool {
  const world = createWorld(options)
  for (let index = 0; index < options.members; index++) world.start(index)
  const formed = until(world, () => notConverged(world, { links: false }), PATIENCE)
  if (options.links === true) until(world, () => notConverged(world), PATIENCE)
  return { world, formed }
}

/** Runs until nothing is wrong any more; says how long that took, ms. */
export function until(world: World, wrong: () => string | undefined, patience: number, step = 50): number {
  const began = world.now
  for (;;) {
    const what = wrong()
    if (what === undefined) return world.now - began
    if (world.now - began > patience) throw new Error(`after ${patience} ms: ${what}`)
    world.run(step)
  }
}
