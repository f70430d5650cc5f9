/** Writes docs/openapi.json from the routes of the HTTP API; with `--check` only compares and exits 1 on a difference. */
import { readFileSync, writeFileSync } from 'node:fs'
import { openApiDocument } from '../src/http/api/openapi.ts'
import { API_ROUTES } from '../src/http/api/routes.ts'
import { VERSION } from '../src/version.ts'

const PAGE = new URL('../docs/openapi.json', import.meta.url)

export function openApiPage(): string {
  return `${JSON.stringify(openApiDocument(API_ROUTES, VERSION), undefined, 2)}\n`
}

if (import.meta.main) {
  const page = openApiPage()
  let present = ''
  try {
    present = readFileSync(PAGE, 'utf8')
  } catch {
    // A page that is not there differs.
  }
  if (present === page) console.log('docs/openapi.json is up to date')
  else if (process.argv.includes('--check')) {
    console.error('not up to date: docs/openapi.json; run: node scripts/gen-openapi.ts')
    process.exitCode = 1
  } else {
    writeFileSync(PAGE, page)
    console.log('wrote docs/openapi.json')
  }
}
