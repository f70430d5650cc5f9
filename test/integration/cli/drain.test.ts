import { afterEach, describe, expect, test } from 'vitest'
import { removeTemporaryDirs, startControlNode, type ControlNode } from '../../support/control-node.ts'
import { runCommand } from '../../support/run-command.ts'

const nodes: ControlNode[] = []
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop()
  await removeTemporaryDirs()
})

async function start() {
  const node = await startControlNode()
  nodes.push(node)
  return { ...node, run: (...argv: string[]) => runCommand([...argv, '--data-dir', node.dataDir]) }
}

describe('skein drain', () => {
  test('tells the node, how long calls may run, and what comes next', async () => {
    const { run, api } = await start()
    const { code, stdout, stderr } = await run('drain', '--within', '5s')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/takes no new calls; 2 calls still run.*`skein drain --undo`.*`skein stop`/)
    expect(api.asked).toEqual([{ what: 'drain', input: { within: 5_000 } }])
  })

  test('--json prints the status', async () => {
    const { run } = await start()
    expect(JSON.parse((await run('drain', '--json')).stdout)).toEqual({ state: 'draining', running: 2, since: 1_700_000_000_000 })
  })

  test('--wait returns when it is drained', async () => {
    const { run, api } = await start()
    const ending = run('drain', '--wait')
    await expect.poll(() => api.asked.length).toBe(1)
    api.setDrain({ state: 'drained', running: 0, since: 1 })
    expect(await ending).toMatchObject({ code: 0, stdout: expect.stringMatching(/is drained: nothing runs/) })
  })

  test('--wait says what would be cut off', async () => {
    const { run, api } = await start()
    const ending = run('drain', '--wait')
    await expect.poll(() => api.asked.length).toBe(1)
    api.setDrain({ state: 'drained', running: 1, since: 1 })
    expect((await ending).stdout).toMatch(/time is over and 1 call still runs; stopping the node now would cut them off/)
  })

  test('--wait fails when somebody else takes the node back', async () => {
    const { run, api } = await start()
    const ending = run('drain', '--wait')
    await expect.poll(() => api.asked.length).toBe(1)
    api.setDrain({ state: 'serving', running: 0 })
    expect(await ending).toMatchObject({ code: 1, stderr: expect.stringMatching(/undone by somebody else.*\[SKEIN_CANCELLED\]/) })
  })

  test('--undo takes it back, and goes with nothing else', async () => {
    const { run, api } = await start()
    expect(await run('drain', '--undo')).toMatchObject({ code: 0, stdout: 'The node serves.\n' })
    expect(api.asked).toEqual([{ what: 'undrain', input: undefined }])
    expect(await run('drain', '--undo', '--wait')).toMatchObject({ code: 2, stderr: expect.stringMatching(/--undo goes without/) })
    expect(await run('drain', '--within', 'soon')).toMatchObject({ code: 2, stderr: expect.stringMatching(/--within wants a duration/) })
  })
})

test('skein stop --within says how long calls may run', async () => {
  const { run, api } = await start()
  expect((await run('stop', '--within', '2s')).code).toBe(0)
  expect(api.asked).toEqual([{ what: 'stop', input: { within: 2_000 } }])
})
