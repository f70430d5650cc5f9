import type { ConnectionEncrypter } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { withOneWrite } from '../../../src/net/one-write.ts'

test('a connection that both sides have dialled has an answering side: the multiplexer numbers its streams by it', async () => {
  const secured = () => ({ connection: { status: 'open', direction: 'outbound', send: () => true } })
  const encrypter = withOneWrite(() => ({ secureInbound: async () => secured(), secureOutbound: async () => secured() }) as unknown as ConnectionEncrypter)({})
  expect((await encrypter.secureInbound({} as never)).connection.direction).toBe('inbound')
  expect((await encrypter.secureOutbound({} as never)).connection.direction).toBe('outbound')
})
