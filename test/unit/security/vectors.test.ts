import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { verifyCredential } from '../../../src/security/credential.ts'
import { verifyToken } from '../../../src/security/token.ts'
import { decodeAdmissionAnswer, decodeAdmissionRequest, unframeAdmission } from '../../../src/wire/admission.ts'
import { admissionVectors } from '../../support/admission-vectors.ts'

const folder = new URL('../../../protocols/vectors/admission/', import.meta.url)
const made = admissionVectors()
const NOW = 1_700_000_000_000

describe('the golden vectors of admission', () => {
  test.each(['documents', 'messages'] as const)('%s are what we write, byte for byte', (name) => {
    const text = `${JSON.stringify(made[name], null, 2)}\n`
    const file = new URL(`${name}.json`, folder)
    // Only for a new version of the protocol: the files are what other implementations rely on.
    if (process.env['SKEIN_WRITE_VECTORS'] === '1') writeFileSync(file, text)
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  test('are what we read', () => {
    const stored = JSON.parse(readFileSync(new URL('messages.json', folder), 'utf8')) as Record<string, { frame: string }>
    const body = (name: string) => unframeAdmission(Buffer.from(stored[name]?.frame ?? '', 'hex')) as Uint8Array
    const documents = JSON.parse(readFileSync(new URL('documents.json', folder), 'utf8')) as { federation: string; keys: Record<string, { peer: string }> }
    const peer = documents.keys['member']?.peer ?? ''
    const present = decodeAdmissionRequest(body('present'))
    if (present.kind !== 'present') throw new Error(present.kind)
    expect(verifyCredential(present.bundle, { federation: documents.federation, peer, now: NOW })).toMatchObject({ subject: peer, region: 'eu-central' })
    const redeem = decodeAdmissionRequest(body('redeem'))
    if (redeem.kind !== 'redeem') throw new Error(redeem.kind)
    expect(verifyToken(redeem.token, NOW)).toMatchObject({ federation: documents.federation, uses: 3 })
    expect(redeem.subject).toBe(peer)
    expect(decodeAdmissionAnswer(body('refused'))).toEqual({ ok: false, code: 'SKEIN_TOKEN_USED', message: 'ask for a new token' })
  })

  test('frames: incomplete ones wait, long and overfull ones are refused', () => {
    expect(unframeAdmission(Uint8Array.of(0, 0, 0))).toBeUndefined()
    expect(unframeAdmission(Uint8Array.of(0, 0, 0, 2, 1))).toBeUndefined()
    expect(unframeAdmission(Uint8Array.of(0, 0, 0, 1, 7))).toEqual(Uint8Array.of(7))
    expect(() => unframeAdmission(Uint8Array.of(0, 0, 0, 1, 7, 8))).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL' }))
    expect(() => unframeAdmission(Uint8Array.of(0, 1, 0, 1))).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL' }))
  })
})
