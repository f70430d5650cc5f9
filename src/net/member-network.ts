import type { Clock } from '../base/clock.ts'
import { SkeinError, errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { MemberNetwork, SendResult } from '../membership/ports.ts'
import type { ByteStream } from '../rpc/ports.ts'
import { createSwimSplitter } from '../wire/swim-frames.ts'
import { addressesFor, isRelayed } from './addresses.ts'
import type { Host } from './host.ts'
import { answeringFirst, firstAnswering, knock } from './knock.ts'

/**
 * Frames that may wait for one peer, in its stream and as much again before it: what a round of probes and news makes. Beyond it the
 * oldest go, for the next ones say more; one that is larger (up to 64 KiB, a comparison) waits alone.
 */
export const MAX_WAITING_BYTES = 16 * 1024
/** A live peer answers the opening in one round trip. */
const OPEN_TIMEOUT_MS = 2_000
/** Between two openings to one peer: a side that resets each stream at once must not keep us busy. */
const OPEN_PACE_MS = 200
/** Over all connections of a peer; one or two are the rule. */
const MAX_STREAMS_PER_PEER = 8

/** Of a dial, the share in which a member with relays has to answer at one of its own addresses; then there is time left for a relay. */
const DIRECT_SHARE = 1 / 3

/** The address that answers in front; a member that nobody can dial is silent at its own addresses, and they would use up the time of the dial. */
async function inOrder(targets: readonly string[], { timeout, signal }: { timeout: number; signal: AbortSignal }): Promise<string[]> {
  const relayed = targets.filter(isRelayed)
  if (relayed.length === 0) return answeringFirst(targets, { timeout, signal })
  const direct = targets.filter((address) => !isRelayed(address))
  const first = direct.length === 0 ? undefined : await firstAnswering(direct, { timeout: timeout * DIRECT_SHARE, signal })
  return first === undefined ? relayed : [first, ...relayed]
}

/** An open stream; `heard` is when the last bytes came on it. */
interface OpenStream {
  stream: ByteStream
  heard: number
}

interface PeerState {
  /** Oldest first. */
  streams: OpenStream[]
  opening: AbortController | undefined
  /** No opening before, ms. */
  notBefore: number
  waiting: Uint8Array[]
  waitingBytes: number
}

export interface FrameNetwork extends MemberNetwork {
  /** Called with each message that arrives, without its length. One listener. When it returns false the stream is reset: that peer sends too much. */
  onFrame(listener: (peer: string, message: Uint8Array) => unknown): void
  /** Ends all openings. */
  stop(): void
}

/**
 * Frames between members over libp2p streams. Whoever first has something to send opens a stream; both directions of any open one
 * are used, so that a pair needs one only, or two when both opened at once.
 *
 * How long a frame waits behind payload of the same connection. When the connection has more to write than Node's buffers take
 * (64 KiB in the TLS socket, as much in the TCP socket), every stream is told "full"; when it drains, each stream writes in its turn.
 * A session that refilled the connection before the others' turn would keep frames out for ever: byteStreamOf() lets them go first.
 * The session writes one slab of 64 KiB in its turn, since it stops at the first "full" (its bound of 256 KiB unsent is seldom
 * reached). So some 200 KiB are ahead of a frame within this process; frames are handed over in the tick in which they are made,
 * and libp2p's sockets have TCP_NODELAY. The rest is beyond our reach: the kernel's send buffer (up to 4 MiB as Linux tunes it) and
 * what the other side has received and not yet read, for Node sets neither TCP_NOTSENT_LOWAT nor SO_SNDBUF. On a saturated line of
 * 100 Mbit/s that may be 0.3 s, in proportion less on faster ones.
 */
export function createMemberNetwork(
  host: Pick<Host, 'swim' | 'connect' | 'abandon'>,
  deps: { clock: Clock; logger: Logger }
): FrameNetwork {
  const { clock, logger } = deps
  const { swim } = host
  const peers = new Map<string, PeerState>()
  let listener: (peer: string, message: Uint8Array) => unknown = () => {}
  let stopped = false

  function stateOf(peer: string): PeerState {
    let state = peers.get(peer)
    if (state === undefined) {
      for (const [other, { streams, opening }] of peers) if (streams.length === 0 && opening === undefined && !swim.isUp(other)) peers.delete(other)
      state = { streams: [], opening: undefined, notBefore: 0, waiting: [], waitingBytes: 0 }
      peers.set(peer, state)
    }
    return state
  }

  /** The one heard last: of two connections one may be dead without knowing. */
  function best(state: PeerState): OpenStream | undefined {
    return state.streams.reduce<OpenStream | undefined>((a, b) => (a === undefined || b.heard > a.heard ? b : a), undefined)
  }

  /** Frames that can leave now do; the rest stays. */
  function flush(state: PeerState): void {
    while (state.waiting.length > 0) {
      const target = best(state)
      if (target === undefined || target.stream.unsent >= MAX_WAITING_BYTES) return
      const frame = state.waiting.shift() as Uint8Array
      state.waitingBytes -= frame.length
      target.stream.send(frame)
    }
  }

  function keep(state: PeerState, frame: Uint8Array): SendResult {
    let result: SendResult = 'kept'
    while (state.waiting.length > 0 && state.waitingBytes + frame.length > MAX_WAITING_BYTES) {
      state.waitingBytes -= (state.waiting.shift() as Uint8Array).length
      result = 'replaced'
    }
    state.waiting.push(frame)
    state.waitingBytes += frame.length
    return result
  }

  /** Without a stream what waits grows stale. */
  function dropWaiting(state: PeerState): void {
    if (state.streams.length > 0 || state.opening !== undefined) return flush(state)
    state.waiting = []
    state.waitingBytes = 0
  }

  function add(peer: string, stream: ByteStream): void {
    const state = stateOf(peer)
    if (stopped || state.streams.length >= MAX_STREAMS_PER_PEER) return stream.abort(new Error('too many membership streams'))
    const entry: OpenStream = { stream, heard: 0 }
    state.streams.push(entry)
    const splitter = createSwimSplitter((message) => {
      if (listener(peer, message) === false) throw new SkeinError('SKEIN_LIMIT', 'the peer sends more about members than anybody can use')
    })
    stream.attach({
      data(bytes) {
        entry.heard = clock.now()
        try {
          splitter.push(bytes)
        } catch (error) {
          logger.debug('a membership stream was reset', { peer, error: errorMessage(error) })
          stream.abort(error instanceof Error ? error : new Error(errorMessage(error)))
        }
      },
      drain: () => flush(state),
      closed() {
        state.streams = state.streams.filter((other) => other !== entry)
        dropWaiting(state)
      }
    })
    flush(state)
  }

  function open(peer: string, state: PeerState): void {
    const controller = new AbortController()
    state.opening = controller
    state.notBefore = clock.now() + OPEN_PACE_MS
    const timer = clock.after(OPEN_TIMEOUT_MS, () => controller.abort(new SkeinError('SKEIN_DEADLINE', 'opening the membership stream took too long')))
    swim.open(peer, { signal: controller.signal }).then(
      (stream) => {
        timer.cancel()
        state.opening = undefined
        add(peer, stream)
      },
      (error: unknown) => {
        timer.cancel()
        state.opening = undefined
        logger.debug('opening a membership stream failed', { peer, error: errorMessage(error) })
        dropWaiting(state)
      }
    )
  }

  swim.onStream(add)

  return {
    send(peer, frame) {
      if (stopped || !swim.isUp(peer)) return 'lost'
      const state = stateOf(peer)
      const target = best(state)
      if (target !== undefined) {
        flush(state)
        if (state.waiting.length > 0 || target.stream.unsent >= MAX_WAITING_BYTES) return keep(state, frame)
        target.stream.send(frame)
        return 'sent'
      }
      if (state.opening === undefined) {
        if (clock.now() < state.notBefore) return 'lost'
        open(peer, state)
      }
      return keep(state, frame)
    },
    knock,
    async dial(peer, addresses, { timeout, signal }) {
      signal.throwIfAborted()
      const targets = addressesFor(peer, addresses)
      if (targets.length === 0) throw new SkeinError('SKEIN_DIAL_FAILED', `no address of ${peer} can be dialled: ${addresses.join(', ')}`)
      const controller = new AbortController()
      const onAbort = () => controller.abort(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      const timer = clock.after(timeout, () => controller.abort(new SkeinError('SKEIN_DEADLINE', `no connection to ${peer} within ${timeout} ms`)))
      try {
        const [first = '', ...rest] = await inOrder(targets, { timeout, signal: controller.signal })
        const connecting = { peer, signal: controller.signal }
        await host.connect([first], connecting).catch((error: unknown) => {
          if (rest.length === 0 || controller.signal.aborted) throw error
          return host.connect(rest, connecting)
        })
      } finally {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
      }
    },
    close: (peer) => host.abandon(peer),
    onFrame(next) {
      listener = next
    },
    stop() {
      stopped = true
      for (const state of peers.values()) state.opening?.abort(new SkeinError('SKEIN_CANCELLED', 'the node is stopping'))
    }
  }
}
