import { TLSSocket, connect } from 'node:tls'
import {
  InvalidCryptoExchangeError, serviceCapabilities,
  type ConnectionEncrypter, type MessageStream, type PrivateKey, type SecureConnectionOptions, type SecuredConnection, type StreamMuxerFactory, type Upgrader
} from '@libp2p/interface'
import { toMessageStream, toNodeDuplex, verifyPeerCertificate } from '@libp2p/tls/utils'
import type { Clock } from '../base/clock.ts'
import { createCertificate } from './tls-certificate.ts'

const PROTOCOL = '/tls/1.0.0'
/** In ALPN: the other side does not choose its multiplexer in the handshake. */
const NO_EARLY_MUXER = 'libp2p'

/**
 * libp2p TLS 1.3 as @libp2p/tls does it, from the parts that it exports, but with one certificate for the whole process
 * (tls-certificate.ts): the library makes a new one for each connection and has no option for it.
 */
export function sharedTls(clock: Clock): (components: { privateKey: PrivateKey; upgrader: Upgrader }) => ConnectionEncrypter {
  return (components) => {
    // Not read apart here: while libp2p puts itself together there is no upgrader yet.
    const certificate = createCertificate({ privateKey: components.privateKey, clock })
    // Ahead of the first connection: nodes join in storms. A failure shows at the handshake that asks again.
    certificate.context().catch(() => {})
    const muxerOf = (protocol: string) => components.upgrader.getStreamMuxers().get(protocol)

    async function encrypt(connection: MessageStream, isServer: boolean, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
      const early = options.skipStreamMuxerNegotiation !== true
      const muxers = early ? [...components.upgrader.getStreamMuxers().keys()] : []
      const secureContext = await certificate.context()
      options.signal?.throwIfAborted()
      let streamMuxer: StreamMuxerFactory | undefined
      const shared = {
        secureContext,
        // Certificates are self-signed; verifyPeerCertificate() below checks them, and whose they are.
        rejectUnauthorized: false,
        ALPNProtocols: [...muxers, NO_EARLY_MUXER],
        ALPNCallback: ({ protocols }: { protocols: string[] }) => {
          const chosen = protocols.find((protocol) => muxers.includes(protocol))
          if (chosen !== undefined) streamMuxer = muxerOf(chosen)
          return chosen ?? (protocols.includes(NO_EARLY_MUXER) ? NO_EARLY_MUXER : undefined)
        }
      }
      const duplex = toNodeDuplex(connection)
      const socket = isServer ? new TLSSocket(duplex, { ...shared, isServer, requestCert: true }) : connect({ socket: duplex, ...shared })
      duplex.on('error', (error) => socket.emit('error', error))

      return new Promise<SecuredConnection>((resolve, reject) => {
        const onAbort = () => socket.emit('error', options.signal?.reason instanceof Error ? options.signal.reason : new Error('the TLS handshake was given up'))
        // The library's stream listens for errors from then on; until then they end the handshake.
        socket.on('error', (error: Error) => {
          options.signal?.removeEventListener('abort', onAbort)
          socket.destroy()
          connection.abort(error)
          reject(error)
        })
        socket.once('close', () => {
          options.signal?.removeEventListener('abort', onAbort)
          reject(new InvalidCryptoExchangeError('the connection ended during the TLS handshake'))
        })
        options.signal?.addEventListener('abort', onAbort, { once: true })

        async function verify(): Promise<SecuredConnection> {
          const { raw } = socket.getPeerCertificate()
          if (raw === undefined) throw new InvalidCryptoExchangeError('the other side showed no certificate')
          const remotePeer = await verifyPeerCertificate(raw, options.remotePeer, connection.log)
          if (!isServer && early && typeof socket.alpnProtocol === 'string' && socket.alpnProtocol !== NO_EARLY_MUXER) {
            streamMuxer = muxerOf(socket.alpnProtocol)
            if (streamMuxer === undefined) throw new InvalidCryptoExchangeError(`the multiplexer ${socket.alpnProtocol} is not one of ours`)
          }
          options.signal?.removeEventListener('abort', onAbort)
          return { remotePeer, connection: toMessageStream(connection, socket), ...(streamMuxer === undefined ? {} : { streamMuxer }) }
        }
        socket.once('secure', () => {
          verify().then(resolve, (error: unknown) => socket.emit('error', error))
        })
      })
    }

    // libp2p reads what the type does not say.
    const encrypter = {
      protocol: PROTOCOL,
      [Symbol.toStringTag]: 'skein/tls',
      [serviceCapabilities]: ['@libp2p/connection-encryption'],
      secureInbound: (connection: MessageStream, options?: SecureConnectionOptions) => encrypt(connection, true, options),
      secureOutbound: (connection: MessageStream, options?: SecureConnectionOptions) => encrypt(connection, false, options)
    }
    return encrypter
  }
}
