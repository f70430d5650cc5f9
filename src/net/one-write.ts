import type { ConnectionEncrypter, MessageStream, SecuredConnection } from '@libp2p/interface'

/**
 * The multiplexer hands over header and data as a list, and a secured connection writes each part of a list by itself: two records
 * and two system calls for one batch of frames. Joined they are one; the copy costs far less than the second record.
 *
 * On a connection that has ended it does nothing. The library would throw, and @libp2p/yamux 8 opens a stream in a microtask of its
 * own: when the connection ends between newStream() and that microtask, nobody could catch it and the process would end. Whoever
 * has a stream hears of the end by its close event.
 */
function adjustSend(connection: MessageStream): void {
  const send = connection.send.bind(connection)
  connection.send = (data) => {
    if (connection.status !== 'open') return false
    return send(data instanceof Uint8Array ? data : data.subarray())
  }
}

/**
 * @param direction our part in the handshake. The multiplexer numbers its streams by it; a hole punch makes a connection that both sides
 * have dialled, and the library would let both number them as the dialling one.
 */
async function joined<T>(secured: Promise<SecuredConnection & T>, direction: MessageStream['direction']): Promise<SecuredConnection & T> {
  const result = await secured
  adjustSend(result.connection)
  result.connection.direction = direction
  return result
}

/** The same encrypter, whose connections write a list of parts at once, and never throw for having ended. */
export function withOneWrite<C>(create: (components: C) => ConnectionEncrypter): (components: C) => ConnectionEncrypter {
  return (components) => {
    const encrypter = create(components)
    const secureInbound = encrypter.secureInbound.bind(encrypter)
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureInbound = (...args) => joined(secureInbound(...args), 'inbound')
    encrypter.secureOutbound = (...args) => joined(secureOutbound(...args), 'outbound')
    return encrypter
  }
}
