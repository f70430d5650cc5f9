import { verifyCredential } from '../../src/security/credential.ts'
import { verifyToken } from '../../src/security/token.ts'
import { decodeTokenBundle, openCredential, openIssuerCertificate, openToken } from '../../src/wire/admission-documents.ts'
import { decodeAdmissionAnswer, decodeAdmissionRequest } from '../../src/wire/admission.ts'
import { admissionVectors } from '../support/admission-vectors.ts'
import { testSigner } from '../support/security-world.ts'

const { bytes } = admissionVectors()
const pick = (...names: string[]) => names.map((name) => bytes[name] as Uint8Array)
const NOW = 1_700_000_000_000

/** Every reader of admission bytes, down to the checks behind the first decode. `decode` may throw SkeinErrors only. */
export const decoders: { name: string; vectors: Uint8Array[]; decode(bytes: Uint8Array): void }[] = [
  {
    name: 'admission request',
    vectors: pick('present', 'join', 'renew', 'redeem'),
    decode(input) {
      const request = decodeAdmissionRequest(input)
      if ('token' in request) verifyToken(request.token, NOW)
      else verifyCredential(request.bundle, { federation: 'a'.repeat(26), peer: testSigner(2).peer, now: NOW })
    }
  },
  { name: 'admission answer', vectors: pick('granted', 'refused'), decode: (input) => void decodeAdmissionAnswer(input) },
  {
    name: 'token bundle',
    vectors: pick('tokenBundle'),
    decode(input) {
      decodeTokenBundle(input)
      verifyToken(`skein_${Buffer.from(input).toString('base64url')}`, NOW)
    }
  },
  { name: 'issuer certificate', vectors: pick('certificate'), decode: (input) => void openIssuerCertificate(input) },
  { name: 'credential', vectors: pick('credential'), decode: (input) => void openCredential(input) },
  { name: 'token', vectors: pick('token'), decode: (input) => void openToken(input) }
]
