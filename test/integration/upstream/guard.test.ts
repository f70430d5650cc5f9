import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { processes } from '../../support/processes.ts'
import { waitUntil } from '../../support/wait-until.ts'

const FIXTURE = join(import.meta.dirname, '../../fixtures/guarded-process.ts')

const isAlive = (pid: number) => processes().some((each) => each.pid === pid)

for (const how of ['killed with -9', 'ended by itself']) {
  test(`the guard of a process ${how} kills what it watched and nothing that was released`, async () => {
    const owner = spawn(process.execPath, [FIXTURE, how === 'ended by itself' ? 'end' : 'stay'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exit = once(owner, 'exit')
    const [line] = (await once(owner.stdout, 'data')) as [Buffer]
    const [first, released, third] = JSON.parse(line.toString()) as [number, number, number]
    try {
      expect([first, released, third].map(isAlive)).toEqual([true, true, true])
      if (how === 'killed with -9') owner.kill('SIGKILL')
      // By itself: the guard does not keep its owner running.
      await exit
      await waitUntil('the watched ones are gone', () => !isAlive(first) && !isAlive(third), { timeout: 2_000 })
      expect(isAlive(released)).toBe(true)
    } finally {
      for (const pid of [first, released, third]) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    }
  })
}
