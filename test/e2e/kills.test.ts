import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { eventsIn, httpFixture, killServer, stdioServers, type HttpFixture } from '../support/kill-world.ts'
import { startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'
import { allKinds, comesBack, each, type Witness } from '../support/witnesses.ts'

const scratch = tempDataDir()
const file = join(scratch, 'events')
const events = eventsIn(file)
const SERVERS = ['legacy', 'modern', 'legacy-http', 'modern-http'] as const
type ServerName = (typeof SERVERS)[number]

let node: SkeinProcess
let http: Record<'legacy-http' | 'modern-http', HttpFixture>
let plain: Witness[]
let askable: Witness[]

async function kill(server: ServerName): Promise<void> {
  if (server === 'legacy' || server === 'modern') return killServer(node, server)
  await http[server].kill()
}
async function restart(server: ServerName): Promise<void> {
  if (server === 'legacy-http' || server === 'modern-http') await http[server].start()
}
const show = (what: string, value: unknown) => console.log(what, JSON.stringify(value, null, 1))

beforeAll(async () => {
  http = { 'legacy-http': httpFixture('2025', await freePort(), file), 'modern-http': httpFixture('2026', await freePort(), file) }
  await Promise.all(Object.values(http).map((one) => one.start()))
  node = await startSkein({
    config: {
      mcp: {
        graph: { enabled: false },
        servers: {
          legacy: stdioServers.legacy(file), modern: stdioServers.modern(file),
          'legacy-http': { url: http['legacy-http'].url }, 'modern-http': { url: http['modern-http'].url }
        }
      }
    }
  })
  plain = await allKinds({ node })
  askable = await allKinds({ node, askable: true })
}, 120_000)
afterAll(async () => {
  await Promise.all([...(plain ?? []), ...(askable ?? [])].map((one) => one.close()))
  await Promise.all([node?.dispose(), ...Object.values(http).map((one) => one.kill())])
  rmSync(scratch, { recursive: true, force: true })
})

describe.each(SERVERS)('kill -9 of the server %s', (server) => {
  test('idle', async () => {
    show('before', await each(plain, (one) => one.call(`${server}__pid`)))
    await kill(server)
    if (server.endsWith('http')) show('down', await each(plain, (one) => one.call(`${server}__pid`)))
    await restart(server)
    show('idle', await each(plain, (one) => comesBack(one, `${server}__pid`, { id: 'idle' })))
    show('heard', await each(plain, (one) => one.heard.splice(0)))
  })
  test('running', async () => {
    const calls = each(plain, (one) => one.call(`${server}__wait`, { id: `run-${server}-${one.kind}` }))
    for (const one of plain) await events.until(`waiting run-${server}-${one.kind}`)
    await kill(server)
    show('running', await calls)
    await restart(server)
    show('next', await each(plain, (one) => comesBack(one, `${server}__pid`)))
    show('times run', await each(plain, (one) => events.count(`waiting run-${server}-${one.kind}`)))
  })
  test('parked', async () => {
    const calls = each(askable, (one) => one.call(`${server}__elicit`, { id: `ask-${server}-${one.kind}` }))
    await waitUntil('all are asked', () => askable.every((one) => one.open.length === 1))
    await kill(server)
    await restart(server)
    await new Promise((resolve) => setTimeout(resolve, 500))
    for (const one of askable) one.open.splice(0).forEach((answer) => answer())
    show('parked', await calls)
    show('next', await each(askable, (one) => comesBack(one, `${server}__pid`)))
    show('asked', await each(askable, (one) => [events.count(`asking ask-${server}-${one.kind}`), events.count(`answered ask-${server}-${one.kind}`)]))
    show('heard', await each(askable, (one) => one.heard.splice(0)))
  })
})
expect(1).toBe(1)
