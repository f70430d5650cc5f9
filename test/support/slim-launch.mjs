// As bin/skein.js does: what Node has compiled is kept for the next start.
import { enableCompileCache } from 'node:module'

enableCompileCache()
await import('./slim-member.ts')
