import { describe, expect, test } from 'vitest'
import { readFramed } from '../../../src/net/framed.ts'

/** As much of a libp2p stream as reading uses. */
function fakeStream() {
  const target = new EventTarget() as EventTarget & { status: string }
  target.status = 'open'
  return { stream: target as never, push: (bytes: Uint8Array) => target.dispatchEvent(Object.assign(new Event('message'), { data: bytes })) }
}

describe('one framed message', () => {
  test('comes whole however it is cut, and 64 KiB byte by byte costs no more than reading it', async () => {
    const { stream, push } = fakeStream()
    const reading = readFramed(stream, { signal: new AbortController().signal })
    const message = Buffer.alloc(4 + 65_536, 7)
    message.writeUInt32BE(65_536)
    const before = process.cpuUsage()
    for (const byte of message) push(Uint8Array.of(byte))
    expect(await reading).toEqual(new Uint8Array(65_536).fill(7))
    const { user } = process.cpuUsage(before)
    // Copied anew with each byte it is seconds.
    expect(user / 1000).toBeLessThan(1_500)
  })

  test('a length over the limit is refused at its four bytes', async () => {
    const { stream, push } = fakeStream()
    const reading = readFramed(stream, { signal: new AbortController().signal })
    push(Uint8Array.of(0, 1, 0, 1))
    await expect(reading).rejects.toMatchObject({ code: 'SKEIN_PROTOCOL' })
  })
})
