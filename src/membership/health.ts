/** How well this node itself keeps up (Lifeguard's local health): 0 is well. The worse, the more time it gives others before it accuses them. */
export interface Health {
  /** 0 to max - 1. */
  readonly score: number
  /** Up: it missed something it should have got. Down: something went as it should. */
  apply(delta: number): void
  /** A time-out as long as this state asks for: ms x (score + 1). */
  scale(ms: number): number
}

/** `max`: how many times a time-out can grow at most. */
export function createHealth(o: { max: number }): Health {
  let score = 0
  return {
    get score() {
      return score
    },
    apply(delta) {
      score = Math.min(o.max - 1, Math.max(0, score + delta))
    },
    scale: (ms) => ms * (score + 1)
  }
}
