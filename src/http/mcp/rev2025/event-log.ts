/**
 * What is kept of a session's event streams for clients that come back: enough for the progress of a few calls and their answers;
 * who was away for longer than that has to call again.
 */
const MAX_EVENTS = 256
/** Characters. Together with the sessions allowed (256) at most 256 MiB, and only while every one of them streams. */
export const MAX_KEPT = 1024 * 1024
/** Of all sessions together, for answers that are larger than that: four of the largest wait for clients that lost their connection. */
export const MAX_KEPT_LARGE = 64 * 1024 * 1024

export interface KeptEvent<S> {
  readonly stream: S
  /** Counts up within its stream, from 1. */
  readonly seq: number
  /** The event as it goes out, id included. */
  readonly text: string
}

/** The latest events of one session, of all its streams in the order they came. When full the oldest go. */
export interface EventLog<S> {
  add(event: KeptEvent<S>): void
  /** What came on a stream after that event. */
  after(stream: S, seq: number): KeptEvent<S>[]
  /** The stream of some event that is kept. */
  find(matches: (stream: S) => boolean): S | undefined
  /** Keeps only the events of these streams. */
  prune(keeps: (stream: S) => boolean): void
  /** Characters kept. */
  readonly size: number
}

export function createEventLog<S>(): EventLog<S> {
  let events: KeptEvent<S>[] = []
  let size = 0

  return {
    add(event) {
      events.push(event)
      size += event.text.length
      // The newest stays whatever its size: it may be the answer that a client comes back for.
      while (events.length > MAX_EVENTS || (size > MAX_KEPT && events.length > 1)) size -= (events.shift() as KeptEvent<S>).text.length
    },
    after: (stream, seq) => events.filter((event) => event.stream === stream && event.seq > seq),
    find: (matches) => events.find((event) => matches(event.stream))?.stream,
    prune(keeps) {
      events = events.filter((event) => keeps(event.stream))
      size = events.reduce((sum, event) => sum + event.text.length, 0)
    },
    get size() {
      return size
    }
  }
}
