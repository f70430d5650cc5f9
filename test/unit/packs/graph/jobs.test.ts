import { describe, expect, test } from 'vitest'
import type { Job } from '../../../../src/packs/graph/algorithms/run.ts'
import { createJobRunner, type WorkerEvents } from '../../../../src/packs/graph/jobs.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { snapshot } from './graphs.ts'

const JOB: Job<'components'> = { algorithm: 'components', graph: snapshot(1, []), options: { strong: false } }
const signal = new AbortController().signal

function setup() {
  const clock = createManualClock()
  const workers: { events: WorkerEvents; jobs: number; ended: boolean }[] = []
  const jobs = createJobRunner(
    {
      clock,
      spawn(events) {
        const worker = { events, jobs: 0, ended: false }
        workers.push(worker)
        return { post: () => void (worker.jobs += 1), terminate: () => void (worker.ended = true) }
      }
    },
    { deadline: 1000 }
  )
  return { clock, workers, jobs }
}

describe('the pool of workers', () => {
  test('runs two jobs at once, the third when one is done, and reuses the worker', async () => {
    const { workers, jobs } = setup()
    const first = jobs.run(JOB, { signal })
    const rest = [jobs.run(JOB, { signal }), jobs.run(JOB, { signal })]
    expect([workers.length, jobs.waiting]).toEqual([2, 1])
    workers[0]!.events.onMessage({ kind: 'done', result: [[0]] })
    expect(await first).toEqual([[0]])
    expect([workers.length, workers[0]!.jobs, jobs.waiting]).toEqual([2, 2, 0])
    for (const worker of workers) worker.events.onMessage({ kind: 'done', result: [] })
    expect(await Promise.all(rest)).toEqual([[], []])
  })

  test('refuses what the queue cannot hold', async () => {
    const { jobs } = setup()
    const running = Array.from({ length: 18 }, () => jobs.run(JOB, { signal }))
    await expect(jobs.run(JOB, { signal })).rejects.toMatchObject({ code: 'SKEIN_BUSY' })
    jobs.close()
    expect((await Promise.allSettled(running)).every(({ status }) => status === 'rejected')).toBe(true)
  })

  test('a cancelled job ends its worker and makes room', async () => {
    const { workers, jobs } = setup()
    const controller = new AbortController()
    const progress: number[] = []
    const cancelled = jobs.run(JOB, { signal: controller.signal, onProgress: (done) => progress.push(done) })
    const second = jobs.run(JOB, { signal })
    const third = jobs.run(JOB, { signal })
    workers[0]!.events.onMessage({ kind: 'progress', done: 1, total: 2 })
    controller.abort(new Error('no longer wanted'))
    await expect(cancelled).rejects.toThrow('no longer wanted')
    expect([workers[0]!.ended, workers.length, jobs.waiting]).toEqual([true, 3, 0])
    workers[0]!.events.onMessage({ kind: 'progress', done: 2, total: 2 })
    expect(progress).toEqual([1])
    workers[1]!.events.onMessage({ kind: 'done', result: [] })
    workers[2]!.events.onMessage({ kind: 'done', result: [] })
    await Promise.all([second, third])
  })

  test('a cancelled job that waits leaves the queue; one cancelled before is not begun', async () => {
    const { workers, jobs } = setup()
    const controller = new AbortController()
    const running = [jobs.run(JOB, { signal }), jobs.run(JOB, { signal })]
    const waiting = jobs.run(JOB, { signal: controller.signal })
    controller.abort(new Error('stop'))
    await expect(waiting).rejects.toThrow('stop')
    await expect(jobs.run(JOB, { signal: controller.signal })).rejects.toThrow('stop')
    expect([jobs.waiting, workers.some(({ ended }) => ended)]).toEqual([0, false])
    jobs.close()
    await Promise.allSettled(running)
  })

  test('the deadline counts the waiting too', async () => {
    const { clock, workers, jobs } = setup()
    const all = Array.from({ length: 3 }, () => jobs.run(JOB, { signal }))
    clock.advance(1000)
    for (const job of all) await expect(job).rejects.toMatchObject({ code: 'SKEIN_DEADLINE', message: 'The computation took longer than 1 s; take a smaller part of the graph' })
    expect([workers.every(({ ended }) => ended), jobs.workers]).toEqual([true, 0])
  })

  test('a worker that breaks down fails its job only', async () => {
    const { workers, jobs } = setup()
    const broken = jobs.run(JOB, { signal })
    workers[0]!.events.onCrash('it needed more than 512 MB')
    await expect(broken).rejects.toMatchObject({ code: 'SKEIN_INTERNAL', message: expect.stringContaining('more than 512 MB') as string })
    const next = jobs.run(JOB, { signal })
    workers[1]!.events.onMessage({ kind: 'failed', code: 'SKEIN_LIMIT', message: 'too many' })
    await expect(next).rejects.toMatchObject({ code: 'SKEIN_LIMIT', message: 'too many' })
  })

  test('an idle worker is let go, a busy one is not; no timer is left', async () => {
    const { clock, workers, jobs } = setup()
    const first = jobs.run(JOB, { signal })
    workers[0]!.events.onMessage({ kind: 'done', result: [] })
    await first
    clock.advance(9_999)
    const second = jobs.run(JOB, { signal })
    clock.advance(999)
    expect([workers.length, workers[0]!.ended]).toEqual([1, false])
    workers[0]!.events.onMessage({ kind: 'done', result: [] })
    await second
    clock.advance(10_000)
    expect([workers[0]!.ended, jobs.workers, clock.pending]).toEqual([true, 0, 0])
  })

  test('close ends the workers, fails what is under way and takes nothing more', async () => {
    const { workers, jobs } = setup()
    const all = Array.from({ length: 3 }, () => jobs.run(JOB, { signal }))
    jobs.close()
    for (const job of [...all, jobs.run(JOB, { signal })]) await expect(job).rejects.toMatchObject({ code: 'SKEIN_SESSION_CLOSED' })
    expect(workers.every(({ ended }) => ended)).toBe(true)
  })
})
