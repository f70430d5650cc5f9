import { randomInt, seededRandom, type Random } from '../../src/base/random.ts'
import { createMeter } from '../../src/base/meter.ts'
import { silentLogger } from '../../src/base/logger.ts'
import type { Clock } from '../../src/base/clock.ts'
import { createCatalogDriver, type CatalogDriver } from '../../src/federation/catalog/driver.ts'
import type { CatalogNetwork, LocalServer, RecordSeal } from '../../src/federation/catalog/ports.ts'
import { decodeRecord, encodeRecord } from '../../src/wire/catalog-record.ts'
import { createManualClock } from './manual-clock.ts'
import { DESCRIPTOR, signer } from './catalog-fixtures.ts'

/** Signatures cost most of the time and are tested elsewhere. */
const UNSIGNED: RecordSeal = { seal: encodeRecord, open: decodeRecord }
const STEP = 200
const POOL = 'root'

interface Place {
  driver: CatalogDriver | undefined
  /** Boots so far; a message to an earlier boot is lost. */
  boot: number
  servers: LocalServer[]
  /** That it is in, now or when it is next booted. */
  pools: Set<string>
}

export interface World {
  readonly places: readonly Place[]
  readonly random: Random
  /** Chance that a message or request is lost. */
  loss: number
  peer(index: number): string
  /** Starts a node that remembers nothing, with a wall clock of its own. The news that it is a member comes with some delay. */
  boot(index: number): void
  /** As kill -9: every session to it ends, and everybody learns that it is dead. */
  kill(index: number): void
  setServers(index: number, servers: LocalServer[]): void
  /** It becomes a member of the pool, or leaves it; the others learn of it with some delay. */
  enter(index: number, pool: string): void
  leave(index: number, pool: string): void
  cut(a: number, b: number): void
  join(a: number, b: number): void
  run(ms: number): Promise<void>
}

/** Catalog drivers in one virtual network: messages are delayed 1 to 400 ms each, doubled now and then, and lost. */
export function createWorld(size: number, seed: number): World {
  const clock = createManualClock()
  const random = seededRandom(seed)
  const places: Place[] = Array.from({ length: size }, () => ({ driver: undefined, boot: 0, servers: [], pools: new Set([POOL]) }))
  const links = new Set<string>()
  const key = (a: number, b: number) => (a < b ? `${a} ${b}` : `${b} ${a}`)
  const delay = () => 1 + randomInt(random, 400)
  const indexOf = (peer: string) => places.findIndex((_, index) => signer(index).peer === peer)
  const linked = (a: number, b: number) => links.has(key(a, b)) && places[a]?.driver !== undefined && places[b]?.driver !== undefined

  /** Runs `fn` at the receiver unless the message is lost or either end restarted meanwhile. */
  function carry(from: number, to: number, fn: (driver: CatalogDriver) => void): void {
    const boots = [places[from]?.boot, places[to]?.boot]
    if (random.float() < world.loss) return
    clock.after(delay(), () => {
      const target = places[to]
      if (linked(from, to) && boots[0] === places[from]?.boot && boots[1] === target?.boot && target?.driver !== undefined) fn(target.driver)
    })
  }

  function networkOf(from: number): CatalogNetwork {
    return {
      publish(pool, bytes) {
        places.forEach((_, to) => {
          if (to === from || !linked(from, to)) return
          const copies = random.float() < 0.2 ? 2 : 1
          for (let copy = 0; copy < copies; copy++) carry(from, to, (driver) => driver.onGossip(pool, bytes, signer(from).peer))
        })
      },
      request(peer, kind, body, { signal, timeout }) {
        return new Promise((resolve, reject) => {
          const to = indexOf(peer)
          const timer = clock.after(timeout, () => reject(new Error('timeout')))
          signal.addEventListener('abort', () => reject(signal.reason), { once: true })
          carry(from, to, (driver) => {
            const answer = driver.answer(kind, body, signer(from).peer) as Uint8Array
            carry(to, from, () => {
              timer.cancel()
              resolve(answer)
            })
          })
        })
      }
    }
  }

  /** As the membership tells it: sooner or later, unless either end restarted meanwhile. */
  function introduce(to: number, about: number, pool: string): void {
    const boots = [places[to]?.boot, places[about]?.boot]
    clock.after(delay(), () => {
      const both = places[to]?.pools.has(pool) === true && places[about]?.pools.has(pool) === true
      if (both && boots[0] === places[to]?.boot && boots[1] === places[about]?.boot && places[about]?.driver !== undefined) places[to]?.driver?.memberUp(pool, signer(about).peer)
    })
  }

  function introduceAll(index: number, pool: string): void {
    places.forEach(({ driver, pools }, other) => {
      if (other === index || driver === undefined || !pools.has(pool)) return
      introduce(index, other, pool)
      introduce(other, index, pool)
    })
  }

  const world: World = {
    places,
    random,
    loss: 0,
    peer: (index) => signer(index).peer,
    boot(index) {
      const place = places[index] as Place
      const skew = randomInt(random, 40_000) - 20_000
      const own: Clock = { now: clock.now, wall: () => clock.wall() + skew, after: clock.after }
      const deps = { clock: own, random, meter: createMeter(), logger: silentLogger, network: networkOf(index) }
      place.boot++
      place.driver = createCatalogDriver(deps, { federation: 'fed', self: signer(index).peer, signer: signer(index), seal: UNSIGNED })
      for (const pool of place.pools) place.driver.openPool(pool)
      place.driver.start()
      place.driver.setLocal(place.servers, { ...DESCRIPTOR, name: `node-${index}` })
      for (const pool of place.pools) introduceAll(index, pool)
    },
    kill(index) {
      places[index]?.driver?.stop()
      places.forEach(({ driver }, other) => {
        if (other === index) return
        world.cut(index, other)
        for (const pool of places[index]?.pools ?? []) driver?.memberDown(pool, signer(index).peer)
      })
      ;(places[index] as Place).driver = undefined
    },
    setServers(index, servers) {
      const place = places[index] as Place
      place.servers = servers
      place.driver?.setLocal(servers, { ...DESCRIPTOR, name: `node-${index}` })
    },
    enter(index, pool) {
      const place = places[index] as Place
      place.pools.add(pool)
      place.driver?.openPool(pool)
      if (place.driver !== undefined) introduceAll(index, pool)
    },
    leave(index, pool) {
      const place = places[index] as Place
      place.pools.delete(pool)
      place.driver?.closePool(pool)
      // Its goodbye takes as long as any news.
      places.forEach((_, other) => {
        if (other !== index) clock.after(delay(), () => place.pools.has(pool) || places[other]?.driver?.memberDown(pool, signer(index).peer))
      })
    },
    cut(a, b) {
      if (!links.delete(key(a, b))) return
      places[a]?.driver?.sessionDown(signer(b).peer)
      places[b]?.driver?.sessionDown(signer(a).peer)
    },
    join(a, b) {
      if (links.has(key(a, b)) || places[a]?.driver === undefined || places[b]?.driver === undefined) return
      links.add(key(a, b))
      places[a].driver.sessionUp(signer(b).peer)
      places[b].driver.sessionUp(signer(a).peer)
    },
    async run(ms) {
      for (let passed = 0; passed < ms; passed += STEP) {
        clock.advance(STEP)
        // Promises of answered requests run between the steps.
        for (let turn = 0; turn < 6; turn++) await Promise.resolve()
      }
    }
  }
  return world
}
