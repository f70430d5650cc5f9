import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ADMIN_ROUTES } from '../../../src/http/api/admin-routes.ts'
import type { NodeApi } from '../../../src/node/api.ts'

test.each(['/admin/drain', '/admin/shutdown'])('POST %s: what goes wrong after the answer ends no process', async (path) => {
  const unhandled: unknown[] = []
  const onUnhandled = (reason: unknown) => void unhandled.push(reason)
  process.on('unhandledRejection', onUnhandled)
  try {
    const asked: unknown[] = []
    const fail = async (options: unknown) => {
      asked.push(options)
      throw new Error('the disk is gone')
    }
    const api = { stop: fail, drain: fail, status: () => ({ pid: 7 }), drainStatus: () => ({ state: 'draining', running: 0 }) } as unknown as NodeApi
    await ADMIN_ROUTES[`POST ${path}`]?.run(api, { query: {}, body: { within_ms: 5 }, signal: new AbortController().signal })
    await turn()
    await turn()
    expect(asked).toEqual([{ within: 5 }])
    expect(unhandled).toEqual([])
  } finally {
    process.off('unhandledRejection', onUnhandled)
  }
})
