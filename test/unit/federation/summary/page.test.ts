import { readFileSync } from 'node:fs'
import { describe, test } from 'vitest'
import { MAX_TOKEN_JUMP } from '../../../../src/federation/hub-claims.ts'
import { CHILD_INTEREST_FOR } from '../../../../src/federation/summary/interest.ts'
import { ANSWER_WITHIN, WARM_UP } from '../../../../src/federation/summary/driver.ts'
import { LATER_AFTER } from '../../../../src/federation/summary/later.ts'
import { QUIET_EVERY, SYNC_EVERY } from '../../../../src/federation/summary/reader.ts'
import { GRACE, REMEMBER, SHARE_FRESH } from '../../../../src/federation/summary/resolve.ts'
import { KEEP_LOST, MAX_TABLE } from '../../../../src/federation/summary/sources.ts'
import { SHARE_ROWS } from '../../../../src/federation/summary/share.ts'
import { FIRST_AFTER, TELL_EVERY } from '../../../../src/federation/summary/teller.ts'
import { MAX_FOUND, MAX_INTEREST, MAX_QUERY, MAX_RELAYS, MAX_RESOLVED, MAX_SUMMARY_BODY, MAX_VISITED } from '../../../../src/wire/summary.ts'
import { BUCKETS, MAX_SERVER_BYTES, MAX_TABLE_HOPS } from '../../../../src/wire/summary-row.ts'
import { constantOf, expectStated } from '../../../support/stated.ts'

const page = readFileSync(new URL('../../../../protocols/summary.md', import.meta.url), 'utf8')
const own = (file: string, name: string) => constantOf(`federation/summary/${file}.ts`, name)

/** A place on the page (`#` stands for an amount) and the constants that must be there. */
const STATED: [string, number[]][] = [
  ['Bodies have at most # either way', [MAX_SUMMARY_BODY]],
  ['(1 to #; a row', [MAX_TABLE_HOPS]],
  ['extras?]`, at most #:', [MAX_SERVER_BYTES]],
  ['There are # buckets', [BUCKETS]],
  ['ask again after #, then 2 s, 4 s. Nobody answers so for more than #.', [own('reader', 'LATER'), WARM_UP]],
  ['with `down`, at most # keys', [MAX_INTEREST]],
  ['and counts for #.', [CHILD_INTEREST_FOR]],
  ['and every # (± 25 %), or only every # after both agreed', [SYNC_EVERY, QUIET_EVERY]],
  ['after a failure after #, 2 s, 4 s, #.', [own('reader', 'RETRY_BASE'), own('reader', 'RETRY_CAP')]],
  ['Requests have #.', [own('reader', 'SYNC_TIMEOUT')]],
  ['waits # for others, later ones are told every # at most', [FIRST_AFTER, TELL_EVERY]],
  ['has not done so after # is told', [own('teller', 'UNHEARD_AFTER')]],
  ['may wait up to # for others', [LATER_AFTER]],
  ['(again after #, 2 s, #, as', [own('teller', 'REMIND_AFTER'), own('teller', 'REMIND_CAP')]],
  ['its rows stay for #.', [KEEP_LOST]],
  ['could not be compared # after', [KEEP_LOST]],
  ['tool?, limit: 1 to #,', [MAX_RESOLVED]],
  ['from the asked node on, at most #;', [MAX_RELAYS]],
  ['in `visited` (at most #)', [MAX_VISITED]],
  ['or has waited # after', [GRACE]],
  ['from memory for #,', [REMEMBER]],
  ['A question has #, whatever', [ANSWER_WITHIN]],
  ['several nodes within # are asked on once', [SHARE_FRESH]],
  ['takes at most # rows and # of a table', [MAX_TABLE, own('sources', 'MAX_TABLE_BYTES')]],
  ['a hub tells # rows and # upward', [SHARE_ROWS, own('share', 'SHARE_BYTES')]],
  ['one that is over # beyond', [MAX_TOKEN_JUMP]],
  ['{query, limit: 1 to #,', [MAX_FOUND]],
  ['at most # words of # characters', [own('search', 'MAX_WORDS'), MAX_QUERY]]
]

describe('limits and times on the page are those of the code', () => {
  test.each(STATED)('%s', (text, values) => expectStated(page, text, values))
})
