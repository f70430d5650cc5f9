import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ERROR_CODES } from '../../src/base/error-codes.ts'
import { MAX_JSON_DEPTH } from '../../src/base/json-depth.ts'
import { HUB_REST, RECORD_TTL, RENEW_AFTER } from '../../src/federation/catalog/catalog.ts'
import { HOP_TIME, MAX_RELAY_BYTES, MAX_SOURCES } from '../../src/federation/catalog/definition-relay.ts'
import { REQUEST_TIMEOUT } from '../../src/federation/catalog/driver.ts'
import { MAX_DEPTH as DEFINITION_DEPTH } from '../../src/federation/catalog/definitions.ts'
import { MAX_WANTED, RETRY_BASE, RETRY_CAP, SYNC_EVERY, SYNC_SOON } from '../../src/federation/catalog/exchanges.ts'
import { CLOCK_SKEW as RECORD_SKEW, MAX_LIFE, MAX_RECORDS, MAX_RECORDS_BYTES } from '../../src/federation/catalog/records.ts'
import { MAX_WAIT, MAX_WAITING, MAX_WAITING_BYTES as MAX_WAITING_RECORD_BYTES } from '../../src/federation/catalog/waiting-room.ts'
import { IDLE_TIMEOUT } from '../../src/mcp/upstream/children.ts'
import { PROFILES, type MembershipProfile } from '../../src/membership/profiles.ts'
import { TOMBSTONE_TIME } from '../../src/membership/rules.ts'
import { JOINING_TIME } from '../../src/membership/self.ts'
import { MAX_MEMBERS } from '../../src/membership/table.ts'
import { BACKOFF_BASE_MS, BACKOFF_CAP_MS, LISTEN_LEASE_MS } from '../../src/node/calls/listening.ts'
import { MAX_CALLS, MAX_LISTENS } from '../../src/node/calls/peer-share.ts'
import { LISTEN_RENEW_MS } from '../../src/node/calls/serve-mcp.ts'
import { EXCHANGE_TIMEOUT_MS, STRANGER_TIMEOUT_MS } from '../../src/net/admission-protocol.ts'
import { REFUSALS, WINDOW_MS } from '../../src/net/gater.ts'
import { MAX_WAITING_BYTES } from '../../src/net/member-network.ts'
import { DEFAULT_LIMITS, MAX_SESSIONS_PER_PEER } from '../../src/rpc/limits.ts'
import { CERTIFICATE_LIFETIME, CLOCK_SKEW, CREDENTIAL_LIFETIME, FORWARD_TIMEOUT, MAX_FORWARDS } from '../../src/security/limits.ts'
import * as documents from '../../src/wire/admission-documents.ts'
import { MAX_ADMISSION_MESSAGE, MAX_MESSAGE, MAX_TOKEN_TEXT } from '../../src/wire/admission.ts'
import * as record from '../../src/wire/catalog-record.ts'
import * as catalog from '../../src/wire/catalog.ts'
import { MAX_DEPTH } from '../../src/wire/cbor.ts'
import { COORDINATES_BYTES, DIMENSIONS, MAX_COORDINATE } from '../../src/wire/coordinates.ts'
import { END_KIND, LOADED, MAX_HEAD_BYTES, MAX_LOAD, MAX_SESSION } from '../../src/wire/mcp-call.ts'
import { ADMISSION_PROTOCOL, catalogTopic, METHOD, ROOT_POOL, RPC_PROTOCOL, SWIM_PROTOCOL } from '../../src/wire/protocols.ts'
import * as frames from '../../src/wire/rpc-frames.ts'
import { ENTRY_BYTES, PEER_BYTES } from '../../src/wire/swim-digest.ts'
import { createSwimSplitter, MAX_SWIM_FRAME } from '../../src/wire/swim-frames.ts'
import * as statements from '../../src/wire/swim-statements.ts'
import * as swim from '../../src/wire/swim.ts'
import { fromJson, hexOf, toJson } from '../support/catalog-vectors.ts'
import { CODECS, readVectors, VALUES } from '../support/mcp-vectors.ts'
import { testSigner } from '../support/security-world.ts'
import { constantOf, expectStated } from '../support/stated.ts'
import { MESSAGES, messageOfJson, messageToJson, readSwimVectors, REFUSED, SCOPE, STATEMENTS } from '../support/swim-vectors.ts'

const folder = new URL('../../protocols/', import.meta.url)
const pages = Object.fromEntries(['README', 'admission', 'catalog', 'mcp', 'rpc', 'swim'].map((name) => [name, readFileSync(new URL(`${name}.md`, folder), 'utf8')])) as Record<string, string>

/** The cells of every table row whose first cell looks like this. */
function rows(page: string, first: RegExp): string[][] {
  const lines = (pages[page] as string).split('\n').filter((line) => line.startsWith('|'))
  return lines.map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim())).filter(([cell]) => first.test(cell ?? ''))
}

describe('golden bodies of MCP calls', () => {
  const vectors = readVectors()
  test('none is missing', () => expect(vectors).toEqual(VALUES.map((each) => ({ ...each, hex: expect.any(String) }))))
  test.each(vectors)('$kind, $name', ({ kind, value, hex }) => {
    expect(CODECS[kind].decode(Buffer.from(hex, 'hex'))).toEqual(value)
    expect(Buffer.from(CODECS[kind].encode(value)).toString('hex')).toBe(hex)
  })
})

describe('golden statements and messages of membership', () => {
  const { vectors: sealed, refused } = readSwimVectors('statements')
  const { vectors: messages } = readSwimVectors('messages')
  const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))

  test('none is missing', () => {
    expect(sealed.map(({ name, statement }) => [name, statement])).toEqual(Object.entries(STATEMENTS).map(([name, { statement }]) => [name, toJson(statement)]))
    expect(refused.map(({ name, reason }) => [name, reason])).toEqual(Object.entries(REFUSED).map(([name, { reason }]) => [name, reason]))
    expect(messages.map(({ name, message }) => [name, message])).toEqual(Object.entries(MESSAGES).map(([name, message]) => [name, messageToJson(message)]))
  })
  test.each(sealed)('statement: $name', ({ seed, statement, hex }) => {
    const opened = statements.openStatement(bytesOf(hex), SCOPE)
    expect(toJson(opened.statement)).toEqual(statement)
    expect(statements.verifyStatement(opened, SCOPE)).toBe(true)
    expect(hexOf(statements.sealStatement(fromJson(statement) as typeof opened.statement, SCOPE, testSigner(seed)).bytes)).toBe(hex)
  })
  test.each(refused)('refused: $name', ({ reason, hex }) => {
    const open = () => statements.openStatement(bytesOf(hex), SCOPE)
    if (reason === 'signature') expect(statements.verifyStatement(open(), SCOPE)).toBe(false)
    else expect(open).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL', data: { reason } }))
  })
  test.each(messages)('message: $name', ({ message, frame }) => {
    const seen: Uint8Array[] = []
    createSwimSplitter((bytes) => void seen.push(bytes)).push(bytesOf(frame))
    expect(seen).toHaveLength(1)
    expect(swim.decodeSwimMessageWith(seen[0] as Uint8Array, SCOPE)).toEqual({ message: messageOfJson(message), dropped: [] })
    expect(hexOf(swim.encodeSwimFrame(SCOPE, messageOfJson(message)))).toBe(frame)
  })
})

test('every file of golden vectors has a test that reads it', () => {
  const files = readdirSync(new URL('vectors/', folder), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'))
  // rpc: unit/rpc/codec and relay-vectors, admission: unit/security/vectors, catalog, quorum, summary and tiers: unit/federation/*, mcp and swim: here.
  expect(files.sort()).toEqual(['admission/documents.json', 'admission/messages.json', 'catalog/messages.json', 'mcp/bodies.json', 'quorum/messages.json', 'rpc/frames.json', 'rpc/relay.json', 'summary/messages.json', 'swim/messages.json', 'swim/statements.json', 'tiers/documents.json'])
})

describe('the tables of the pages are those of the code', () => {
  const numbered = /^\d+$/
  test('methods', () => {
    const table = rows('README', numbered).map(([number, name]) => [name, Number(number)])
    expect(Object.fromEntries(table)).toEqual(METHOD)
    for (const [text, number] of [['methods 16-18', METHOD.CATALOG_DEFINITIONS], ['methods 32-33', METHOD.MCP_END_SESSION]] as const) {
      expect(pages['README']).toContain(text)
      expect(text).toContain(String(number))
    }
    for (const [, number, name] of (pages['catalog'] as string).matchAll(/RPC method (\d+) `(\w+)`/g)) {
      expect(METHOD[name as keyof typeof METHOD]).toBe(Number(number))
    }
    expect(pages['mcp']).toContain(`\`MCP_CALL\` (${METHOD.MCP_CALL}) and \`MCP_END_SESSION\` (${METHOD.MCP_END_SESSION})`)
    expect(pages['admission']).toContain(`RPC method ${METHOD.ADMISSION_REDEEM}`)
  })

  test('protocol ids and the topic', () => {
    for (const page of ['README', 'admission']) expect(pages[page]).toContain(ADMISSION_PROTOCOL)
    for (const page of ['README', 'rpc']) expect(pages[page]).toContain(RPC_PROTOCOL)
    for (const page of ['README', 'swim']) expect(pages[page]).toContain(SWIM_PROTOCOL)
    expect(pages['swim']).toContain(`\`${statements.STATEMENT_DOMAIN.replace('\0', '\\0')}\``)
    expect(pages['README']).toContain(catalogTopic('<federation>', '<pool>'))
    expect(pages['catalog']).toContain(catalogTopic('<federation id>', '<pool>'))
    expect(pages['catalog']).toContain(`The flat pool is \`${ROOT_POOL}\``)
    for (const domain of [documents.ISSUER_DOMAIN, documents.CREDENTIAL_DOMAIN, documents.TOKEN_DOMAIN]) expect(pages['admission']).toContain(`\`${domain.replace('\0', '\\0')}\``)
    expect(pages['catalog']).toContain(`\`${record.RECORD_DOMAIN.replace('\0', '')}\` and one zero byte`)
  })

  test('error numbers', () => {
    const all = rows('rpc', numbered).filter((row) => row[1]?.startsWith('SKEIN_'))
    expect(Object.fromEntries(all.map(([number, code, retry]) => [code, { wire: Number(number), retry }]))).toEqual(ERROR_CODES)
    const admission = rows('admission', numbered)
    expect(admission.length).toBeGreaterThan(8)
    for (const [number, code] of admission) expect(ERROR_CODES[code as keyof typeof ERROR_CODES]?.wire, code).toBe(Number(number))
    for (const page of Object.values(pages)) {
      for (const [code] of page.matchAll(/SKEIN_[A-Z_]+/g)) expect(ERROR_CODES).toHaveProperty(code)
    }
  })

  test('kinds of membership messages and statements', () => {
    const kinds = rows('swim', /^`(ping|ack|nack|gossip|sync|same|digest|state|ping-req|alive|leave|suspect|dead)`$/).map(([kind]) => kind?.slice(1, -1))
    const all = [...Object.values(MESSAGES), ...Object.values(STATEMENTS).map(({ statement }) => statement)].map(({ kind }) => kind)
    expect(new Set(kinds)).toEqual(new Set(all))
  })

  test('times of the membership profiles', () => {
    const times: [string, keyof MembershipProfile][] = [
      ['probe interval', 'probeInterval'], ['probe timeout', 'probeTimeout'], ['suspicion multiplier', 'suspicionMult'], ['gossip interval', 'gossipInterval'],
      ['gossip, members at a time', 'gossipFanout'], ['gossip multiplier', 'retransmitMult'], ['sync interval', 'syncInterval'], ['dead ones are told for', 'deadGossipTime']
    ]
    const profiles: MembershipProfile[] = Object.values(PROFILES)
    expect(rows('swim', /^ms$/)).toEqual([['ms', ...Object.keys(PROFILES).map((name) => `\`${name}\``)]])
    for (const [what, key] of times) {
      expect(rows('swim', new RegExp(`^${what}$`)).map((row) => row.slice(1).map((cell) => Number(cell.replaceAll(' ', '')))), what).toEqual([profiles.map((profile) => profile[key])])
    }
    for (const { confirmations, indirectProbes, healthMax } of profiles) expect([confirmations, indirectProbes, healthMax]).toEqual([2, 3, 8])
    expect([PROFILES.lan, PROFILES.wan, PROFILES.local].map(({ suspicionMaxMult }) => suspicionMaxMult)).toEqual([6, 6, 6])
    expect([PROFILES.guide.suspicionTimeout, PROFILES.guide.suspicionMaxMult]).toEqual([30_000, 1])
  })

  test('kinds of an END', () => {
    expect(rows('mcp', numbered).map(([number]) => Number(number))).toEqual(Object.values(END_KIND))
    expect(pages['mcp']).toContain(`Kinds ${LOADED} to ${LOADED + END_KIND.ERROR} are kinds 0 to ${END_KIND.ERROR}`)
    expect(pages['mcp']).toContain(`more than ${MAX_LOAD} is sent as ${MAX_LOAD}`)
  })

  test('frame types and GOAWAY reasons', () => {
    const types = rows('rpc', numbered).filter((row) => row.length === 5)
    expect(Object.fromEntries(types.map(([number, name]) => [name, Number(number)]))).toEqual(frames.FRAME)
    const { LEAVING, REPLACED, EXHAUSTED, PROTOCOL } = frames.GOAWAY_REASON
    expect(pages['rpc']).toContain(`Reasons: ${LEAVING} leaving, ${REPLACED} replaced by another session, ${EXHAUSTED} exchange ids used up, ${PROTOCOL} protocol error`)
    const { PATH, SUBJECT, CORRELATION } = frames.ATTRIBUTE
    expect(pages['rpc']).toContain(`Attribute tags: ${PATH} the peer ids visited joined by \`,\`; ${SUBJECT} the subject; ${CORRELATION} the correlation id`)
  })
})

const L = DEFAULT_LIMITS
/** A place on a page (`#` stands for an amount) and the constants that must be there. */
const STATED: [string, string, number[]][] = [
  ['rpc', 'Defaults: #, #, #, #.', [L.maxFrame, L.window, L.maxConcurrent, L.maxBody]],
  ['rpc', '`max frame` (at least #)', [frames.MIN_MAX_FRAME]],
  ['rpc', '`window` (at least #)', [frames.MIN_WINDOW]],
  ['rpc', 'u32 length of everything after this field: # ..', [frames.MIN_FRAME]],
  ['rpc', 'federation id (at most # bytes)', [frames.MAX_FEDERATION_BYTES]],
  ['rpc', 'the time left in ms, 1 .. #.', [frames.MAX_DEADLINE_MS]],
  ['rpc', '(default #; a node', [frames.DEFAULT_HOPS]],
  ['rpc', 'tags and lengths take at most # bytes', [frames.MAX_ATTRIBUTE_BYTES]],
  ['rpc', 'Message at most # bytes, data at most #;', [frames.MAX_TEXT_BYTES, frames.MAX_ERROR_DATA]],
  ['rpc', 'GOAWAY reasons: at most # bytes', [frames.MAX_TEXT_BYTES]],
  ['rpc', 'costs its body bytes + # (', [frames.FRAME_COST]],
  ['rpc', 'No HELLO within #:', [L.helloTimeout]],
  ['rpc', 'really ends (at most #)', [L.cancelGrace]],
  ['rpc', 'parts of at most #,', [frames.CHUNK_BYTES]],
  ['rpc', 'At most # are handed to', [L.maxUnsent]],
  ['rpc', '| exchanges in service per session | # |', [L.maxConcurrent]],
  ['rpc', '| assembled body | # |', [L.maxBody]],
  ['rpc', '| bodies in assembly and held messages per session | # |', [L.maxBuffered]],
  ['rpc', '| own queue per session | # |', [L.maxQueue]],
  ['rpc', '| session streams per peer | # |', [MAX_SESSIONS_PER_PEER]],
  ['rpc', 'then every #; PONG', [L.pingInterval]],
  ['rpc', 'received for #, or nothing taken by the stream for #:', [L.silence, L.silence]],
  ['rpc', 'the other after # if there is none', [L.openGrace]],
  ['rpc', 'nothing at all came for # (or three round trips): a PING goes at once; nothing for # more', [constantOf('rpc/stall.ts', 'QUIET'), constantOf('rpc/stall.ts', 'NO_SIGN')]],
  ['rpc', 'on a line of 1 Mbit/s, at most #)', [constantOf('rpc/stall.ts', 'LONGEST_SLACK')]],
  ['rpc', 'such PING doubles, up to #; a new request begins at #.', [constantOf('rpc/stall.ts', 'LONGEST_QUIET'), constantOf('rpc/stall.ts', 'QUIET')]],
  ['rpc', 'clocks may differ by #.', [constantOf('rpc/relay/tickets.ts', 'SKEW')]],
  ['rpc', 'fewer than # exchanges of this origin and # in all', [constantOf('rpc/relay/relay.ts', 'MAX_PER_ORIGIN'), constantOf('rpc/relay/relay.ts', 'MAX_CARRIED')]],
  ['rpc', "the bodies of their requests with this one's are at most # of this origin and # in all", [constantOf('rpc/relay/relay.ts', 'MAX_BYTES_PER_ORIGIN'), constantOf('rpc/relay/relay.ts', 'MAX_BYTES')]],
  ['rpc', 'at most # members are asked at a time, and for all targets together #.', [constantOf('rpc/reach/reach.ts', 'ASKED'), constantOf('rpc/reach/reach.ts', 'MAX_ASKING')]],
  ['rpc', 'a new member has # to get a session', [constantOf('rpc/reach/reach.ts', 'NEW_GRACE')]],
  ['rpc', 'others are asked after #, with', [constantOf('rpc/reach/reach.ts', 'FIRST_ASK')]],
  ['rpc', 'somebody hears the peer and # (or two round trips)', [constantOf('rpc/reach/reach.ts', 'CONFIRM')]],
  ['rpc', 'are checked every #, others every #;', [constantOf('rpc/reach/reach.ts', 'REFRESH'), constantOf('rpc/reach/reach.ts', 'IDLE_REFRESH')]],
  ['admission', 'at most # levels', [MAX_DEPTH]],
  ['admission', '| authority | # bytes |', [documents.MAX_CERTIFICATE]],
  ['admission', '`skein/credential/1\\0` | issuer | # |', [documents.MAX_CREDENTIAL]],
  ['admission', '`skein/token/1\\0` | issuer | # |', [documents.MAX_TOKEN]],
  ['admission', '`name` text <= # (of', [documents.MAX_NAME]],
  ['admission', '`roles` array of <= # texts <= #;', [documents.MAX_ROLES, documents.MAX_NAME]],
  ['admission', '`serial` bytes(#)', [documents.SERIAL_BYTES]],
  ['admission', '`uses` 1 to #;', [documents.MAX_USES]],
  ['admission', '`addresses` array of <= # multiaddrs <= # characters', [documents.MAX_TOKEN_ADDRESSES, documents.MAX_ADDRESS]],
  ['admission', 'no padding: # characters', [documents.FEDERATION_CHARS]],
  ['admission', 'at most # characters. Readers drop', [MAX_TOKEN_TEXT]],
  ['admission', 'big endian, at most #)', [MAX_ADMISSION_MESSAGE]],
  ['admission', 'resets the stream after #.', [EXCHANGE_TIMEOUT_MS]],
  ['admission', 'is closed after #. A peer that was refused # times within # is', [STRANGER_TIMEOUT_MS, REFUSALS, WINDOW_MS]],
  ['admission', 'message: text <= #}', [MAX_MESSAGE]],
  ['admission', 'Clocks may differ by #:', [CLOCK_SKEW]],
  ['admission', '# forwarded requests are waiting', [MAX_FORWARDS]],
  ['admission', 'It waits #,', [FORWARD_TIMEOUT]],
  ['admission', 'Credentials live # unless', [CREDENTIAL_LIFETIME]],
  ['admission', 'certificate (#)', [CERTIFICATE_LIFETIME]],
  ['catalog', 'at most # levels. Ignore', [MAX_DEPTH]],
  ['catalog', 'catalog/1` | # |', [catalog.MAX_GOSSIP_BYTES]],
  ['catalog', '`CATALOG_DIGEST`, request and answer | # each', [catalog.MAX_BODY_BYTES]],
  ['catalog', 'RPC requests have #.', [REQUEST_TIMEOUT]],
  ['catalog', 'sealed record has at most #.', [record.MAX_RECORD_BYTES]],
  ['catalog', '`pool` | text | # characters', [record.MAX_SCOPE]],
  ['catalog', '1 to # characters |', [record.MAX_NAME]],
  ['catalog', '`/p2p/…` | #, of # characters', [record.MAX_ADDRESSES, record.MAX_ADDRESS]],
  ['catalog', 'no name twice | # |', [record.MAX_SERVERS]],
  ['catalog', '`tools` are at most #,', [record.MAX_TOOLS]],
  ['catalog', 'calls run at a time (1 to #)', [record.MAX_CAPACITY]],
  ['catalog', 'expired for more than # (clocks differ), and does not expire more than # from now', [RECORD_SKEW, MAX_LIFE]],
  ['catalog', 'waits for it: for #, at most # records and #, the newest', [MAX_WAIT, MAX_WAITING, MAX_WAITING_RECORD_BYTES]],
  ['catalog', 'within # after somebody became a member', [SYNC_SOON]],
  ['catalog', 'now + # when written', [RECORD_TTL]],
  ['catalog', 'renews its record after #.', [RENEW_AFTER]],
  ['catalog', 'At most # records and # are held', [MAX_RECORDS, MAX_RECORDS_BYTES]],
  ['catalog', 'its own too; at most #\n', [catalog.MAX_DIGEST_ENTRIES]],
  ['catalog', 'at most # records; at most # peers (skein asks for #)', [catalog.MAX_RECORDS_PER_BODY, catalog.MAX_DIGEST_ENTRIES, MAX_WANTED]],
  ['catalog', 'one random peer every # (', [SYNC_EVERY]],
  ['catalog', 'repeated after #, 2 s, 4 s … # as', [RETRY_BASE, RETRY_CAP]],
  ['catalog', 'digests: [32 bytes, …]} at most #\n', [catalog.MAX_DEFINITIONS_PER_REQUEST]],
  ['catalog', 'with `hops` (0 to #, larger ones count as #)', [catalog.MAX_DEFINITION_HOPS, catalog.MAX_DEFINITION_HOPS]],
  ['catalog', 'at most # of them and never the one that asked, and waits at most # for each of `hops`', [MAX_SOURCES, HOP_TIME]],
  ['catalog', 'keeps (#), and passes on', [MAX_RELAY_BYTES]],
  ['catalog', 'is published at most every #.', [HUB_REST]],
  ['catalog', '(bare name inside), at most #.', [catalog.MAX_DEFINITION_BYTES]],
  ['catalog', 'JSON object of at most # levels', [DEFINITION_DEPTH]],
  ['mcp', 'length of the head in bytes (at most #)', [MAX_HEAD_BYTES]],
  ['mcp', 'optional, at most # characters', [MAX_SESSION]],
  ['mcp', 'nested deeper than # levels', [MAX_JSON_DEPTH]],
  ['mcp', 'runs at most # requests of one node on one server at once, and # listens of one node', [MAX_CALLS, MAX_LISTENS]],
  ['mcp', 'Its time limit is #, and the provider sends `{}` with RENEW every #.', [LISTEN_LEASE_MS, LISTEN_RENEW_MS]],
  ['mcp', 'opens it again after #, 400 ms … # (', [BACKOFF_BASE_MS, BACKOFF_CAP_MS]],
  ['mcp', 'by itself after # of idling', [IDLE_TIMEOUT]],
  ['swim', 'at most # streams on a connection', [constantOf('net/host.ts', 'MAX_SWIM_STREAMS')]],
  ['swim', 'big endian, 1 to #)', [MAX_SWIM_FRAME]],
  ['swim', 'newest ones only (skein: #)', [MAX_WAITING_BYTES]],
  ['swim', '`pool` (text, # characters each', [record.MAX_SCOPE]],
  ['swim', '`nonce` (0 to #;', [swim.MAX_NONCE]],
  ['swim', 'At most # of them and # together, in `state` # and', [swim.MAX_UPDATES, swim.MAX_UPDATES_BYTES, swim.MAX_STATE_UPDATES]],
  ['swim', '`coordinates` optional: bytes, at most # |', [swim.MAX_COORDINATES]],
  ['swim', '# bytes, big endian: the version 1 (1), a vector of # numbers,', [COORDINATES_BYTES, DIMENSIONS]],
  ['swim', 'beyond # on either side of 0', [MAX_COORDINATE]],
  ['swim', 'sum of the last # differences', [constantOf('membership/coordinates/vivaldi.ts', 'ADJUSTMENT_WINDOW')]],
  ['swim', 'the median of the last # round trips', [constantOf('membership/coordinates/vivaldi.ts', 'FILTER')]],
  ['swim', 'something was due more than # before', [constantOf('membership/swim.ts', 'LATE')]],
  ['swim', 'f and the change of h as # x e at most (# if', [constantOf('membership/coordinates/vivaldi.ts', 'MAX_STEP'), constantOf('membership/coordinates/vivaldi.ts', 'MAX_STEP')]],
  ['swim', '`within` 1 to # (ms)', [swim.MAX_WITHIN]],
  ['swim', '`hash` bytes, at most # |', [swim.MAX_HASH]],
  ['swim', 'packed, # bytes each', [ENTRY_BYTES]],
  ['swim', 'a digest has at most #. `want` are keys, # bytes each', [swim.MAX_DIGEST_ENTRIES, PEER_BYTES]],
  ['swim', '`skein/swim/1\\0`, at most # bytes', [statements.MAX_STATEMENT_BYTES]],
  ['swim', 'text, 1 to # characters), `addresses` (at most # multiaddrs without `/p2p/…`, of # printable', [statements.MAX_LABEL, statements.MAX_ADDRESSES, statements.MAX_ADDRESS]],
  ['swim', '`refused` by # distinct accusers (by one', [constantOf('membership/rules.ts', 'REFUSALS_WANTED')]],
  ['swim', 'with only # or less members up twice, # apart', [constantOf('membership/evidence.ts', 'FEW_MEMBERS'), constantOf('membership/evidence.ts', 'SECOND_KNOCK')]],
  ['swim', 'remembered for #, at most # members', [TOMBSTONE_TIME, MAX_MEMBERS]],
  ['swim', 'within # of the start', [JOINING_TIME]],
  ['swim', '(skein: or # probes for you on their way)', [constantOf('membership/probes.ts', 'MAX_RELAYS_EACH')]],
  ['swim', 'up to # at random', [constantOf('membership/self.ts', 'RISE')]],
  ['swim', 'to one accuser once in #)', [constantOf('membership/self.ts', 'DOUBT_EVERY')]],
  ['swim', '(2 from # on)', [constantOf('membership/swim.ts', 'LONG_STALL')]],
  ['swim', 'about one member once in #:', [constantOf('membership/swim.ts', 'ANNOUNCE_EVERY')]],
  ['swim', 'against it, at most each #.', [constantOf('membership/swim.ts', 'TELL_EVERY')]],
  ['swim', 'News leave within # to', [constantOf('membership/gossip.ts', 'EAGER')]],
  ['swim', 'messages of up to # if need be', [constantOf('membership/sync.ts', 'MAX_DIGEST')]],
  ['swim', '`hash` are # bytes:', [constantOf('membership/table.ts', 'HASH_BYTES')]],
  ['swim', '(at most # at a time)', [constantOf('membership/sync.ts', 'MAX_WANT')]],
  ['swim', 'a length of 0 or above # |', [MAX_SWIM_FRAME]]
]

describe('limits and times on the pages are those of the code', () => {
  test.each(STATED)('%s: %s', (page, text, values) => expectStated(pages[page] as string, text, values))
})
