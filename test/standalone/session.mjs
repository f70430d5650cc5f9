/** One session of /skein/rpc/1.0.0 over one stream (protocols/rpc.md). Small where the page leaves room: one queue, in order. */
import { createFrameReader, FRAME_COST, frame, helloFrame, MORE, openHead, readEnd, readHello, readOpen, RENEW, TYPE, u16, u32, u8 } from './frames.mjs'

const OURS = { maxFrame: 81_920, window: 262_144, maxConcurrent: 16, maxBody: 16 * 1024 * 1024 }
const HELLO_MS = 5_000
const PING_MS = 10_000
const SILENCE_MS = 30_000
const PART = 65_536
const MAX_CREDIT = 2 ** 31
const [BUSY, GONE, NOT_FOUND, UNDELIVERED, DEADLINE, OUTCOME_UNKNOWN] = [4, 5, 6, 7, 9, 11]
/** Reasons of GOAWAY. */
export const [LEAVING, REPLACED, BROKEN] = [1, 2, 4]

/**
 * `opened`: we opened the stream. `serve(method, body)` answers requests of the peer, undefined: no such method.
 * `hello` resolves with the peer's HELLO, `ended` when the stream is gone.
 */
export function createSession(stream, { opened, boot, nonce, federation, serve }) {
  const hello = Promise.withResolvers()
  const ended = Promise.withResolvers()
  const goaway = Promise.withResolvers()
  // Who does not wait for the HELLO must not see it rejected.
  hello.promise.catch(() => {})
  const exchanges = new Map()
  const queue = []
  let peer
  let nextId = opened ? 1 : 2
  let lastAccepted = 0
  let lastPeerId = 0
  let serving = 0
  let [leaving, theirLeaving, writable, over] = [false, false, true, false]
  let heard = Date.now()
  let pinged = 0
  const seen = { pings: 0, credits: 0, rtt: undefined, goaway: undefined }

  const isOurs = (id) => id % 2 === (opened ? 1 : 0)

  function write() {
    while (writable && stream.writeStatus === 'writable' && queue.length > 0) writable = stream.send(queue.shift())
  }
  function send(...parts) {
    if (over) return
    queue.push(frame(...parts))
    write()
  }
  function finish(error) {
    if (over) return
    over = true
    clearInterval(timer)
    clearTimeout(greeting)
    hello.reject(error)
    for (const exchange of exchanges.values()) exchange.settle({ error: { code: OUTCOME_UNKNOWN, message: `the session ended: ${error.message}` } })
    exchanges.clear()
    ended.resolve()
  }
  function breakOff(reason) {
    send(TYPE.GOAWAY, 0, u32(lastAccepted), u16(BROKEN), Buffer.from(reason))
    finish(new Error(reason))
    stream.abort(new Error(reason))
  }

  /** Sends what the credit allows: parts of a body, each with its flags and head in front. */
  function pump(id) {
    const exchange = exchanges.get(id)
    if (exchange === undefined) return
    while (exchange.outbox.length > 0) {
      const item = exchange.outbox[0]
      const room = Math.min(PART, peer.maxFrame - 64, exchange.credit - FRAME_COST)
      if (room < Math.min(1, item.body.length)) return
      const part = item.body.subarray(0, room)
      item.body = item.body.subarray(part.length)
      const more = item.body.length > 0
      exchange.credit -= part.length + FRAME_COST
      send(item.type, id, u8(item.flags | (more ? MORE : 0)), item.head, part)
      if (more) Object.assign(item, { type: TYPE.BODY, flags: 0, head: Buffer.alloc(0) })
      else {
        exchange.outbox.shift()
        if (item.last) end(id)
      }
    }
  }
  function enqueue(id, type, flags, head, body) {
    const exchange = exchanges.get(id)
    if ((flags & RENEW) !== 0) exchange?.renew()
    exchange?.outbox.push({ type, flags, head, body, last: type === TYPE.END })
    pump(id)
  }
  function end(id) {
    const exchange = exchanges.get(id)
    exchanges.delete(id)
    if (exchange !== undefined && !isOurs(id)) serving -= 1
    if (exchanges.size === 0) idle?.()
  }
  let idle

  function open(id, { settle = () => {}, renew = () => {}, onMessage } = {}) {
    const exchange = { credit: peer.window, taken: 0, allowed: OURS.window, outbox: [], parts: [], size: 0, first: undefined, settle, renew, onMessage }
    exchanges.set(id, exchange)
    return exchange
  }

  /** Counts a frame against the credit we gave, and gives half a window back when it is used up. */
  function consume(id, exchange, bytes) {
    exchange.allowed -= bytes + FRAME_COST
    if (exchange.allowed < 0) throw new Error('the peer sent more than its credit')
    exchange.taken += bytes + FRAME_COST
    if (exchange.taken < OURS.window / 2 || exchange.first?.last === true) return
    send(TYPE.CREDIT, id, u32(exchange.taken))
    exchange.allowed += exchange.taken
    exchange.taken = 0
  }

  async function answer(id, method, body) {
    if (serving > OURS.maxConcurrent) return refuse(id, BUSY, 'too many requests at once')
    const result = await serve(method, body)
    if (result === undefined) return refuse(id, NOT_FOUND, `this client does not serve method ${method}`)
    enqueue(id, TYPE.END, 0, Buffer.concat([u8(0), u16(serving)]), result)
  }
  function refuse(id, code, message) {
    const text = Buffer.from(message)
    send(TYPE.END, id, u8(0), u8(1), u16(serving), u16(code), u16(text.length), text)
    end(id)
  }

  /** A part of a body; the whole goes where its first frame says. */
  function collect(id, exchange, flags, bytes, first) {
    if (first !== undefined) {
      if (exchange.first !== undefined) throw new Error('a body came in the middle of another')
      exchange.first = { ...first, last: first.type === TYPE.END && (flags & MORE) === 0 }
    } else if (exchange.first === undefined) throw new Error('a BODY that continues nothing')
    consume(id, exchange, bytes.length)
    exchange.size += bytes.length
    if (exchange.size > OURS.maxBody) throw new Error('a body larger than announced')
    exchange.parts.push(Buffer.from(bytes))
    if ((flags & MORE) !== 0) return
    const [body, head] = [Buffer.concat(exchange.parts), exchange.first]
    Object.assign(exchange, { parts: [], size: 0, first: undefined })
    if (head.type === TYPE.OPEN) void answer(id, head.method, body)
    else if (head.type === TYPE.END) {
      end(id)
      exchange.settle({ body })
    } else exchange.onMessage?.(body)
  }

  function openedByPeer(id, payload) {
    if (isOurs(id) || id <= lastPeerId) throw new Error(`OPEN with the id ${id}`)
    lastPeerId = id
    if (leaving) return
    lastAccepted = id
    serving += 1
    const { flags, method, body } = readOpen(payload)
    collect(id, open(id), flags, body, { type: TYPE.OPEN, method })
  }

  function goneAway(payload) {
    theirLeaving = true
    seen.goaway = payload.readUInt16BE(4)
    goaway.resolve()
    const last = payload.readUInt32BE()
    for (const [id, exchange] of exchanges) {
      if (!isOurs(id) || id <= last) continue
      end(id)
      exchange.settle({ error: { code: GONE, message: 'the peer is leaving' } })
    }
  }

  function onFrame(type, id, payload) {
    if (peer === undefined) {
      if (type !== TYPE.HELLO) throw new Error('the first frame is no HELLO')
      const said = readHello(payload)
      if (said.version !== 1 || said.federation !== federation) throw new Error('a HELLO of another version or federation')
      peer = said
      clearTimeout(greeting)
      ping()
      hello.resolve(peer)
      return
    }
    if (type === TYPE.PING) {
      seen.pings += 1
      return send(TYPE.PONG, 0, payload)
    }
    if (type === TYPE.PONG) return void (seen.rtt = performance.now() - pinged)
    if (type === TYPE.GOAWAY) return goneAway(payload)
    if (type === TYPE.OPEN) return openedByPeer(id, payload)
    if (type === TYPE.HELLO || type > TYPE.PONG) throw new Error(`a frame of type ${type}`)
    const exchange = exchanges.get(id)
    if (exchange === undefined) {
      if (id === 0 || id > (isOurs(id) ? nextId - 2 : lastPeerId)) throw new Error(`a frame for ${id}, which was never opened`)
      return
    }
    if (type === TYPE.CREDIT) {
      seen.credits += 1
      exchange.credit += payload.readUInt32BE()
      if (exchange.credit > MAX_CREDIT) throw new Error('more credit than 2^31')
      return pump(id)
    }
    if (type === TYPE.CANCEL) return end(id)
    if (type === TYPE.MESSAGE && (payload[0] & RENEW) !== 0) exchange.renew()
    if (type === TYPE.MESSAGE) return collect(id, exchange, payload[0], payload.subarray(1), { type })
    if (type === TYPE.BODY) return collect(id, exchange, payload[0], payload.subarray(1))
    const { flags, body, error } = readEnd(payload)
    if (error === undefined) return collect(id, exchange, flags, body, { type })
    end(id)
    exchange.settle({ error })
  }

  function ping() {
    pinged = performance.now()
    send(TYPE.PING, 0, Buffer.alloc(8, 7))
  }

  const read = createFrameReader(OURS.maxFrame, onFrame)
  stream.addEventListener('message', ({ data }) => {
    heard = Date.now()
    try {
      if (!over) read(Buffer.from(data.subarray()))
    } catch (error) {
      breakOff(error.message)
    }
  })
  stream.addEventListener('drain', () => {
    writable = true
    write()
  })
  stream.addEventListener('remoteCloseWrite', () => finish(new Error('the peer closed the stream')))
  stream.addEventListener('close', () => finish(new Error('the stream ended')))
  const greeting = setTimeout(() => breakOff('no HELLO'), HELLO_MS)
  const timer = setInterval(() => (Date.now() - heard > SILENCE_MS ? breakOff('silence') : peer !== undefined && ping()), PING_MS)
  if (stream.status !== 'open') finish(new Error('the stream was reset at once'))
  else {
    queue.push(helloFrame({ ...OURS, boot, nonce, federation }))
    write()
  }

  return {
    opened,
    nonce,
    hello: hello.promise,
    ended: ended.promise,
    goaway: goaway.promise,
    seen,
    peer: () => peer,
    over: () => over,
    leaving: () => leaving || theirLeaving,
    /** Resolves with `{ body }` or `{ error }`. `onMessage(body)` gets the messages of the exchange. */
    request(method, body, { deadline = 20_000, onMessage } = {}) {
      if (over || theirLeaving) return Promise.resolve({ error: { code: UNDELIVERED, message: 'this session takes no requests' } })
      const id = nextId
      nextId += 2
      return new Promise((resolve) => {
        const late = setTimeout(() => {
          end(id)
          send(TYPE.CANCEL, id, u16(DEADLINE))
          resolve({ error: { code: DEADLINE, message: 'no answer in time' } })
        }, deadline)
        const settle = (result) => {
          clearTimeout(late)
          resolve(result)
        }
        open(id, { settle, renew: () => late.refresh(), onMessage })
        enqueue(id, TYPE.OPEN, 0, openHead(method, deadline), body)
      })
    },
    /** Cancels nothing: GOAWAY, waits for what runs, closes the stream. */
    async close(reason = LEAVING) {
      if (over || leaving) return ended.promise
      leaving = true
      send(TYPE.GOAWAY, 0, u32(lastAccepted), u16(reason))
      if (exchanges.size > 0) await new Promise((resolve) => (idle = resolve))
      await stream.close({ signal: AbortSignal.timeout(HELLO_MS) }).catch((error) => stream.abort(error))
      finish(new Error('we closed the session'))
    },
    reset: (reason) => breakOff(reason)
  }
}
