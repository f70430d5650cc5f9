import { expect, test } from 'vitest'
import type { McpOutcome, RunningCall } from '../../src/mcp/ports.ts'
import type { Json, JsonRpcId } from '../../src/wire/json-rpc.ts'
import { randomInt, seededRandom, type Random } from '../../src/base/random.ts'
import { flush, recordingSink, toolCall } from '../support/mcp-calls.ts'
import { answersTo, connected } from '../support/upstream-connections.ts'

/** One client's call as the client sees it: the request or retry that is running, or the question it has to answer. */
interface Client {
  name: string
  running: RunningCall | undefined
  question: Json | undefined
  over: Promise<void>
  /** How every request of it ended. */
  ends: string[]
}

const CAPABILITIES = { sampling: {}, elicitation: {}, roots: {} }
const METHODS = ['elicitation/create', 'sampling/createMessage', 'roots/list']

/** A server and three clients do what they like, in an order that the seed decides; returns what must not be wrong at the end. */
async function life(random: Random) {
  const { clock, link, parking, connection } = await connected({ maxParked: 1 + randomInt(random, 2) })
  const pick = <T>(from: readonly T[]): T | undefined => from[randomInt(random, from.length)]
  const clients: Client[] = []
  const asked: JsonRpcId[] = []
  const withdrawn = new Set<JsonRpcId>()
  let dead = false

  const request = (name: string, params: Json = {}) => toolCall('x', name, { capabilities: CAPABILITIES, timeout: 2_000, token: name, params })
  function follow(client: Client, running: RunningCall): void {
    client.running = running
    running.outcome.then(
      (outcome: McpOutcome) => ended(client, running, 'result' in outcome && outcome.result.resultType === 'input_required' ? outcome.result : undefined, 'error' in outcome ? 'error' : 'result'),
      (error: { code?: string }) => ended(client, running, undefined, String(error.code))
    )
  }
  function ended(client: Client, running: RunningCall, question: Json | undefined, end: string): void {
    client.ends.push(question === undefined ? end : 'question')
    if (client.running !== running) throw new Error('a request ended twice')
    client.running = undefined
    client.question = question
  }
  const steps: (() => void)[] = [
    () => {
      if (clients.length >= 3) return
      const name = `tool${clients.length}`
      const call = connection.call(request(name), recordingSink())
      const client: Client = { name, running: undefined, question: undefined, over: call.over, ends: [] }
      clients.push(client)
      follow(client, call)
    },
    () => {
      const id = `q${asked.length}`
      const related = pick(link.open('tools/call'))?.id
      asked.push(id)
      link.emit({ id, method: pick(METHODS), params: {} }, related === undefined || random.float() < 0.3 ? {} : { related })
    },
    () => {
      const id = pick(asked)
      if (id === undefined || answersTo(link, id).length > 0) return
      withdrawn.add(id)
      link.emit({ method: 'notifications/cancelled', params: { requestId: id } })
    },
    () => {
      const call = pick(link.open('tools/call'))
      if (call === undefined || random.float() > 0.4) return
      if (random.float() < 0.2) link.refuseRequest(call.id, -1, 'no')
      else link.answer(call.id, { content: [] })
    },
    () => {
      const client = pick(clients)
      if (client?.question === undefined) return
      const keys = Object.keys(client.question.inputRequests as Json).filter(() => random.float() < 0.8)
      const inputResponses = Object.fromEntries(keys.map((key) => [key, random.float() < 0.3 ? { error: { code: -1, message: 'no' } } : { action: 'accept' }]))
      const running = parking.resume(request(client.name, { requestState: client.question.requestState, inputResponses }), recordingSink())
      client.question = undefined
      if (running === undefined) client.ends.push('unknown')
      else follow(client, running)
    },
    () => {
      if (random.float() < 0.3) pick(clients)?.running?.cancel('no interest')
    },
    () => clock.advance(randomInt(random, 20)),
    () => clock.advance(random.float() < 0.1 ? 700_000 : 500),
    () => {
      dead ||= random.float() < 0.02
      if (dead) link.die()
    }
  ]
  for (let step = 0; step < 80; step += 1) {
    pick(steps)?.()
    if (random.float() < 0.7) await flush()
  }
  // Everybody gives up, and time does the rest.
  for (let rest = 0; rest < 3; rest += 1) {
    await flush()
    clock.advance(10_000_000)
  }
  await flush()
  await Promise.all(clients.map((client) => client.over))
  return { clients, parked: parking.size, timers: clock.pending, dead, unanswered: asked.filter((id) => !withdrawn.has(id) && answersTo(link, id).length !== 1), twice: asked.filter((id) => answersTo(link, id).length > 1) }
}

const SEEDS = 300

test('whatever order things happen in, every question gets one answer and nothing is left over', async () => {
  const seen = new Map<string, number>()
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { clients, parked, timers, dead, unanswered, twice } = await life(seededRandom(seed))
    const world = { seed, parked, timers, running: clients.filter((client) => client.running !== undefined).length, unanswered: dead ? [] : unanswered, twice }
    expect(world).toEqual({ seed, parked: 0, timers: 0, running: 0, unanswered: [], twice: [] })
    for (const end of clients.flatMap((client) => client.ends)) seen.set(end, (seen.get(end) ?? 0) + 1)
  }
  // The worlds are no good if some of it never happens.
  for (const end of ['question', 'result', 'error', 'unknown', 'SKEIN_CANCELLED', 'SKEIN_DEADLINE', 'SKEIN_OUTCOME_UNKNOWN']) expect(seen.get(end) ?? 0, end).toBeGreaterThan(5)
})
