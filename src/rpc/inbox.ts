import { errorCodeOf } from '../base/error-codes.ts'
import { SkeinError } from '../base/errors.ts'
import { METHOD } from '../wire/protocols.ts'
import { FLAG_MORE, FLAG_RENEW, FRAME, protocolError } from '../wire/rpc-frames.ts'
import { MESSAGE_FLAGS, readCancel, readCredit, readEnd, readFlags, readGoaway, readHello, readOpen, readPing } from '../wire/rpc-decode.ts'
import { ClientCall } from './client-exchange.ts'
import type { Exchange } from './exchange.ts'
import { ServerCall } from './server-exchange.ts'
import type { Session } from './session.ts'

/** Largest credit an exchange can gather: sums stay exact integers and a peer cannot grant more than bodies may have. */
const MAX_CREDIT = 2 ** 31

/** One received frame, `bytes[start..end)` its payload. Throws SKEIN_PROTOCOL with the broken rule. */
export function receive(session: Session, type: number, id: number, bytes: Uint8Array, start: number, end: number): void {
  if (session.state === 'greeting') {
    if (type !== FRAME.HELLO || id !== 0) throw protocolError('the first frame is HELLO')
    return greet(session, bytes, start, end)
  }
  switch (type) {
    case FRAME.OPEN:
      return open(session, id, bytes, start, end)
    case FRAME.END:
      return endOf(session, id, bytes, start, end)
    case FRAME.MESSAGE:
      return message(session, id, bytes, start, end)
    case FRAME.BODY:
      return body(session, id, bytes, start, end)
    case FRAME.CREDIT: {
      const exchange = known(session, id)
      const credit = readCredit(bytes, start, end)
      if (exchange === undefined) return
      exchange.credit += credit
      if (exchange.credit > MAX_CREDIT) throw protocolError('an exchange was given more than 2^31 credit')
      session.outbox.takeTurn(exchange)
      return session.outbox.wake()
    }
    case FRAME.CANCEL:
      return cancel(session, id, bytes, start, end)
    case FRAME.PING:
    case FRAME.PONG:
      if (id !== 0) throw protocolError('PING and PONG have exchange id 0')
      return type === FRAME.PING ? session.pinger.answer(readPing(bytes, start, end)) : session.pinger.answered(readPing(bytes, start, end))
    case FRAME.GOAWAY: {
      if (id !== 0) throw protocolError('GOAWAY has exchange id 0')
      const { last, code, reason } = readGoaway(bytes, start, end)
      return session.receivedGoaway(last, code, reason)
    }
    case FRAME.HELLO:
      throw protocolError('HELLO comes once')
    default:
      throw protocolError(`frame type ${type} is unknown`)
  }
}

function greet(session: Session, bytes: Uint8Array, start: number, end: number): void {
  const hello = readHello(bytes, start, end)
  if (hello.federation !== session.shared.federation) throw protocolError(`HELLO names federation ${hello.federation.slice(0, 64)}, not ours`)
  session.receivedHello(hello)
}

/** Ids of the peer's own exchanges have its parity: odd if it opened the stream. */
function isPeers(session: Session, id: number): boolean {
  return (id & 1) === (session.opener ? 0 : 1)
}

/** The running exchange with this id; undefined if it has ended. Throws if nobody has opened it. */
function known(session: Session, id: number): Exchange | undefined {
  if (isPeers(session, id)) {
    const call = session.servers.get(id)
    if (call === undefined && (id === 0 || id > Math.max(session.lastOpened, session.lastIgnored))) throw protocolError(`exchange ${id} was never opened`)
    return call
  }
  const call = session.clients.get(id)
  if (call === undefined && !session.wasOurs(id)) throw protocolError(`exchange ${id} was never opened`)
  return call
}

function charge(session: Session, exchange: Exchange, bodyBytes: number): void {
  if (!session.charge(exchange, bodyBytes)) throw protocolError(`exchange ${exchange.id} sent more than its credit`)
}

function open(session: Session, id: number, bytes: Uint8Array, start: number, end: number): void {
  if (!isPeers(session, id) || id === 0) throw protocolError("OPEN's id has the parity of its sender: odd for the stream's opener")
  if (id <= session.lastOpened) throw protocolError('ids of OPEN grow')
  const head = readOpen(bytes, start, end)
  // After our GOAWAY the peer settles these itself: they are above its last accepted id.
  if (session.goawaySent) {
    session.lastIgnored = id
    return
  }
  session.lastOpened = id
  const handler = session.shared.handlers.get(head.method)
  if (handler === undefined) return session.refuse(id, new SkeinError('SKEIN_NOT_FOUND', `method ${head.method} is unknown here: update this node or ask another`))
  if (session.inService >= session.limits.maxConcurrent) {
    return session.refuse(id, new SkeinError('SKEIN_BUSY', `${session.inService} requests of this peer already run here: use another provider or try again later`))
  }
  const call = new ServerCall(session, id, head)
  session.servers.add(call)
  session.enterService()
  charge(session, call, end - head.bodyStart)
  const whole = call.part(FRAME.OPEN, head.more, bytes, head.bodyStart, end)
  if (whole !== undefined) call.run(whole, handler)
  else session.giveCreditNow(call)
}

function message(session: Session, id: number, bytes: Uint8Array, start: number, end: number): void {
  const flags = readFlags(bytes, start, end, MESSAGE_FLAGS)
  const exchange = known(session, id)
  if (exchange === undefined) return
  if (exchange.assembly !== undefined) throw protocolError('a MESSAGE came inside another body')
  charge(session, exchange, end - start - 1)
  const renew = (flags & FLAG_RENEW) !== 0
  exchange.assemblingRenew = renew
  if (renew) (exchange as ClientCall | ServerCall).renew()
  const whole = exchange.part(FRAME.MESSAGE, (flags & FLAG_MORE) !== 0, bytes, start + 1, end)
  if (whole !== undefined) exchange.message(whole, renew)
  if (!exchange.closed) session.giveCredit(exchange)
}

function body(session: Session, id: number, bytes: Uint8Array, start: number, end: number): void {
  const more = readFlags(bytes, start, end, FLAG_MORE) === FLAG_MORE
  const exchange = known(session, id)
  if (exchange === undefined) return
  if (exchange.assembly === undefined) throw protocolError('BODY came without a body to go on with')
  charge(session, exchange, end - start - 1)
  const { assembling } = exchange
  const whole = exchange.part(FRAME.BODY, more, bytes, start + 1, end)
  if (exchange.closed) return
  if (whole !== undefined) finishBody(session, exchange, assembling, whole)
  if (!exchange.closed) {
    if (assembling === FRAME.OPEN) session.giveCreditNow(exchange)
    else session.giveCredit(exchange)
  }
}

function finishBody(session: Session, exchange: Exchange, assembling: number, whole: Uint8Array): void {
  if (assembling === FRAME.MESSAGE) return exchange.message(whole, exchange.assemblingRenew)
  if (exchange instanceof ClientCall) return exchange.endBody(whole)
  const call = exchange as ServerCall
  const handler = session.shared.handlers.get(call.method)
  if (handler !== undefined) call.run(whole, handler)
}

function endOf(session: Session, id: number, bytes: Uint8Array, start: number, end: number): void {
  if (isPeers(session, id)) throw protocolError('END comes from the side that did not open the exchange')
  const head = readEnd(bytes, start, end)
  const call = known(session, id) as ClientCall | undefined
  // That of a relayed exchange is the target's.
  if (call !== undefined && call.method !== METHOD.RELAY) session.peerLoad = head.load
  if (call === undefined) return
  if (head.error !== undefined) return call.end(head)
  if (call.assembly !== undefined) throw protocolError('an END came inside another body')
  charge(session, call, end - head.bodyStart)
  call.end(head)
  const whole = call.part(FRAME.END, head.more, bytes, head.bodyStart, end)
  if (whole !== undefined) call.endBody(whole)
  else if (!call.closed) session.giveCredit(call)
}

function cancel(session: Session, id: number, bytes: Uint8Array, start: number, end: number): void {
  if (!isPeers(session, id)) throw protocolError('CANCEL comes from the side that opened the exchange')
  const { code, reason } = readCancel(bytes, start, end)
  const call = known(session, id) as ServerCall | undefined
  call?.stop(new SkeinError(errorCodeOf(code), reason), false)
}
