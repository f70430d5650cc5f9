import type { Logger } from '../../base/logger.ts'
import type { Contact } from '../../wire/tiers-types.ts'
import type { PoolKeeper } from './keeper.ts'
import type { TiersMetrics } from './metrics.ts'
import type { Home, TiersDeps, TiersOptions } from './ports.ts'
import type { SeekDeps } from './seek.ts'
import type { TiersView } from './view.ts'

export interface PlaceContext {
  deps: TiersDeps
  options: TiersOptions
  logger: Logger
  metrics: TiersMetrics
  view: TiersView
  seekDeps: Omit<SeekDeps, 'limits'>
  keeper(pool: string): PoolKeeper | undefined
  /** Joins a pool, and from now on belongs to it for this place. */
  enter(home: Home, through: readonly string[]): void
  /** The place has moved. */
  moved(place: Place, from: string | undefined): void
  kick(): void
}

/** Where this node belongs: its home, or the pool above one that it is hub of. */
export interface Place {
  /** The pool below; undefined: home. */
  readonly below: string | undefined
  current(): Home | undefined
  /** Since when a hub is looked for without success, ms. */
  seeking(): number | undefined
  /** Every hub that answered was full. */
  refused(): boolean
  /** Why this node is not below its `federation.parent`: a sentence. */
  unmet(): string | undefined
  /** Members of the current pool, for a lease. */
  contacts(): readonly Contact[]
  step(now: number): number
  /** A peer can be asked. */
  peerUp(): void
  /** Goes where a predecessor was, or a home that is remembered. */
  resume(home: Home, contacts: readonly Contact[]): void
  close(): void
}
