import { randomInt } from '../../src/base/random.ts'
import type { Random } from '../../src/base/random.ts'
import type { SwimEvent } from '../../src/membership/types.ts'
import type { SwimMessage } from '../../src/wire/swim-types.ts'
import { createCarrier, newCable } from './swim-cable.ts'
import type { Cable, CableDeps } from './swim-cable.ts'
import { hostAddress } from './swim-ports.ts'
import type { Process } from './swim-world-types.ts'

export interface ConnectionDeps extends Omit<CableDeps, 'deliver' | 'count'> {
  network: Random
  carried: CableDeps['count']
  count(what: string): void
  handle(process: Process, event: SwimEvent): void
}

/** The connections between processes, as the kernels on both sides see them. */
export interface Connections {
  connect(dialler: Process, listener: Process, address: string): void
  /** False if there is no connection with that peer. */
  send(process: Process, to: string, message: SwimMessage): boolean
  /** All with one peer; the other side hears of it, if it can. */
  closeAll(process: Process, peer: string, expected: boolean): void
  /** The process has ended: its kernel resets them all. */
  reset(process: Process): void
  /** Breaks between two that live. */
  sever(cable: Cable): void
}

export function createConnections({ paths, now, later, tcp, network, carried, count, handle }: ConnectionDeps): Connections {
  const carry = createCarrier({ paths, now, later, tcp, deliver, count: carried })

  function side(cable: Cable, process: Process): 0 | 1 {
    return cable.ends[0] === process ? 0 : 1
  }

  function connect(dialler: Process, listener: Process, address: string): void {
    const cable = newCable(dialler, listener)
    count('link-up')
    const first = network.float() < 0.5
    if (first) attach(cable, dialler, listener, address, true)
    attach(cable, listener, dialler, `${hostAddress(dialler.host)}/tcp/${40_000 + randomInt(network, 20_000)}`, false)
    if (!first) attach(cable, dialler, listener, address, true)
  }

  function attach(cable: Cable, process: Process, other: Process, address: string, dialled: boolean): void {
    const known = process.cables.get(other.peer)
    if (known !== undefined) {
      known.push(cable)
      return
    }
    process.cables.set(other.peer, [cable])
    handle(process, { type: 'link-up', peer: other.peer, address, dialled })
  }

  /** One side sees its end of the connection go. */
  function lose(cable: Cable, process: Process, expected: boolean): void {
    const mine = side(cable, process)
    if (!cable.up[mine]) return
    cable.up[mine] = false
    const peer = cable.ends[1 - mine]!.peer
    const all = process.cables.get(peer)
    if (all === undefined) return
    all.splice(all.indexOf(cable), 1)
    if (all.length > 0) return
    process.cables.delete(peer)
    if (process.ended) return
    count(expected ? 'link-closed' : 'link-lost')
    handle(process, { type: 'link-down', peer, expected })
  }

  /** The news that one side is gone travels to the other, if it can. */
  function tellGone(cable: Cable, from: Process): void {
    const other = cable.ends[1 - side(cable, from)]!
    if (!from.host.powered || paths.isCut(from.host.index, other.host.index)) return
    later(paths.delay(from.host.index, other.host.index), () => lose(cable, other, false))
  }

  function deliver(cable: Cable, to: 0 | 1, message: SwimMessage): void {
    const process = cable.ends[to]!
    if (cable.up[to] && !process.ended) handle(process, { type: 'message', from: cable.ends[1 - to]!.peer, message })
    // The kernel there knows no such connection any more.
    else tellGone(cable, process)
  }

  function closeAll(process: Process, peer: string, expected: boolean): void {
    for (const cable of process.cables.get(peer) ?? []) {
      tellGone(cable, process)
      later(0.2, () => lose(cable, process, expected))
    }
  }

  return {
    connect,
    send(process, to, message) {
      const cables = process.cables.get(to)
      const cable = cables?.[cables.length - 1]
      if (cable === undefined) return false
      carry(cable, side(cable, process), message)
      return true
    },
    closeAll,
    reset(process) {
      for (const cable of [...process.cables.values()].flat()) {
        cable.up[side(cable, process)] = false
        tellGone(cable, process)
      }
      process.cables.clear()
    },
    sever(cable) {
      for (const process of cable.ends) {
        const other = cable.ends[1 - side(cable, process)]!
        later(paths.delay(other.host.index, process.host.index), () => lose(cable, process, false))
      }
    }
  }
}
