import { expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { serveForwardedAdmission } from '../../../../src/node/members/admission-rules.ts'
import type { Rpc, ServerExchange } from '../../../../src/rpc/types.ts'
import type { Admission } from '../../../../src/security/admission.ts'
import { METHOD } from '../../../../src/wire/protocols.ts'
import { flush } from '../../../support/mcp-calls.ts'

const BODY = Uint8Array.of(1)

/** @param next toward the issuer */
async function ask({ issuer = false, next, fails = false }: { issuer?: boolean; next?: string; fails?: boolean }): Promise<{ told: unknown; passed: unknown[] }> {
  const passed: unknown[] = []
  let handler: ((exchange: ServerExchange) => void) | undefined
  let told: unknown
  const rpc = {
    handle: (_method: number, handle: typeof handler) => void (handler = handle),
    call(peer: string, method: number, body: Uint8Array) {
      passed.push([peer, method, body])
      return fails ? Promise.reject(new SkeinError('SKEIN_UNDELIVERED', 'gone')) : Promise.resolve({ body: Uint8Array.of(2), load: 0 })
    }
  } as unknown as Rpc
  const admission = { federation: () => ({ id: 'f', name: '', issuer }), answerForwarded: () => Uint8Array.of(3) } as unknown as Admission
  serveForwardedAdmission(rpc, admission, () => next)
  handler?.({ peer: 'below', body: BODY, onCancel: () => {}, end: (body: Uint8Array) => void (told = [...body]), fail: (error: SkeinError) => void (told = error.code) } as unknown as ServerExchange)
  await flush()
  return { told, passed }
}

test('a hub passes a renewal on to the hub above, which is nearer to the issuer', async () => {
  expect(await ask({ next: 'above' })).toEqual({ told: [2], passed: [['above', METHOD.ADMISSION_REDEEM, BODY]] })
  expect((await ask({ next: 'above', fails: true })).told).toBe('SKEIN_UNDELIVERED')
})

test('the issuer answers itself, and so does who knows nobody nearer than the asker', async () => {
  expect(await ask({ issuer: true, next: 'above' })).toEqual({ told: [3], passed: [] })
  expect(await ask({ next: 'below' })).toEqual({ told: [3], passed: [] })
  expect(await ask({})).toEqual({ told: [3], passed: [] })
})
