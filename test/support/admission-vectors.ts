import {
  encodeTokenBundle,
  federationIdOf,
  sealCredential,
  sealIssuerCertificate,
  sealToken,
  type Credential,
  type IssuerCertificate,
  type JoinToken
} from '../../src/wire/admission-documents.ts'
import { encodeAdmissionAnswer, encodeAdmissionRequest, frameAdmission } from '../../src/wire/admission.ts'
import { testSigner } from './security-world.ts'

const NOW = 1_700_000_000_000
const DAY = 86_400_000
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/**
 * The golden vectors of protocols/vectors/admission, made from fixed keys, times and serials: everything is deterministic.
 * Seeds: authority 32 x 0x64, issuer 32 x 0x01, member 32 x 0x02.
 */
export function admissionVectors(): { documents: unknown; messages: unknown; bytes: Record<string, Uint8Array> } {
  const [authority, issuer, member] = [testSigner(100), testSigner(1), testSigner(2)]
  const federation = federationIdOf(authority.publicKey)
  const standing = { tier: 'leaf', region: 'eu-central', roles: ['tools'] } as const
  const certificate: IssuerCertificate = { federation, issuer: issuer.publicKey, notBefore: NOW, expires: NOW + 365 * DAY }
  const credential: Credential = {
    ...standing,
    roles: [...standing.roles],
    federation,
    name: 'acme',
    subject: member.peer,
    issued: NOW,
    expires: NOW + 30 * DAY,
    serial: new Uint8Array(16).fill(0xaa)
  }
  const token: JoinToken = {
    ...standing,
    roles: [...standing.roles],
    federation,
    name: 'acme',
    id: new Uint8Array(16).fill(0xbb),
    issuer: issuer.peer,
    expires: NOW + DAY,
    uses: 3,
    addresses: [`/ip4/192.0.2.1/tcp/4001/p2p/${issuer.peer}`]
  }
  const sealed = {
    certificate: sealIssuerCertificate(certificate, authority),
    credential: sealCredential(credential, issuer),
    token: sealToken(token, issuer)
  }
  const bundle = { authority: authority.publicKey, certificate: sealed.certificate, credential: sealed.credential }
  const tokenBundle = encodeTokenBundle({ authority: authority.publicKey, certificate: sealed.certificate, token: sealed.token })
  const text = `skein_${Buffer.from(tokenBundle).toString('base64url')}`
  const messages = {
    present: encodeAdmissionRequest({ kind: 'present', bundle }),
    join: encodeAdmissionRequest({ kind: 'join', token: text, name: 'node-b' }),
    renew: encodeAdmissionRequest({ kind: 'renew', bundle }),
    redeem: encodeAdmissionRequest({ kind: 'redeem', subject: member.peer, token: text, name: 'node-b' }),
    granted: encodeAdmissionAnswer({ ok: true, bundle }),
    refused: encodeAdmissionAnswer({ ok: false, code: 'SKEIN_TOKEN_USED', message: 'ask for a new token' })
  }
  return {
    documents: {
      keys: {
        authority: { seed: '64'.repeat(32), publicKey: hex(authority.publicKey), peer: authority.peer },
        issuer: { seed: '01'.repeat(32), publicKey: hex(issuer.publicKey), peer: issuer.peer },
        member: { seed: '02'.repeat(32), publicKey: hex(member.publicKey), peer: member.peer }
      },
      federation,
      certificate: { value: { ...certificate, issuer: hex(certificate.issuer) }, envelope: hex(sealed.certificate) },
      credential: { value: { ...credential, serial: hex(credential.serial) }, envelope: hex(sealed.credential) },
      token: { value: { ...token, id: hex(token.id) }, envelope: hex(sealed.token), text }
    },
    messages: Object.fromEntries(Object.entries(messages).map(([name, bytes]) => [name, { message: hex(bytes), frame: hex(frameAdmission(bytes)) }])),
    bytes: { ...sealed, tokenBundle, ...messages }
  }
}
