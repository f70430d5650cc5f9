/** The frames of /skein/rpc/1.0.0 (protocols/rpc.md). */
export const TYPE = { HELLO: 1, OPEN: 2, MESSAGE: 3, BODY: 4, END: 5, CANCEL: 6, CREDIT: 7, GOAWAY: 8, PING: 9, PONG: 10 }
export const MORE = 1
export const RENEW = 2
/** What each body-carrying frame costs beside its bytes. */
export const FRAME_COST = 32
const NO_TRACE = Buffer.alloc(25)

function integer(size, value) {
  const bytes = Buffer.alloc(size)
  if (size === 8) bytes.writeBigUInt64BE(BigInt(value))
  else bytes.writeUIntBE(value, 0, size)
  return bytes
}

export const u8 = (value) => integer(1, value)
export const u16 = (value) => integer(2, value)
export const u32 = (value) => integer(4, value)
export const u64 = (value) => integer(8, value)

export function frame(type, id, ...payload) {
  const rest = Buffer.concat(payload)
  return Buffer.concat([u32(5 + rest.length), u8(type), u32(id), rest])
}

export function helloFrame({ boot, nonce, maxFrame, window, maxConcurrent, maxBody, federation }) {
  const id = Buffer.from(federation)
  return frame(TYPE.HELLO, 0, u16(1), u64(boot), u64(nonce), u32(maxFrame), u32(window), u32(maxConcurrent), u32(maxBody), u16(id.length), id)
}

export function readHello(payload) {
  return {
    version: payload.readUInt16BE(0),
    boot: payload.readBigUInt64BE(2),
    nonce: payload.readBigUInt64BE(10),
    maxFrame: payload.readUInt32BE(18),
    window: payload.readUInt32BE(22),
    maxConcurrent: payload.readUInt32BE(26),
    maxBody: payload.readUInt32BE(30),
    federation: payload.subarray(36, 36 + payload.readUInt16BE(34)).toString()
  }
}

/** What stands between the flags and the body of an OPEN. */
export const openHead = (method, deadline) => Buffer.concat([u16(method), u32(deadline), u8(5), NO_TRACE, u8(0)])

export function readOpen(payload) {
  let at = 34
  for (let count = payload[33]; count > 0; count -= 1) at += 3 + payload.readUInt16BE(at + 1)
  return { flags: payload[0], method: payload.readUInt16BE(1), deadline: payload.readUInt32BE(3), body: payload.subarray(at) }
}

/** Status 0: the body; status 1: code and message. */
export function readEnd(payload) {
  if (payload[1] === 0) return { flags: payload[0], body: payload.subarray(4) }
  const length = payload.readUInt16BE(6)
  return { flags: payload[0], error: { code: payload.readUInt16BE(4), message: payload.subarray(8, 8 + length).toString() } }
}

/** Cuts a byte stream into frames of at most `max` bytes. */
export function createFrameReader(max, onFrame) {
  let rest = Buffer.alloc(0)
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    while (rest.length >= 4) {
      const length = rest.readUInt32BE()
      if (length < 5 || length > max) throw new Error(`a frame of ${length} bytes`)
      if (rest.length < 4 + length) return
      const [type, id, payload] = [rest[4], rest.readUInt32BE(5), rest.subarray(9, 4 + length)]
      rest = rest.subarray(4 + length)
      onFrame(type, id, payload)
    }
  }
}
