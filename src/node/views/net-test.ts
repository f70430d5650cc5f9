import type { Clock } from '../../base/clock.ts'
import { SkeinError, errorMessage } from '../../base/errors.ts'
import { parseAddress } from '../../net/addresses.ts'
import type { Host } from '../../net/host.ts'
import type { Rpc } from '../../rpc/types.ts'
import { METHOD } from '../../wire/protocols.ts'
import type { NetTestStep } from '../api.ts'

const ECHO_BYTES = 1024
const ECHOES = 10
const ECHO_TIMEOUT_MS = 5_000
/** A session is opened by the lower peer id, or after a second by the other: wait for both. */
const SESSION_WAIT_MS = 3_000
const POLL_MS = 50

/** What other nodes' tests ask of this one. */
export function answerNetTests(rpc: Pick<Rpc, 'handle'>): void {
  rpc.handle(METHOD.ECHO, (exchange) => exchange.end(exchange.body))
}

/** Tries one address step by step and says how far it got; true only if a request went there and back. */
export async function runNetTest(
  { host, rpc, clock }: { host: Host; rpc: Rpc; clock: Clock },
  address: string,
  { signal, onStep }: { signal: AbortSignal; onStep: (step: NetTestStep) => void }
): Promise<boolean> {
  async function step<T>(name: string, work: () => Promise<{ detail: string; value: T }>): Promise<T | undefined> {
    const started = clock.now()
    try {
      const { detail, value } = await work()
      onStep({ step: name, ok: true, detail, ms: clock.now() - started })
      return value
    } catch (error) {
      onStep({ step: name, ok: false, detail: errorMessage(error), ms: clock.now() - started })
      return undefined
    }
  }

  const parsed = await step('parse', async () => {
    const { address: multiaddr, peer } = parseAddress(address)
    return { detail: peer === undefined ? `${multiaddr} (any peer)` : `${multiaddr}`, value: true }
  })
  if (parsed === undefined) return false
  const peer = await step('dial, prove and admit', async () => {
    const found = await host.connect([address], { signal })
    return { detail: `${found} is a member of our federation`, value: found }
  })
  if (peer === undefined) return false
  const times = await step('echo', async () => {
    await waitForSession(peer)
    const rounds: number[] = []
    for (let round = 0; round < ECHOES; round++) {
      const began = clock.now()
      const { body } = await rpc.call(peer, METHOD.ECHO, new Uint8Array(ECHO_BYTES), { timeout: ECHO_TIMEOUT_MS, signal })
      if (body.length !== ECHO_BYTES) throw new SkeinError('SKEIN_PROTOCOL', `an echo of ${ECHO_BYTES} bytes came back with ${body.length}`)
      rounds.push(clock.now() - began)
    }
    rounds.sort((a, b) => a - b)
    return { detail: `${ECHOES} round trips of ${ECHO_BYTES} bytes, median ${(rounds[ECHOES / 2] as number).toFixed(2)} ms`, value: rounds }
  })
  return times !== undefined

  async function waitForSession(target: string): Promise<void> {
    for (let waited = 0; waited < SESSION_WAIT_MS; waited += POLL_MS) {
      if (rpc.sessions().some((session) => session.peer === target)) return
      signal.throwIfAborted()
      await new Promise<void>((resolve) => clock.after(POLL_MS, resolve))
    }
  }
}
