import { expect, test } from 'vitest'
import type { ImportInput } from '../../../src/cli/context.ts'
import type { ImportReport } from '../../../src/wire/import-report.ts'
import { runCommand } from '../../support/run-command.ts'

const server = { name: 'files', written: 'files', source: '/h/.claude.json', action: 'added' as const, notes: [] as string[] }

async function run(argv: string[], report: Partial<ImportReport>) {
  const inputs: ImportInput[] = []
  const tools = {
    load: async (): Promise<never> => {
      throw new Error('not part of this test')
    },
    jsonSchema: () => ({}),
    importServers: async (input: ImportInput) => {
      inputs.push(input)
      return { config: '/n.yaml', created: false, written: true, servers: [], notes: [], ...report }
    }
  }
  return { ...(await runCommand(['import', ...argv], { actions: { configTools: async () => tools }, io: { cwd: '/w', env: { A: 'b' } } })), inputs }
}

test('hands over every option, prints a table, the notes and what to do next', async () => {
  const skipped = { ...server, name: 'my-web', written: 'my web', action: 'skipped' as const, notes: ['uses the old SSE transport\u001b[2J'] }
  const { code, stdout, inputs } = await run(['c.json', '--config', 'n.yaml', '--from', 'cursor', '--name-prefix', 'p-', '--disabled', '--replace'], { servers: [server, skipped], notes: ['/x is not valid JSON'] })
  expect(inputs).toEqual([{ env: { A: 'b' }, cwd: '/w', file: 'c.json', config: 'n.yaml', from: 'cursor', prefix: 'p-', disabled: true, replace: true, dryRun: undefined }])
  expect(code).toBe(0)
  expect(stdout).toBe(
    [
      'SERVER  RESULT        FROM',
      'files   added         /h/.claude.json',
      'my-web  not imported  /h/.claude.json',
      '',
      '! my web: uses the old SSE transport [2J',
      '! /x is not valid JSON',
      '',
      'Changed /n.yaml. Next: `skein reload` if a node runs with it, else `skein start --config /n.yaml`.',
      '',
      'Then take these servers out of the clients, and connect the clients to skein.',
      ''
    ].join('\n')
  )
})

test('--dry-run says what would be; a new file says how to start', async () => {
  expect((await run(['--dry-run'], { written: false, servers: [server] })).stdout).toMatch(/files {3}would be added[^]*Nothing was written\.\n$/)
  expect((await run([], { created: true, servers: [server] })).stdout).toContain('Made /n.yaml. Next: `skein start --config /n.yaml`.')
})

test('--json prints the report', async () => {
  expect(JSON.parse((await run(['--json'], { servers: [server] })).stdout)).toMatchObject({ config: '/n.yaml', servers: [{ name: 'files', action: 'added' }] })
})

test('nothing that could be taken over is a failure, nothing to do is none', async () => {
  expect((await run([], { written: false, servers: [{ ...server, action: 'skipped' }] })).code).toBe(1)
  expect((await run([], { written: false, servers: [{ ...server, action: 'unchanged' }] })).code).toBe(0)
  const none = await run([], { written: false })
  expect([none.code, none.stdout]).toEqual([0, 'There are no servers in these files.\n\nNothing was written.\n'])
})
