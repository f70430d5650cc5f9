/** Which side opens the stream of a pair, and which of two sessions stays (protocols/rpc.md). */
import { randomBytes } from 'node:crypto'
import { createSession, REPLACED } from './session.mjs'

export const RPC = '/skein/rpc/1.0.0'
const OPEN_AFTER_MS = 1_000
const READY_MS = 10_000
/** The page's 0.25-15 s, growing; the run of a client is short. */
const REOPEN_MS = 250
const BOOT = Date.now()

export function createLink({ connection, self, peer, federation, serve }) {
  let sessions = []
  let nextNonce = randomBytes(8).readBigUInt64BE()
  let [closed, reopen] = [false, REOPEN_MS]

  /** True when `a` stays and `b` goes. */
  function beats(a, b) {
    if (a.peer().boot !== b.peer().boot) return a.peer().boot > b.peer().boot
    if (a.leaving() !== b.leaving()) return b.leaving()
    const openerOf = (session) => (session.opened ? self : peer)
    if (openerOf(a) !== openerOf(b)) return openerOf(a) < openerOf(b)
    const nonceOf = (session) => (session.opened ? session.nonce : session.peer().nonce)
    return nonceOf(a) < nonceOf(b)
  }
  const ready = () => sessions.filter((session) => session.peer() !== undefined && !session.over())
  const best = () => ready().reduce((winner, session) => (winner === undefined || beats(session, winner) ? session : winner), undefined)

  async function adopt(stream, opened) {
    const nonce = opened ? nextNonce-- : randomBytes(8).readBigUInt64BE()
    const session = createSession(stream, { opened, boot: BOOT, nonce, federation, serve })
    sessions.push(session)
    void session.ended.then(() => {
      sessions = sessions.filter((other) => other !== session)
      if (closed || sessions.length > 0) return
      setTimeout(open, reopen).unref()
      reopen = Math.min(2 * reopen, 15_000)
    })
    await session.hello.catch(() => {})
    const winner = best()
    for (const loser of ready()) {
      if (loser === winner) continue
      if (loser.peer().boot < winner.peer().boot) loser.reset('a session of a newer process is here')
      else void loser.close(REPLACED)
    }
  }

  async function open() {
    if (closed || sessions.length > 0) return
    try {
      await adopt(await connection.newStream(RPC), true)
    } catch (error) {
      if (!closed) console.error(`no stream: ${error.message}`)
    }
  }

  return {
    accept: (stream) => void adopt(stream, false),
    start() {
      if (self < peer) void open()
      else setTimeout(open, OPEN_AFTER_MS).unref()
    },
    /** The session that is to be used. */
    async session() {
      for (const until = Date.now() + READY_MS; Date.now() < until; ) {
        const session = best()
        if (session !== undefined && !session.leaving()) return session
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      throw new Error(`no session within ${READY_MS} ms`)
    },
    async close() {
      closed = true
      await Promise.all(sessions.map((session) => session.close()))
    }
  }
}
