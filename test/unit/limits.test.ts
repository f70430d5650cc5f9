import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { MAX_TOOLS } from '../../src/wire/catalog-record.ts'
import { HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION, VERSION_2026, VERSIONS_2025 } from '../../src/wire/mcp-spec.ts'
import { constantOf, expectStated } from '../support/stated.ts'

const page = readFileSync(new URL('../../docs/mcp.md', import.meta.url), 'utf8')
const { mcp } = loadConfig({ env: {}, cwd: '/' }).config

/** Constants of src/mcp/downstream, of src/mcp/upstream, of src/http/mcp. */
const down = (file: string, name: string) => constantOf(`mcp/downstream/${file}`, name)
const up = (file: string, name: string) => constantOf(`mcp/upstream/${file}`, name)
const http = (file: string, name: string) => constantOf(`http/mcp/${file}`, name)

const question = down('rev2025/questions.ts', 'QUESTION_TIMEOUT')
const aMinute = 60_000
const plainFor = http('sse.ts', 'PLAIN_FOR')
const keepAlive = http('sse.ts', 'KEEP_ALIVE_EVERY')

/** Sentences of docs/mcp.md (`#` stands for an amount) and what the code has there. */
const STATED: [string, number[]][] = [
  ['after an error or # of silence (over HTTP #)', [up('negotiate.ts', 'SILENCE'), up('negotiate.ts', 'HTTP_SILENCE')]],
  ['have `ttlMs: #` and', [down('rev2026/results.ts', 'TTL')]],
  ['`[A-Za-z0-9_-]{1,#}`', [constantOf('mcp/names.ts', 'MAX_NAME')]],
  ['end with # hexadecimal digits', [constantOf('mcp/names.ts', 'HASH_LENGTH')]],
  ['in pages of #,', [down('pages.ts', 'PAGE_SIZE')]],
  ['changes within #.', [down('create-downstream.ts', 'CHANGE_DELAY')]],
  ['up to # characters', [constantOf('mcp/view-about.ts', 'MAX_INSTRUCTIONS')]],
  ['until nobody used it for #.', [up('children.ts', 'IDLE_TIMEOUT')]],
  ['There are at most # of them for a server', [up('children.ts', 'MAX_CHILDREN')]],
  ['`mcp.max_sessions` (#)', [mcp.maxSessions]],
  ['not used in the last #.', [http('rev2025/session-table.ts', 'MIN_IDLE')]],
  ['# # for clients with sessions, # for the retry', [Math.floor(question / aMinute) * aMinute, question % aMinute, up('parking.ts', 'TTL')]],
  ['at once (within #)', [up('rev2025/dialog.ts', 'GATHER')]],
  ['At most # are open in one call, and # at one client; # calls of one server wait,', [up('rev2025/side.ts', 'MAX_QUESTIONS'), down('rev2025/questions.ts', 'MAX_QUESTIONS'), up('parking.ts', 'MAX_PARKED')]],
  ['is kept (# messages, # of text', [up('rev2025/kept.ts', 'MAX_MESSAGES'), up('rev2025/kept.ts', 'MAX_CHARS')]],
  ['asked for input at most # times', [down('rev2025/input-loop.ts', 'MAX_ROUNDS')]],
  ['read again # times at once, then every #.', [up('refresh.ts', 'BURST'), up('refresh.ts', 'EVERY')]],
  ['take at most # URIs of at most # characters each', [down('watched-uris.ts', 'MAX_URIS'), down('watched-uris.ts', 'MAX_URI')]],
  ['may have # listens open, a node #.', [down('session.ts', 'MAX_SESSION_LISTENS'), down('rev2026/listens.ts', 'MAX_LISTENS')]],
  ['up to # of JSON together and # entries each, of the templates the first #;', [up('about.ts', 'MAX_LISTS'), up('about.ts', 'MAX_ENTRIES'), constantOf('mcp/view-about.ts', 'MAX_TEMPLATES')]],
  ['after 5 to # of silence', [plainFor + keepAlive]],
  ['with a comment every #.', [keepAlive]],
  ['the last # events of the session, # together, until # after the answer', [http('rev2025/event-log.ts', 'MAX_EVENTS'), http('rev2025/event-log.ts', 'MAX_KEPT'), http('rev2025/client-stream.ts', 'KEPT_FOR')]],
  ['At most # such requests run at once', [down('create-downstream.ts', 'MAX_STATELESS')]],
  ['as long as no more than # are kept in all', [http('rev2025/event-log.ts', 'MAX_KEPT_LARGE')]],
  ['leaves more than # unread, or takes nothing of an ended answer for #,', [http('sse.ts', 'MAX_UNREAD'), http('sse.ts', 'UNREAD_FOR')]],
  ['within the origin only (# at most), messages are bounded (#)', [constantOf('mcp-io/http-client.ts', 'MAX_REDIRECTS'), constantOf('mcp-io/http-transport.ts', 'MAX_MESSAGE_BYTES')]],
  ['when none comes within #.', [up('hang-watch.ts', 'PROBE_TIMEOUT')]],
  ['| message of a client | # (`mcp.max_body_bytes`)', [mcp.maxBodyBytes]],
  ['| nesting of a message | # levels |', [constantOf('base/json-depth.ts', 'MAX_JSON_DEPTH')]],
  ['| message of a server | # |', [constantOf('mcp-io/stdio-transport.ts', 'MAX_LINE_BYTES')]],
  ['| requests of one session at once | # |', [down('session.ts', 'MAX_CALLS')]],
  ['| requests without a session at once, on a node | # |', [down('create-downstream.ts', 'MAX_STATELESS')]],
  ['| requests on one server at once | # (`mcp.servers.<name>.max_concurrent`), of another node # |', [up('spec.ts', 'MAX_CONCURRENT'), constantOf('node/calls/peer-share.ts', 'MAX_CALLS')]],
  ['| requests that wait for one server | # (`mcp.servers.<name>.max_waiting`)', [up('spec.ts', 'MAX_WAITING')]],
  ['else # (`mcp.request_timeout`)', [mcp.requestTimeout]],
  ['| a call with progress | # |', [up('calls.ts', 'LONGEST_CALL')]],
  ['| own processes of one server | # |', [up('children.ts', 'MAX_CHILDREN')]],
  ['| calls of one server that wait for clients | # |', [up('parking.ts', 'MAX_PARKED')]],
  ['| tools offered of one server to other nodes | # |', [MAX_TOOLS]],
  ['| listeners of one server | #, # URIs |', [up('listeners.ts', 'MAX_LISTENERS'), up('listeners.ts', 'MAX_URIS')]],
  ['| listens of one node at another | # |', [constantOf('node/calls/peer-share.ts', 'MAX_LISTENS')]],
  ['| `search_tools` | # tools in an answer, # characters in a query |', [constantOf('mcp/search/definitions.ts', 'MAX_LIMIT'), constantOf('mcp/search/definitions.ts', 'MAX_QUERY')]]
]

describe('limits and times on docs/mcp.md are those of the code', () => {
  test.each(STATED)('%s', (sentence, values) => expectStated(page, sentence, values))

  test('revisions and error numbers', () => {
    expect(page).toContain(`| ${VERSIONS_2025.join(', ')} | ${VERSION_2026} |`)
    for (const code of [HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION]) expect(page).toContain(String(code))
  })
})
