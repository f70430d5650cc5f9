import { readFileSync } from 'node:fs'

/** Of the package this file is in, from source and built alike. */
export const VERSION: string = (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version
