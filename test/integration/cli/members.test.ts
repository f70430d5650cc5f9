import { EventEmitter } from 'node:events'
import { Writable } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import type { MemberChange } from '../../../src/node/api.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { removeTemporaryDirs, startControlNode } from '../../support/control-node.ts'
import type { ControlNode } from '../../support/control-node.ts'
import { MEMBERS } from '../../support/fake-node-api.ts'
import { runCommand } from '../../support/run-command.ts'
import { waitUntil } from '../../support/wait-until.ts'

const nodes: ControlNode[] = []
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop()
  await removeTemporaryDirs()
})

const [alpha, beta] = MEMBERS as [(typeof MEMBERS)[number], (typeof MEMBERS)[number]]
const failed: MemberChange = { type: 'failed', time: 1_700_000_200_000, member: { ...beta, state: 'dead', linked: false }, was: 'suspect', by: alpha.peer, evidence: 'refused' }

async function start(argv: string[]) {
  const node = await startControlNode()
  nodes.push(node)
  const printed: string[] = []
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      printed.push(String(chunk))
      done()
    }
  })
  const signals = new EventEmitter()
  const run = runCommand([...argv, '--data-dir', node.dataDir], { io: { stdout, signals, clock: createManualClock() } })
  return { node, signals, stdout, run, text: () => printed.join('') }
}

describe('skein members', () => {
  test('as a table and as JSON', async () => {
    const plain = await start(['members'])
    expect(await plain.run).toMatchObject({ code: 0, stderr: '' })
    expect(plain.text()).toMatch(/^NAME +STATE +TIER +REGION +VERSION +SINCE +RTT +LINK +PEER\nalpha \(self\) +alive[^]*beta +suspect[^]*12\.4 ms +yes[^]*gamma +left/)
    const machine = await start(['members', '--json'])
    expect((await machine.run).code).toBe(0)
    expect(JSON.parse(machine.text())).toEqual(MEMBERS)
  })

  test.each(['SIGINT', 'SIGTERM'])('--watch prints the table and each change, until %s', async (signal) => {
    const { node, signals, run, text } = await start(['members', '--watch'])
    await waitUntil('the table is there', () => text().includes('gamma'))
    expect(node.api.memberListeners()).toBe(1)
    node.api.changeMember(failed)
    await waitUntil('the change is printed', () => text().includes('failed'))
    expect(text().trimEnd().split('\n').at(-1)).toBe('2023-11-14T22:16:40.000Z  failed     beta (12D3KooWB): was suspect, accused by alpha, its machine refuses connections')
    signals.emit(signal)
    expect(await run).toMatchObject({ code: 0, stderr: '' })
    // The node forgets a reader that went away.
    await waitUntil('nobody listens', () => node.api.memberListeners() === 0)
    expect(signals.eventNames()).toEqual([])
  })

  test('--watch --json prints one object a line', async () => {
    const { node, signals, run, text } = await start(['members', '--watch', '--json'])
    await waitUntil('the members are printed', () => text().includes('\n'))
    node.api.changeMember(failed)
    await waitUntil('the change is printed', () => text().trimEnd().split('\n').length === 2)
    expect(text().trimEnd().split('\n').map((line) => JSON.parse(line) as unknown)).toEqual([{ members: MEMBERS }, { change: failed }])
    signals.emit('SIGINT')
    expect((await run).code).toBe(0)
  })

  test('--watch ends when nobody reads its output any more', async () => {
    const { node, stdout, run, text } = await start(['members', '--watch'])
    await waitUntil('the table is there', () => text().includes('gamma'))
    stdout.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    expect((await run).code).toBe(0)
    await waitUntil('nobody listens', () => node.api.memberListeners() === 0)
  })

  test('--watch of a node that stops is an error that says so', async () => {
    const { node, run, text } = await start(['members', '--watch'])
    await waitUntil('the table is there', () => text().includes('gamma'))
    await node.stop()
    expect(await run).toMatchObject({ code: 1, stderr: expect.stringMatching(/ended the connection.*\[SKEIN_SESSION_CLOSED\]/) })
  })
})
