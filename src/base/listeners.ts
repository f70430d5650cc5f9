import { errorMessage } from './errors.ts'
import type { Logger } from './logger.ts'

export interface Listeners<A extends unknown[]> {
  /** Returns the way to stop. */
  add(listener: (...args: A) => void): () => void
  /** Calls all of them, in the order in which they came. One that throws is named in the log and harms nobody. */
  tell(...args: A): void
}

/** @param what a sentence's beginning for the log: `a listener of the catalog` */
export function createListeners<A extends unknown[]>(logger: Logger, what: string): Listeners<A> {
  const all = new Set<(...args: A) => void>()
  return {
    add(listener) {
      all.add(listener)
      return () => void all.delete(listener)
    },
    tell(...args) {
      for (const listener of all) {
        try {
          listener(...args)
        } catch (error) {
          logger.error(`${what} failed`, { error: errorMessage(error) })
        }
      }
    }
  }
}
