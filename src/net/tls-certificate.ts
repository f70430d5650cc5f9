import { constants, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { generateCertificate, verifyPeerCertificate } from '@libp2p/tls/utils'
import type { Clock } from '../base/clock.ts'

/** A key lives this long at most: what leaks with it is one day of this process, and no machine is kept busy by it. */
export const RENEW_AFTER_MS = 86_400_000

/**
 * The certificate with which this process shows its identity, made once and kept in memory. The libp2p TLS specification
 * ("Handshake Protocol") leaves the choice: a new key and certificate for each connection, or the same for many. Making one is half
 * the CPU time of a handshake. The certificate itself is the library's: an own P-256 key, signed by the host key in the extension.
 * @param deps.onMade is shown each certificate (PEM), never a key
 */
export function createCertificate(deps: { privateKey: PrivateKey; clock: Clock; onMade?: (certificate: string) => void }): { context(): Promise<SecureContext> } {
  const { privateKey, clock } = deps
  let made = 0
  let current: Promise<SecureContext> | undefined

  async function make(): Promise<SecureContext> {
    // No signal: the connection that asks first may go, and others wait for the same one.
    const { cert, key } = await generateCertificate(privateKey)
    // As the others will: what they would refuse shows here, and the first handshake finds this code warm.
    await verifyPeerCertificate(new X509Certificate(cert).raw, peerIdFromPrivateKey(privateKey))
    deps.onMade?.(cert)
    // Without tickets: no session outlives its connection, or else a later one could do without showing a certificate.
    return createSecureContext({ cert, key, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET })
  }

  return {
    context() {
      const now = clock.wall()
      // A clock that was put back makes it a certificate of the future, which nobody accepts.
      if (current !== undefined && now >= made && now - made < RENEW_AFTER_MS) return current
      made = now
      const making = make()
      current = making
      making.catch(() => {
        if (current === making) current = undefined
      })
      return making
    }
  }
}
