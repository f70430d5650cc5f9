import { createFading, createSlowness, createUsual, type Fading, type Slowness, type Usual } from './estimates.ts'
import { createFlaps, type Flaps } from './flaps.ts'

/** As many as the catalog holds records of. */
export const MAX_PEERS = 4_096
/** Servers with calls of this node's clients; a record has up to 64. */
export const MAX_ROUTED_SERVERS = 1_024
/** Of about 300 bytes each. */
export const MAX_LANES = 16_384
/** Tools of one server whose time is remembered; the others count as the server's usual one. */
export const MAX_TIMED_TOOLS = 128
/** How far to look for one that is idle: with so many busy ones the oldest is as good to lose as any. */
const LOOKED_AT = 16

/** What is known of a peer, whatever it serves. */
export interface PeerState {
  /** When it came or came back; -Infinity: nobody said. */
  since: number
  flaps: Flaps
  /** By server. */
  lanes: Map<string, Lane>
}

/** What is known of one server at one peer. */
export interface Lane {
  peer: PeerState
  /** Own calls there now. */
  inFlight: number
  /** Calls of others, as last reported. */
  others: Fading
  reported: boolean
  unreliability: Fading
  /** Logarithm of how many times the usual time it takes. */
  slowness: Slowness
  flaps: Flaps
  /** As they were when it was last chosen: the time of an answer is read with them. */
  path: number
  capacity: number
  ahead: number
  /** Waits of all own calls there, as expected when they left, in units of the service time. */
  waits: number
}

export interface ServerState {
  /** By peer. */
  lanes: Map<string, Lane>
  usual: Usual
  tools: Map<string, Usual>
}

export interface Lanes {
  readonly servers: ReadonlyMap<string, ServerState>
  readonly peers: ReadonlyMap<string, PeerState>
  /** Made if it is not there, as with the next two. */
  lane(server: string, peer: string): Lane
  peer(id: string): PeerState
  timed(server: string, tool: string | undefined): Usual
  forget(peer: string): void
  count(): number
}

function isIdle(lanes: ReadonlyMap<string, Lane>): boolean {
  for (const { inFlight } of lanes.values()) if (inFlight > 0) return false
  return true
}

/** Tables of what the router knows. When one is full the oldest entry without a running call goes: it is learnt anew. */
export function createLanes(): Lanes {
  const servers = new Map<string, ServerState>()
  const peers = new Map<string, PeerState>()
  let count = 0

  function drop(server: string, peer: string): void {
    const state = servers.get(server)
    if (state?.lanes.delete(peer) !== true) return
    count--
    peers.get(peer)?.lanes.delete(server)
  }

  function dropServer(name: string): void {
    for (const peer of servers.get(name)?.lanes.keys() ?? []) drop(name, peer)
    servers.delete(name)
  }

  function dropPeer(id: string): void {
    for (const server of peers.get(id)?.lanes.keys() ?? []) drop(server, id)
    peers.delete(id)
  }

  function oldest(states: ReadonlyMap<string, { lanes: Map<string, Lane> }>, but: string): string | undefined {
    let first: string | undefined
    let looked = 0
    for (const [key, { lanes }] of states) {
      if (key === but) continue
      first ??= key
      if (isIdle(lanes)) return key
      if (++looked >= LOOKED_AT) break
    }
    return first
  }

  function serverOf(name: string): ServerState {
    const known = servers.get(name)
    if (known !== undefined) return known
    const made: ServerState = { lanes: new Map(), usual: createUsual(), tools: new Map() }
    servers.set(name, made)
    if (servers.size > MAX_ROUTED_SERVERS) dropServer(oldest(servers, name) as string)
    return made
  }

  function peerOf(id: string): PeerState {
    const known = peers.get(id)
    if (known !== undefined) return known
    const made: PeerState = { since: -Infinity, flaps: createFlaps(), lanes: new Map() }
    peers.set(id, made)
    if (peers.size > MAX_PEERS) dropPeer(oldest(peers, id) as string)
    return made
  }

  function laneOf(server: string, peer: string): Lane {
    const known = servers.get(server)?.lanes.get(peer)
    if (known !== undefined) return known
    const owner = peerOf(peer)
    const state = serverOf(server)
    const made: Lane = {
      peer: owner, inFlight: 0, others: createFading(), reported: false, unreliability: createFading(), slowness: createSlowness(), flaps: createFlaps(), path: 0, capacity: Infinity, ahead: 0, waits: 0
    }
    state.lanes.set(peer, made)
    owner.lanes.set(server, made)
    // Other servers' lanes go first, then the oldest of this one.
    if (++count > MAX_LANES) {
      const other = oldest(servers, server)
      if (other === undefined) drop(server, state.lanes.keys().next().value as string)
      else dropServer(other)
    }
    return made
  }

  return {
    servers,
    peers,
    lane: laneOf,
    peer: peerOf,
    timed(server, tool) {
      const state = serverOf(server)
      if (tool === undefined) return state.usual
      const known = state.tools.get(tool)
      if (known !== undefined) return known
      if (state.tools.size >= MAX_TIMED_TOOLS) return state.usual
      const made = createUsual()
      state.tools.set(tool, made)
      return made
    },
    forget: dropPeer,
    count: () => count
  }
}
