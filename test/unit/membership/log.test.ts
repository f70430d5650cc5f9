import { expect, test } from 'vitest'
import { silentLogger, type Logger } from '../../../src/base/logger.ts'
import { createMemberLog, span } from '../../../src/membership/log.ts'
import type { Member, MemberEvent } from '../../../src/membership/types.ts'

test.each([
  [-5, '0.0 s'],
  [3_240, '3.2 s'],
  [12_400, '12 s'],
  [119_000, '119 s'],
  [150_000, '3 min'],
  [7_200_000, '2 h'],
  [3 * 86_400_000, '3 days']
])('%i ms is said as %s', (ms, text) => expect(span(ms)).toBe(text))

const member = (state: Member['state'], since: number): Member => ({
  peer: 'B', state, since, incarnation: 1, boot: 1, name: 'beta', version: '1', addresses: ['/ip4/192.0.2.1/tcp/1'], tier: '', region: ''
})

test('what happened to whom, since when, and who said so; people are not told of suspicions that pass', () => {
  const lines: unknown[][] = []
  const line = (level: string) => (message: string, fields: unknown) => void lines.push([level, message.split(/[:;]/)[0], fields])
  const logger: Logger = { ...silentLogger, debug: line('debug'), info: line('info'), warn: line('warn') }
  const log = createMemberLog(logger, (peer) => (peer === 'A' ? { ...member('alive', 0), name: 'alpha' } : undefined))
  const events: MemberEvent[] = [
    { type: 'joined', member: member('alive', 0) },
    { type: 'suspected', member: member('suspect', 60_000), by: 'A', evidence: 'silence' },
    { type: 'recovered', member: member('alive', 61_000), was: 'suspect' },
    { type: 'suspected', member: member('suspect', 70_000), by: 'C', evidence: 'refused' },
    { type: 'failed', member: member('dead', 75_000), was: 'suspect', by: 'A', evidence: 'silence' },
    { type: 'recovered', member: member('alive', 200_000), was: 'dead' },
    { type: 'left', member: member('left', 7_400_000), was: 'alive' }
  ]
  for (const event of events) log.event(event)
  const who = { node: 'beta', peer: 'B' }
  expect(lines).toEqual([
    ['info', 'a node joined', { ...who, addresses: ['/ip4/192.0.2.1/tcp/1'] }],
    ['debug', 'a node does not answer and is suspected', { ...who, by: 'alpha', evidence: 'silence' }],
    ['debug', 'a suspected node is well', { ...who, was: 'suspect', for: '1.0 s' }],
    ['debug', 'a node does not answer and is suspected', { ...who, by: 'C', evidence: 'refused' }],
    ['warn', 'a node failed', { ...who, was: 'suspect', for: '5.0 s', by: 'alpha', evidence: 'silence' }],
    ['info', 'a node is back', { ...who, was: 'dead', for: '2 min' }],
    ['info', 'a node left', { ...who, was: 'alive', for: '2 h' }]
  ])
})
