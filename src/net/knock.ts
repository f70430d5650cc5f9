import { connect } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import type { KnockResult } from '../membership/types.ts'

/** The interfaces of a machine; whoever lists more wants us to knock at the doors of others. */
const MAX_TARGETS = 8

/** Where a TCP connect goes; undefined for an address of another form (a relay, QUIC, WebSocket: nothing answers a bare connect there). */
function targetOf(address: string): { host: string; port: number } | undefined {
  try {
    const [host, transport, ...rest] = multiaddr(address).getComponents()
    const port = Number(transport?.value)
    if (host?.value === undefined || transport?.name !== 'tcp' || !(port > 0)) return undefined
    if (!['ip4', 'ip6', 'dns', 'dns4', 'dns6'].includes(host.name) || rest.some(({ name }) => name !== 'p2p')) return undefined
    return { host: host.value, port }
  } catch {
    return undefined
  }
}

function knockOne(target: { host: string; port: number }, timeout: number, signal: AbortSignal): Promise<KnockResult> {
  return new Promise((resolve) => {
    const socket = connect(target)
    const done = (result: KnockResult) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      // An error may still come, and without a listener it would end the process.
      socket.on('error', () => {})
      socket.destroy()
      resolve(result)
    }
    const onAbort = () => done('silent')
    const timer = setTimeout(done, timeout, 'silent')
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('connect', () => done('open'))
    socket.once('error', (error) => done(allRefused(error) ? 'refused' : 'silent'))
  })
}

/** A name with several addresses fails with one error for each. */
function allRefused(error: NodeJS.ErrnoException & { errors?: NodeJS.ErrnoException[] }): boolean {
  if (Array.isArray(error.errors) && error.errors.length > 0) return error.errors.every(allRefused)
  return error.code === 'ECONNREFUSED'
}

/**
 * Asks the machines behind these multiaddrs whether anything listens there: a bare TCP connect each, all at once, nothing is sent.
 * Addresses that are not ip or dns name with tcp are left out.
 * @param options.timeout for each connect, name resolution included, ms
 * @returns `refused` only if every address answered ECONNREFUSED; `open` as soon as one accepts; else `silent`. Never rejects.
 */
export async function knock(addresses: readonly string[], options: { timeout: number; signal: AbortSignal }): Promise<KnockResult> {
  const targets = addresses.map(targetOf).filter((target) => target !== undefined).slice(0, MAX_TARGETS)
  if (targets.length === 0 || options.signal.aborted) return 'silent'
  const enough = new AbortController()
  const onAbort = () => enough.abort()
  options.signal.addEventListener('abort', onAbort, { once: true })
  try {
    const results = await Promise.all(
      targets.map(async (target) => {
        const result = await knockOne(target, options.timeout, enough.signal).catch((): KnockResult => 'silent')
        // One open door answers the question; the other connects end.
        if (result === 'open') enough.abort()
        return result
      })
    )
    if (results.includes('open')) return 'open'
    return results.every((result) => result === 'refused') ? 'refused' : 'silent'
  } finally {
    options.signal.removeEventListener('abort', onAbort)
  }
}

/**
 * The same addresses, the one that accepts a TCP connect first in front. libp2p tries addresses one after the other, and one that is
 * silent (a container bridge of the other machine) would use up the time of a short dial.
 * @param options.timeout for each connect, ms
 */
export async function answeringFirst(addresses: readonly string[], options: { timeout: number; signal: AbortSignal }): Promise<string[]> {
  if (addresses.length < 2) return [...addresses]
  const first = await firstAnswering(addresses, options)
  return first === undefined ? [...addresses] : [first, ...addresses.filter((address) => address !== first)]
}

/** The first of these addresses that accepts a TCP connect; undefined if none does in time. */
export async function firstAnswering(addresses: readonly string[], options: { timeout: number; signal: AbortSignal }): Promise<string | undefined> {
  const enough = new AbortController()
  const onAbort = () => enough.abort()
  options.signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.any(
      addresses.slice(0, MAX_TARGETS).map(async (address) => {
        if ((await knock([address], { timeout: options.timeout, signal: enough.signal })) !== 'open') throw new Error('no answer')
        return address
      })
    )
  } catch {
    return undefined
  } finally {
    enough.abort()
    options.signal.removeEventListener('abort', onAbort)
  }
}
