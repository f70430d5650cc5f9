/**
 * A member and nothing else (net and membership, no tools, no store), one process each, for benches and tests with many processes:
 * `node slim-launch.mjs card.json`. Prints a JSON object a line (`ready`, `joined`, `failed`, …) and obeys JSON lines on standard
 * input; ends when that is closed.
 */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { systemClock } from '../../src/base/clock.ts'
import { errorMessage } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { createMeter } from '../../src/base/meter.ts'
import { systemRandom } from '../../src/base/random.ts'
import { createMembership, type Membership } from '../../src/membership/driver.ts'
import type { MemberNetwork } from '../../src/membership/ports.ts'
import { PROFILES } from '../../src/membership/profiles.ts'
import type { MemberEvent } from '../../src/membership/types.ts'
import { createHost } from '../../src/net/host.ts'
import { identityFromSeed } from '../../src/net/identity.ts'
import { createMemberNetwork } from '../../src/net/member-network.ts'
import { admissionRules } from '../../src/node/members/admission-rules.ts'
import { localMember } from '../../src/node/members/membership-setup.ts'
import { createStatementSeals } from '../../src/node/members/statement-seal.ts'
import { createAdmission } from '../../src/security/admission.ts'
import { signerFromSeed } from '../../src/wire/envelope.ts'
import { createFakeTokenStore } from './fake-security-stores.ts'
import type { SlimCard } from './slim-world.ts'

/** What a member counts itself, since its start or the last `reset`. */
export interface SlimStats {
  rss: number
  connections: number
  dials: number
  /** Most dials within one second. */
  dialPeak: number
  messages: number
  bytes: number
  /** Counters of the membership area, by name and labels. */
  counters: Record<string, number>
}

export type SlimLine =
  | { event: 'ready'; name: string; addresses: string[] }
  | { event: 'joined' | 'failed' | 'left' | 'accused' | 'heard' | 'refuted' | 'note'; about: string; evidence?: string }
  | ({ event: 'stats'; id: number } & SlimStats)

export type SlimCommand = { do: 'join'; seeds: string[] } | { do: 'leave' } | { do: 'stats'; id: number } | { do: 'reset' } | { do: 'block'; ms: number }

const JOIN_TRIES = 10
const DIAL_TIMEOUT_MS = 10_000

const card = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as SlimCard
const say = (line: SlimLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const seed = new Uint8Array(Buffer.from(card.seed, 'base64'))
const signer = signerFromSeed(seed)
const bundle = { authority: bytes(card.bundle.authority), certificate: bytes(card.bundle.certificate), credential: bytes(card.bundle.credential) }
const scope = { federation: card.federation, pool: card.pool }
const meter = createMeter()
const base = { clock: systemClock, random: systemRandom, logger: silentLogger, meter }

const admission = createAdmission({
  ...base,
  signer,
  tokens: createFakeTokenStore(),
  federation: { load: () => ({ id: card.federation, name: 'slim', authority: bundle.authority, bundle }), save() {} }
})
const rules = admissionRules(admission, {
  isBanned: () => false,
  rpc: () => {
    throw new Error('a slim member makes no calls')
  }
})

/** Nothing connects before the host is started, which is when there is a membership. */
const running: { membership?: Membership } = {}
const identity = await identityFromSeed(seed)
const host = await createHost(
  {
    ...base,
    rules,
    events: {
      peerUp: (peer, at) => running.membership?.linkUp(peer, at),
      peerDown: (peer, how) => running.membership?.linkDown(peer, how),
      sessionStream: (_, stream) => stream.abort(new Error('a slim member has no sessions'))
    }
  },
  {
    self: identity.peer,
    privateKey: identity.privateKey,
    listen: [card.listen],
    announce: [],
    userAgent: 'skein-slim',
    maxConnections: 400,
    dialTimeout: DIAL_TIMEOUT_MS
  }
)

const counted = { messages: 0, bytes: 0, dials: [] as number[] }
const real = createMemberNetwork(host, base)
const network: MemberNetwork = {
  ...real,
  send(peer, frame) {
    counted.messages++
    counted.bytes += frame.length
    return real.send(peer, frame)
  },
  dial(peer, addresses, options) {
    counted.dials.push(performance.now())
    return real.dial(peer, addresses, options)
  }
}
const membership = createMembership(
  {
    ...base,
    network,
    seal: createStatementSeals({ clock: systemClock, signer }, scope)(scope.pool)
  },
  { self: identity.peer, scope, profile: PROFILES[card.profile], ...(card.fullMesh === undefined ? {} : { fullMesh: card.fullMesh }) }
)
running.membership = membership
real.onFrame((peer, message) => membership.received(peer, message))
membership.onEvent(tell)
membership.onSuperseded(() => say({ event: 'note', about: 'superseded' }))
await host.start()
membership.start(localMember({ name: card.name, version: '0.0.0', addresses: host.addresses(), credential: bundle }), Date.now())
say({ event: 'ready', name: card.name, addresses: host.addresses() })

const input = createInterface({ input: process.stdin })
input.on('line', (line) => void obey(JSON.parse(line) as SlimCommand))
input.on('close', () => process.exit(0))

function tell({ type, member, was, by, evidence }: MemberEvent): void {
  const about = member.name
  const because = evidence === undefined ? {} : { evidence }
  if (type === 'suspected') say({ event: by === identity.peer ? 'accused' : 'heard', about, ...because })
  else if (type === 'recovered') say({ event: was === 'dead' ? 'joined' : 'note', about })
  else if (type === 'joined' || type === 'failed' || type === 'left') say({ event: type, about, ...because })
}

async function obey(command: SlimCommand): Promise<void> {
  if (command.do === 'join') await join(command.seeds)
  else if (command.do === 'stats') say({ event: 'stats', id: command.id, ...stats() })
  else if (command.do === 'reset') Object.assign(counted, { messages: 0, bytes: 0, dials: [] })
  else if (command.do === 'block') {
    const end = performance.now() + command.ms
    while (performance.now() < end);
  } else {
    await membership.leave()
    membership.stop()
    await host.stop()
    process.exit(0)
  }
}

async function join(seeds: string[]): Promise<void> {
  for (let tried = 0; tried < JOIN_TRIES; tried++) {
    try {
      await host.connect(seeds, { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) })
      return
    } catch (error) {
      say({ event: 'note', about: `join: ${errorMessage(error)}` })
      await new Promise((done) => setTimeout(done, 250))
    }
  }
}

function stats(): SlimStats {
  const { messages, bytes: sent, dials } = counted
  const within = (at: number) => dials.filter((other) => other >= at && other < at + 1_000).length
  const counters = meter.snapshot().filter(({ name, type }) => type === 'counter' && name.includes('membership'))
  return {
    rss: process.memoryUsage().rss,
    connections: host.peers().length,
    dials: dials.length,
    dialPeak: Math.max(0, ...dials.map(within)),
    messages,
    bytes: sent,
    counters: Object.fromEntries(counters.flatMap(({ name, samples }) => samples.map(({ labels, value }) => [[name, ...labels].join(' '), value])))
  }
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}
