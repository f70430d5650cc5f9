import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { HubInfo } from '../../wire/tiers-types.ts'
import type { Home, HomeStore, KnownHub, KnownHubs } from './ports.ts'
import { asKnown } from './view.ts'

/** What others say of hubs counts for less than hubs that were met: it is the first to go from a full disk, ms. */
const HEARSAY_AGE = 30 * 86_400_000
/** A hub that was met under a name is the one of this name for so long, ms: names are free, keys are not. */
export const NAME_KEPT = 86_400_000

export interface Memory {
  hubs: KnownHubs
  home: HomeStore
  /** Writes what could not be written before. */
  again(): void
}

/** The disk must not end the process nor keep this node from its place: a failure is told once, and the newest home is tried again. */
export function createMemory(hubs: KnownHubs, home: HomeStore, logger: Logger): Memory {
  let failing = false
  let unsaved: Home | undefined

  function attempt<T>(work: () => T, otherwise: T): T {
    try {
      return work()
    } catch (error) {
      if (!failing) logger.warn('the place of this node in the federation cannot be kept on disk: after a restart it may have to look for it', { error: errorMessage(error) })
      failing = true
      return otherwise
    }
  }

  function saveHome(next: Home): void {
    unsaved = next
    attempt(() => {
      home.save(next)
      failing = false
      unsaved = undefined
    }, undefined)
  }

  return {
    hubs: {
      save(...known) {
        attempt(() => {
          hubs.save(...known)
          failing = false
        }, undefined)
      },
      list: () => attempt(() => hubs.list(), [])
    },
    home: { load: () => attempt(() => home.load(), undefined), save: saveHome },
    again() {
      if (unsaved !== undefined) saveHome(unsaved)
    }
  }
}

/** What is kept of hubs that somebody named: none takes the place of one that was met, nor looks newer than it. */
export function hearsay(named: readonly HubInfo[], known: readonly KnownHub[], wall: number): KnownHub[] {
  const lastSeen = wall - HEARSAY_AGE
  const met = new Set(known.flatMap((hub) => (hub.lastSeen > lastSeen ? [hub.peer] : [])))
  return named.filter(({ peer }) => !met.has(peer)).map((info) => asKnown(info, lastSeen))
}

/** Who was met last under this name, within a day. */
export function metAs(name: string, known: readonly KnownHub[], wall: number): KnownHub | undefined {
  return known.filter((hub) => hub.name === name && hub.lastSeen > wall - NAME_KEPT).toSorted((a, b) => b.lastSeen - a.lastSeen)[0]
}
