import type { KnockResult } from '../../src/membership/types.ts'
import type { Paths } from './swim-paths.ts'
import type { Host, Process } from './swim-world-types.ts'

export interface PortDeps {
  paths: Paths
  now(): number
  later(ms: number, run: () => void): void
  count(what: string): void
  stalled(process: Process): boolean
  connect(dialler: Process, listener: Process, address: string): void
}

/** Who listens where, and what a TCP connect there finds. */
export interface Ports {
  listen(process: Process, address: string): void
  /** Nobody listens there any more, if it was this process. */
  close(process: Process): void
  /** Bare connects to all addresses. */
  knock(process: Process, addresses: readonly string[], answered: (result: KnockResult) => void): void
  /** A whole connection with this peer, at the first address that has one. */
  dial(process: Process, peer: string, addresses: readonly string[], timeout: number, done: (ok: boolean) => void): void
}

const KNOCK_TIMEOUT = 1_000
/** SYN is sent again after a second, data after 200 ms. */
const SYN_RETRY = 1_000

export function hostAddress(host: { index: number }): string {
  return `/ip4/10.0.${host.index >> 8}.${host.index & 255}`
}

export function createPorts({ paths, now, later, count, stalled, connect }: PortDeps): Ports {
  const listening = new Map<string, Process>()
  const owners = new Map<string, Host>()

  function listen(process: Process, address: string): void {
    listening.set(address, process)
    owners.set(address, process.host)
  }

  /** What a TCP connect finds: a listener, a refusal, or nothing. */
  function probe(process: Process, address: string): Process | 'refused' | 'silent' {
    const host = owners.get(address)
    if (host === undefined || !host.powered) return 'silent'
    if (paths.isCut(process.host.index, host.index) || paths.isCut(host.index, process.host.index)) return 'silent'
    return listening.get(address) ?? 'refused'
  }

  /** Time of one way of a handshake, with what has to be sent again. */
  function leg(from: Host, to: Host, again: number): number {
    let ms = paths.delay(from.index, to.index)
    for (let wait = again; !paths.passes(from.index, to.index) && wait < 60_000; wait *= 2) ms += wait
    return ms
  }

  function knock(process: Process, addresses: readonly string[], answered: (result: KnockResult) => void): void {
    const results: KnockResult[] = []
    let waiting = addresses.length
    const finish = () => {
      const result = results.includes('open') ? 'open' : results.length > 0 && results.every((one) => one === 'refused') ? 'refused' : 'silent'
      answered(result)
    }
    if (waiting === 0) later(0.1, finish)
    for (const address of addresses) {
      const there = owners.get(address)
      const first = there === undefined ? 0 : leg(process.host, there, SYN_RETRY)
      const back = there === undefined ? 0 : leg(there, process.host, SYN_RETRY)
      const done = (result: KnockResult) => {
        results.push(result)
        if (--waiting === 0) finish()
      }
      if (there === undefined || first + back > KNOCK_TIMEOUT) later(KNOCK_TIMEOUT, () => done('silent'))
      else {
        later(first, () => {
          const found = probe(process, address)
          if (found === 'silent') later(KNOCK_TIMEOUT - first, () => done('silent'))
          else later(back, () => done(found === 'refused' ? 'refused' : 'open'))
        })
      }
    }
  }

  function dial(process: Process, peer: string, addresses: readonly string[], timeout: number, done: (ok: boolean) => void): void {
    const deadline = now() + timeout
    const fail = () => later(Math.max(0, deadline - now()), () => done(false))
    const attempt = (index: number) => {
      const address = addresses[index]
      if (address === undefined) {
        later(0.1, () => done(false))
        return
      }
      const there = owners.get(address)
      const connect1 = there === undefined ? Infinity : leg(process.host, there, SYN_RETRY) + leg(there, process.host, SYN_RETRY)
      if (there === undefined || now() + connect1 > deadline) {
        fail()
        return
      }
      later(connect1, () => {
        const found = probe(process, address)
        if (found === 'silent') fail()
        else if (found === 'refused') attempt(index + 1)
        else {
          const handshake = leg(process.host, there, 200) + leg(there, process.host, 200)
          if (now() + handshake > deadline) fail()
          else later(handshake, () => admit(found, address, index))
        }
      })
    }
    const admit = (listener: Process, address: string, index: number) => {
      if (process.ended) return
      if (listener.ended) {
        attempt(index + 1)
      } else if (now() > deadline) {
        done(false)
      } else if (stalled(listener) || stalled(process) || probe(process, address) === 'silent') {
        later(50, () => admit(listener, address, index))
      } else if (listener.peer !== peer || listener.scope.pool !== process.scope.pool || listener.left || process.left) {
        count('not-admitted')
        done(false)
      } else {
        connect(process, listener, address)
        done(true)
      }
    }
    attempt(0)
  }

  return {
    listen,
    close(process) {
      if (listening.get(process.address) === process) listening.delete(process.address)
    },
    knock,
    dial
  }
}
