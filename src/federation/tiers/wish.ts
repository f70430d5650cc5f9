import type { Clock } from '../../base/clock.ts'
import type { Contact, HubInfo } from '../../wire/tiers-types.ts'
import { metAs } from './memory.ts'
import type { KnownHubs } from './ports.ts'
import { isPreferred, preferredPeer } from './score.ts'

/** The disk is not read more often than this, ms. */
const READ_EVERY = 1_000

/** Whom `federation.parent` means. */
export interface Wish {
  /** As this node asks for it; undefined: nobody is wished for. */
  text(): string | undefined
  isFor(hub: Pick<HubInfo, 'peer' | 'name'>): boolean
  /** The one peer that it means. */
  peer(): Contact | undefined
  /** Whom to ask first: that one, or whoever is said to bear the name. */
  first(): readonly Contact[]
}

/**
 * A key or an address means one peer. A name means whoever was met last under it, for a day; before, whoever bears it: names are
 * free, so that any member could bear it to draw others below itself.
 */
export function createWish(parent: string | undefined, hubs: KnownHubs, clock: Clock): Wish {
  const fixed = preferredPeer(parent)
  let read: { at: number; met: Contact | undefined } | undefined

  function met(): Contact | undefined {
    if (parent === undefined || fixed !== undefined) return fixed
    const now = clock.now()
    if (read === undefined || now >= read.at + READ_EVERY) read = { at: now, met: metAs(parent, hubs.list(), clock.wall()) }
    return read.met
  }

  const text = () => (fixed === undefined ? (met()?.peer ?? parent) : parent)

  return {
    text,
    isFor: (hub) => isPreferred(text(), hub),
    peer: met,
    first() {
      const one = met()
      return one !== undefined ? [one] : parent === undefined ? [] : hubs.list().filter(({ name }) => name === parent).slice(0, 1)
    }
  }
}
