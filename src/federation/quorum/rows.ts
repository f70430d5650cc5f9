import { errorMessage } from '../../base/errors.ts'
import { decodeCbor, encodeCbor, fields } from '../../wire/cbor.ts'
import type { Certificate } from '../../wire/quorum-types.ts'
import { acceptedOut, ballotOut, certificateOf, certificateOut, MAX_CERTIFICATE_BYTES, MAX_CHAIN, MAX_KEY, readAccepted, readBallot, readCertificate } from '../../wire/quorum-votes.ts'
import type { Register } from './acceptor.ts'
import type { StoredRow } from './ports.ts'

/** The rows on disk: one for each register that was voted on, one for each operators' register as it was last decided, one for the chain of voters. */

const REGISTER = 'r/'
const DECIDED = 'd/'
const CHAIN_KEY = 'v'
/** The version of the last voters in that chain, once more: if the chain is damaged, what this node may have voted under is still known. */
const VERSION_KEY = 'w'
/** Stands for the whole group where one name is wanted. */
export const EVERYTHING = '*'

export interface LoadedRows {
  registers: Map<string, Register>
  chain: Certificate[]
  /** Settings and bans: in force from the start, before anybody can be asked. */
  known: Certificate[]
  /** No vote of this node is under later voters than these; Infinity: nobody knows. */
  votedUpTo: number
  /** Registers whose row cannot be read; EVERYTHING when it cannot be said which, or the voters are lost. */
  damaged: Set<string>
  /** Keys of the damaged rows, as they are on disk. */
  unreadable: string[]
  problems: string[]
}

export function registerRow(key: string, register: Register | undefined): StoredRow {
  if (register === undefined) return { key: REGISTER + key, bytes: undefined }
  const { promised, accepted } = register
  const row = { b: ballotOut(promised.ballot), g: promised.voters, a: accepted === undefined ? undefined : acceptedOut(accepted) }
  return { key: REGISTER + key, bytes: encodeCbor(row) }
}

export function isDecidedRow(key: string): boolean {
  return key.startsWith(DECIDED)
}

export function decidedRow(certificate: Certificate): StoredRow {
  return { key: DECIDED + certificate.key, bytes: encodeCbor({ c: certificateOut(certificate) }) }
}

export function chainRows(chain: readonly Certificate[]): StoredRow[] {
  return [
    { key: CHAIN_KEY, bytes: encodeCbor({ c: chain.map(certificateOut) }) },
    { key: VERSION_KEY, bytes: encodeCbor({ v: chain.at(-1)?.value.version ?? 0 }) }
  ]
}

/** Stands for rows that cannot be read at all: nobody knows what was voted. */
export function lostRow(): StoredRow {
  return { key: CHAIN_KEY, bytes: undefined }
}

export function loadRows(rows: readonly StoredRow[]): LoadedRows {
  const loaded: LoadedRows = { registers: new Map(), chain: [], known: [], votedUpTo: 0, damaged: new Set(), unreadable: [], problems: [] }
  let version: number | undefined
  for (const { key, bytes } of rows) {
    const name = key.startsWith(REGISTER) && key.length <= REGISTER.length + MAX_KEY ? key.slice(REGISTER.length) : EVERYTHING
    try {
      if (bytes === undefined) throw new Error('its checksum is wrong')
      if (key === CHAIN_KEY) loaded.chain = readChain(bytes)
      else if (key === VERSION_KEY) version = fields(decodeCbor(bytes, { max: 64, what: 'the row' }), 'row').int('v')
      else if (isDecidedRow(key)) loaded.known.push(readDecided(key, bytes))
      else if (name === EVERYTHING) throw new Error('its key is none of ours')
      else loaded.registers.set(name, readRegister(bytes))
    } catch (error) {
      loaded.unreadable.push(key)
      // No vote: others tell it again.
      if (isDecidedRow(key)) continue
      // The chain alone says as much as the version beside it.
      if (key !== VERSION_KEY) loaded.damaged.add(name)
      loaded.problems.push(`${key}: ${errorMessage(error)}`)
    }
  }
  const ofChain = loaded.unreadable.includes(CHAIN_KEY) ? undefined : (loaded.chain.at(-1)?.value.version ?? 0)
  loaded.votedUpTo = Math.max(ofChain ?? version ?? Infinity, version ?? 0)
  return loaded
}

function readRegister(bytes: Uint8Array): Register {
  const read = fields(decodeCbor(bytes, { max: MAX_CERTIFICATE_BYTES, what: 'the row' }), 'row')
  const accepted = read.optionalMap('a')
  return { promised: { ballot: readBallot(read), voters: read.int('g') }, ...(accepted !== undefined && { accepted: readAccepted(accepted) }) }
}

function readDecided(key: string, bytes: Uint8Array): Certificate {
  const certificate = certificateOf(fields(decodeCbor(bytes, { max: MAX_CERTIFICATE_BYTES + 64, what: 'the row' }), 'row').map('c'))
  if (DECIDED + certificate.key !== key) throw new Error('it is about another register')
  return certificate
}

function readChain(bytes: Uint8Array): Certificate[] {
  const read = fields(decodeCbor(bytes, { max: MAX_CHAIN * MAX_CERTIFICATE_BYTES + 64, what: 'the chain of voters' }), 'chain')
  return read.array('c', { max: MAX_CHAIN }, readCertificate)
}
