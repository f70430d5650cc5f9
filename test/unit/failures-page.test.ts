import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const named = [...readFileSync(join(ROOT, 'docs/failures.md'), 'utf8').matchAll(/\| `((?:kills|bad-providers|routing|replicas|relay-blocked)[\w-]*)`: ([^|]+?) \|$/gm)].map(([, file, title]) => [file as string, title as string] as const)

test('docs/failures.md has rows', () => {
  expect(named.length).toBeGreaterThan(15)
})

test.each(named)('docs/failures.md names a test that exists: %s, %s', (file, title) => {
  expect(readFileSync(join(ROOT, 'test/e2e', `${file}.test.ts`), 'utf8')).toContain(title)
})
