import type { NetworkCoordinates } from '../../wire/coordinates.ts'
import type { Core } from '../core.ts'
import { isLiving } from '../table.ts'

/** A member has answered a probe directly, after `roundTrip` ms, and said where it is. */
export function locate(core: Core, peer: string, theirs: NetworkCoordinates, roundTrip: number): void {
  const { table, vivaldi } = core
  const entry = table.get(peer)
  if (entry === undefined) return
  const expected = predicted(core, peer)
  const { resets } = vivaldi
  const place = vivaldi.sample(theirs, roundTrip, entry.place)
  if (place === undefined) return
  entry.place = place
  if (expected !== undefined) core.count('prediction', peer, Math.abs(expected - roundTrip))
  if (vivaldi.resets > resets) core.count('lost-place')
}

/** The round trip to a living member that has said where it is, ms; undefined while too little is known. */
export function predicted({ table, vivaldi }: Core, peer: string): number | undefined {
  const entry = table.get(peer)
  return entry?.place === undefined || !isLiving(entry.state) ? undefined : vivaldi.predict(entry.place.coordinates)
}
