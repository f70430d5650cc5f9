import type { DigestEntry, Sealed, SwimMessage } from '../wire/swim-types.ts'
import type { Core } from './core.ts'
import { syncScale } from './suspicion.ts'
import { endingOf, isLiving } from './table.ts'

/** After a join was seen, this long for the storm to settle, ms. */
const SETTLE_TIME = { least: 250, jitter: 250 }
/** Peers that are not known are asked who they are this often at most, all together, ms: a storm of them is met with one comparison. */
const INTRODUCE_EVERY = 200
/** Bytes of statements in one `state`, and peers asked for: below a frame's 64 KiB. */
const STATE_BUDGET = 48 * 1024
const MAX_WANT = 256
/** Entries in one digest; a larger pool sends several. */
const MAX_DIGEST = 1_024
/** One that came back from the dead is compared with after so long, ms, and again, until nothing differs any more: its whole side objects meanwhile. */
const BRIDGE_TIME = { least: 100, jitter: 100 }
const MAX_BRIDGE = 12
/** A linked peer that never speaks here is asked so often beside the members: its first question may be lost, or it may be of other pools only. */
const MAX_ASKED = 3

type Of<K extends SwimMessage['kind']> = Extract<SwimMessage, { kind: K }>

export interface Sync {
  /** Compares with this peer now. */
  with(peer: string): void
  /** Compares with somebody soon: members have joined. */
  soon(): void
  /** Compares with one that was dead soon, and again until there is no difference. */
  bridge(peer: string): void
  /** This peer speaks in this pool, or its link is gone: nothing of it is remembered as of a stranger. */
  heard(peer: string): void
  /** Compares with one that is not known or knows more, not too often. */
  introduce(peer: string): void
  onSync(message: Of<'sync'>, from: string): void
  onSame(from: string): void
  onDigest(message: Of<'digest'>, from: string): void
  onState(message: Of<'state'>, from: string): void
  /** These statements, in as many messages as it takes. */
  send(to: string, nonce: number, updates: readonly Sealed[]): void
  due(): void
  nextDue(): number
  start(): void
}

/** Anti-entropy: hashes first, lists only where they differ. What gossip loses comes this way. */
export function createSync(core: Core): Sync {
  const { options, profile, table, links } = core
  const { random } = options
  let periodicAt = Infinity
  let soonAt = Infinity
  let bridge: { peer: string; left: number } | undefined
  let introducedAt = -Infinity
  /** Strangers, and how often they were asked. Bounded by the links. */
  const asked = new Map<string, number>()

  function begin(peer: string): void {
    core.send(peer, { kind: 'sync', nonce: core.nonce(), hash: table.hash(), updates: core.own.alive === undefined ? [] : [core.own.alive] })
  }

  function within({ least, jitter }: typeof SETTLE_TIME): void {
    soonAt = Math.min(soonAt, core.now + least + random.float() * jitter)
  }

  function plan(): void {
    periodicAt = core.now + profile.syncInterval * syncScale(table.up) * (0.75 + random.float() * 0.5)
  }

  function anyOf(able: readonly string[]): string | undefined {
    return able.length === 0 ? undefined : able[Math.floor(random.float() * able.length)]
  }

  /** Linked, and perhaps for another pool's sake. */
  function stranger(): string | undefined {
    const peer = anyOf(links.linked().filter((one) => !isLiving(table.get(one)?.state) && (asked.get(one) ?? 0) < MAX_ASKED))
    if (peer !== undefined) asked.set(peer, (asked.get(peer) ?? 0) + 1)
    return peer
  }

  function withSomebody(wanted?: string): void {
    const able = links.linked()
    const peer = wanted !== undefined && links.isUp(wanted) ? wanted : (anyOf(able.filter((one) => isLiving(table.get(one)?.state))) ?? stranger())
    if (peer !== undefined) begin(peer)
  }

  /** What there is to say about an entry: its own last word, and what came after. */
  function words(peer: string): Sealed[] {
    const entry = table.get(peer)
    if (entry === undefined) return []
    if (!isLiving(entry.state)) return endingOf(entry)
    return [entry.alive, ...[...entry.accusations.values()].slice(0, 3), entry.ending].filter((sealed) => sealed !== undefined)
  }

  /** In as many messages as it takes. */
  function sendState(to: string, nonce: number, updates: readonly Sealed[], want: readonly string[]): void {
    let batch: Sealed[] = []
    let bytes = 0
    const wanted = want.slice(0, MAX_WANT)
    const flush = (more: string[]) => {
      core.send(to, { kind: 'state', nonce, want: more, updates: batch })
      batch = []
      bytes = 0
    }
    for (const sealed of updates) {
      if (bytes + sealed.bytes.length > STATE_BUDGET) flush([])
      batch.push(sealed)
      bytes += sealed.bytes.length
    }
    if (batch.length > 0 || wanted.length > 0) flush(wanted)
  }

  function compare(entries: readonly DigestEntry[]): { updates: Sealed[]; want: string[] } {
    const updates: Sealed[] = []
    const want: string[] = []
    for (const { peer, incarnation } of entries) {
      const mine = table.get(peer)
      if (mine === undefined || mine.incarnation < incarnation) want.push(peer)
      else if (!isLiving(mine.state)) {
        updates.push(...endingOf(mine))
      } else if (mine.incarnation > incarnation && mine.alive !== undefined) updates.push(mine.alive)
      // Those beside it may object for it, or pass it on: after a partition it may not know that it is suspected here.
      else if (mine.state === 'suspect' && mine.incarnation === incarnation) updates.push(...[...mine.accusations.values()].slice(0, 3))
    }
    return { updates, want }
  }

  return {
    with: begin,
    soon: () => within(SETTLE_TIME),
    bridge(peer) {
      bridge ??= { peer, left: MAX_BRIDGE }
      within(BRIDGE_TIME)
    },
    heard: (peer) => void asked.delete(peer),
    introduce(peer) {
      if (core.now < introducedAt + INTRODUCE_EVERY) return
      introducedAt = core.now
      begin(peer)
    },
    onSync({ nonce, hash }, from) {
      if (Buffer.compare(hash, table.hash()) === 0) {
        core.count('sync-same', from)
        return core.send(from, { kind: 'same', nonce, updates: core.carry() })
      }
      core.count('sync-different', from)
      const all = table.digest()
      for (let start = 0; start < all.length; start += MAX_DIGEST) core.send(from, { kind: 'digest', nonce, entries: all.slice(start, start + MAX_DIGEST), updates: [] })
    },
    onSame(from) {
      if (from === bridge?.peer) bridge = undefined
    },
    onDigest({ nonce, entries }, from) {
      // Few links lead across at first, and gossip seldom takes them.
      if (from === bridge?.peer) within(BRIDGE_TIME)
      const { updates, want } = compare(entries)
      // A digest of a part cannot show what is missing in it.
      if (entries.length < MAX_DIGEST && table.up <= MAX_DIGEST) {
        const theirs = new Set(entries.map(({ peer }) => peer))
        for (const entry of table.entries()) if (isLiving(entry.state) && !theirs.has(entry.peer) && entry.alive !== undefined) updates.push(entry.alive)
      }
      sendState(from, nonce, updates, want)
    },
    onState({ nonce, want }, from) {
      if (want.length > 0) sendState(from, nonce, want.slice(0, MAX_WANT).flatMap(words), [])
    },
    send: (to, nonce, updates) => sendState(to, nonce, updates, []),
    due() {
      if (core.now >= soonAt) {
        soonAt = Infinity
        withSomebody(bridge?.peer)
        if (bridge !== undefined && (bridge.left-- <= 0 || !links.isUp(bridge.peer))) bridge = undefined
      }
      if (core.now >= periodicAt) {
        plan()
        withSomebody()
        const other = stranger()
        if (other !== undefined) begin(other)
      }
    },
    nextDue: () => Math.min(periodicAt, soonAt),
    start: plan
  }
}
