import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { KAD_PROTOCOL, REACH_PROTOCOL } from '../../src/wire/protocols.ts'
import { constantOf, expectStated } from '../support/stated.ts'

const page = readFileSync(new URL('../../protocols/discovery.md', import.meta.url), 'utf8')
const relay = (file: string, name: string) => constantOf(`net/relay/${file}`, name)
const dht = (file: string, name: string) => constantOf(`net/dht/${file}`, name)
const mdns = (name: string) => constantOf('net/discovery/mdns.ts', name)
const wire = (name: string) => constantOf('wire/reach.ts', name)

/** Sentences of the page (`#` stands for an amount) and what the code has there. */
const STATED: [string, number[]][] = [
  ['then CBOR), at most #.', [wire('MAX_REACH_MESSAGE')]],
  ['at most # multiaddrs of at most # characters', [wire('MAX_REACH_ADDRESSES'), wire('MAX_REACH_ADDRESS')]],
  ['(all at once, #), and then one whole connection (# each', [relay('reach-protocol.ts', 'KNOCK_MS'), relay('reach-protocol.ts', 'DIAL_MS')]],
  ['or the asker was answered less than # ago', [relay('reach-protocol.ts', 'ANSWER_EVERY_MS')]],
  ['An answer takes at most #.', [relay('reach-protocol.ts', 'ASK_MS')]],
  ['A node asks # after its first connection with a member, then every #, and every # while it is hidden.', [relay('reachability.ts', 'FIRST_CHECK_MS'), relay('reachability.ts', 'CHECK_MS'), relay('reachability.ts', 'HIDDEN_CHECK_MS')]],
  ['| places that one relay gives | #, each for # and', [relay('parts.ts', 'MAX_RESERVATIONS'), relay('parts.ts', 'RESERVATION_MS')]],
  ['| relayed connections through one relay | #;', [relay('parts.ts', 'MAX_CARRIED')]],
  ['| of them, dialled by one member | # |', [relay('parts.ts', 'MAX_CARRIED_PER_MEMBER')]],
  ['| bytes held for a member that reads slowly | # and', [relay('join.ts', 'HIGH')]],
  ['three attempts of #.', [relay('punch.ts', 'TIMEOUT_MS')]],
  ['again and again for #.', [relay('punch-dials.ts', 'PUNCH_MS')]],
  ['dialled are at most # public IP', [relay('punch-dials.ts', 'MAX_ADDRESSES')]],
  ['gets at most # hole punches within #, all members # at a', [relay('punch-dials.ts', 'MAX_PER_MEMBER'), relay('punch-dials.ts', 'WINDOW_MS'), relay('punch-dials.ts', 'MAX_AT_ONCE')]],
  ['(looked for every second, after # in any case)', [relay('paths.ts', 'RETIRE_MS')]],
  ['this protocol id, k = #, alpha = #,', [dht('kad.ts', 'COPIES'), dht('kad.ts', 'AT_ONCE')]],
  ['publishes at most # keys', [dht('dht.ts', 'MAX_PUBLISHED')]],
  ['Others keep them for #, in memory, at most # of one member and # in all', [dht('kad.ts', 'VALID_MS'), constantOf('store/dht-datastore.ts', 'MAX_KEPT_PER_MEMBER'), constantOf('store/dht-datastore.ts', 'MAX_KEPT')]],
  ['asks the local network every # for', [mdns('ASK_EVERY_MS')]],
  ['most # peers are remembered, for #.', [mdns('MAX_PEERS'), mdns('FORGET_MS')]]
]

describe('limits and times on protocols/discovery.md are those of the code', () => {
  test.each(STATED)('%s', (sentence, values) => expectStated(page, sentence, values))

  test('protocol ids', () => {
    for (const id of [REACH_PROTOCOL, KAD_PROTOCOL]) expect(page).toContain(`## \`${id}\``)
    expect(dht('dht.ts', 'REFRESH_MS')).toBe(12 * 3_600_000)
  })
})
