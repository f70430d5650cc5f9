import { expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createCatalogDriver } from '../../../../src/federation/catalog/driver.ts'
import { openRecord } from '../../../../src/wire/catalog-record.ts'
import { decodePush, encodeDigestAnswer } from '../../../../src/wire/catalog.ts'
import { encodeCbor } from '../../../../src/wire/cbor.ts'
import { DESCRIPTOR, localServer, signer } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const me = signer(0)
const [told, silent, noMember] = [signer(1).peer, signer(2).peer, signer(3).peer]

function setup() {
  const meter = createMeter()
  const pushed: { peer: string; body: Uint8Array; timeout: number }[] = []
  const network = {
    publish() {},
    async request(peer: string, kind: string, body: Uint8Array, { timeout }: { timeout: number }) {
      if (kind !== 'push') return encodeDigestAnswer({ records: [], wanted: [], more: false })
      pushed.push({ peer, body, timeout })
      if (peer === silent) throw new Error('no answer in time')
      return encodeCbor({})
    }
  }
  const driver = createCatalogDriver(
    { clock: createManualClock(), random: seededRandom(1), meter, logger: silentLogger, network },
    { federation: 'fed', self: me.peer, signer: me }
  )
  driver.openPool('root')
  const pushes = () => Object.fromEntries(meter.snapshot().find(({ name }) => name === 'skein_catalog_push_total')?.samples.map(({ labels, value }) => [labels[0], value]) ?? [])
  return { driver, pushed, pushes }
}

test('the record as it is now goes to every member with a session, and whoever answered is counted', async () => {
  const { driver, pushed, pushes } = setup()
  for (const peer of [told, silent]) driver.memberUp('root', peer)
  for (const peer of [told, silent, noMember]) driver.sessionUp(peer)
  driver.setLocal([localServer('files', ['read'])], { ...DESCRIPTOR, draining: false })
  driver.setLocal([localServer('files', ['read'])], { ...DESCRIPTOR, draining: true })
  pushed.length = 0
  expect(await driver.announce(500)).toEqual({ told: 1, missed: 1 })
  expect(pushed.map(({ peer }) => peer).sort()).toEqual([told, silent].sort())
  for (const { body, timeout } of pushed) {
    expect(timeout).toBe(500)
    const { records } = decodePush(body)
    expect(records.map((bytes) => openRecord(bytes))).toMatchObject([{ peer: me.peer, draining: true, servers: [{ name: 'files' }] }])
  }
  expect(pushes()).toMatchObject({ ok: 1, failed: 1 })
})

test('without a record, or without anybody to tell, it is done at once', async () => {
  const { driver, pushed } = setup()
  driver.memberUp('root', told)
  driver.sessionUp(told)
  expect(await driver.announce(500)).toEqual({ told: 0, missed: 0 })
  driver.sessionDown(told)
  driver.setLocal([], { ...DESCRIPTOR })
  expect(await driver.announce(500)).toEqual({ told: 0, missed: 0 })
  expect(pushed).toEqual([])
})
