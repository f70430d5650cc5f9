import { readFile } from 'node:fs/promises'
import { parseAddress } from '../addresses.ts'
import type { Candidate, DiscoverySource } from './ports.ts'

const MAX_FILE_BYTES = 1024 * 1024

function candidate(text: string): Candidate {
  const { address, peer } = parseAddress(text)
  return { address: address.toString(), peer }
}

/** A fixed list of multiaddrs: `network.bootstrap`, a token's addresses, the environment, peers remembered on disk. */
export function listSource(name: DiscoverySource['name'], list: () => readonly string[]): DiscoverySource {
  return { name, find: async () => list().map(candidate) }
}

/** One multiaddr a line; blank lines and lines beginning with # are skipped. Read anew each time, so it may be edited. */
export function fileSource(path: string): DiscoverySource {
  return {
    name: 'file_based',
    async find({ signal }) {
      const text = await readFile(path, { encoding: 'utf8', signal })
      if (text.length > MAX_FILE_BYTES) throw new Error(`${path} is over ${MAX_FILE_BYTES} bytes`)
      const found: Candidate[] = []
      for (const [index, raw] of text.split('\n').entries()) {
        const line = raw.trim()
        if (line === '' || line.startsWith('#')) continue
        try {
          found.push(candidate(line))
        } catch (cause) {
          throw new Error(`${path}:${index + 1}: "${line}" is not a multiaddr`, { cause })
        }
      }
      return found
    }
  }
}
