import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { TopologyNode, TopologyRequest } from '../../wire/tiers-types.ts'

/** The tree as it was a second ago is as good as that of now, ms: a page that looks every second costs one walk for all who look. */
const KEPT = 1_000
/** Walks under way: one for each pool and depth is the rule. */
const MAX_WALKS = 8
/** One that has less time than this share of what is wanted may end without an answer: another one is made. */
const TIME_ENOUGH = 0.5

interface Walk {
  max: number
  /** On the clock, ms. */
  end: number
  done: Promise<TopologyNode>
  abort: AbortController
  waiting: number
  over: boolean
}

/**
 * One walk through the tree for all who ask for the same part of it at the same time: a question is small, and its answer costs every hub
 * below. It ends when nobody waits for it any more.
 * @returns rejects with the walk's error, the reason of `signal`, SKEIN_DEADLINE after `within`, or SKEIN_BUSY
 */
export function createWalks(
  clock: Clock,
  walk: (request: TopologyRequest, end: number, signal: AbortSignal) => Promise<TopologyNode>
): (request: TopologyRequest, signal: AbortSignal) => Promise<TopologyNode> {
  const walks = new Map<string, Walk>()
  let running = 0

  function begin(key: string, request: TopologyRequest): Walk {
    if (running >= MAX_WALKS) throw new SkeinError('SKEIN_BUSY', `this node looks through the tree ${MAX_WALKS} times at once: ask again in a few seconds`)
    running++
    const abort = new AbortController()
    const end = clock.now() + request.within
    const forget = () => void (walks.get(key) === made && walks.delete(key))
    const done = walk(request, end, abort.signal).finally(() => {
      running--
      made.over = true
    })
    done.then(() => clock.after(KEPT, forget), forget)
    const made: Walk = { max: request.max, end, done, abort, waiting: 0, over: false }
    walks.set(key, made)
    return made
  }

  function shared(request: TopologyRequest): Walk {
    const key = JSON.stringify([request.up, request.pool, request.depth])
    const known = walks.get(key)
    const good = known !== undefined && !known.abort.signal.aborted && known.max >= request.max && (known.over || known.end >= clock.now() + request.within * TIME_ENOUGH)
    return good ? known : begin(key, request)
  }

  return async (request, signal) => {
    signal.throwIfAborted()
    const one = shared(request)
    one.waiting++
    const { promise: given, reject } = Promise.withResolvers<never>()
    given.catch(() => {})
    const timer = clock.after(request.within, () => reject(new SkeinError('SKEIN_DEADLINE', `the tree was not there within ${request.within} ms: ask again`)))
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return cut(await Promise.race([one.done, given]), request.max)
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      if (--one.waiting === 0 && !one.over) one.abort.abort(new SkeinError('SKEIN_CANCELLED', 'nobody waits for this tree any more'))
    }
  }
}

export function sizeOf(node: TopologyNode): number {
  return node.children.reduce((sum, child) => sum + sizeOf(child), 1)
}

/** The upper part of a tree: at most `max` nodes. */
export function cut(root: TopologyNode, max: number): TopologyNode {
  if (sizeOf(root) <= max) return root
  const top: TopologyNode = { ...root, children: [] }
  const level: [TopologyNode, TopologyNode][] = [[root, top]]
  let room = max - 1
  for (const [from, to] of level) {
    for (const child of from.children) {
      if (room > 0) {
        room--
        const copy = { ...child, children: [] }
        to.children.push(copy)
        level.push([child, copy])
      } else to.more = (to.more ?? 0) + sizeOf(child)
    }
  }
  return top
}
