import { join } from 'node:path'
import type { ProfileName } from '../../src/membership/profiles.ts'
import type { Contender, MemberProcess, Place, Sighting, Started } from './member-cluster.ts'
import type { SlimCommand, SlimLine, SlimStats } from './slim-member.ts'
import type { SlimWorld } from './slim-world.ts'

const MEMBER = join(import.meta.dirname, 'slim-launch.mjs')
const ANSWER_MS = 15_000

export interface SlimContender extends Contender {
  stats(member: MemberProcess): Promise<SlimStats>
  /** Counting starts anew. */
  reset(member: Started): void
  /** Its event loop stands still for this long, ms. */
  block(member: Started, ms: number): void
}

/** Slim members of one federation; a member that is started again has the same key. `listen`: a multiaddr. */
export function slimContender(profile: ProfileName, { world, listen }: { world: SlimWorld; listen: (place: Place) => string }): SlimContender {
  const cards = new Map<string, string>()
  /** Where each listens, as it said itself. */
  const addresses = new Map<string, string[]>()
  const waiting = new Map<number, (stats: SlimStats) => void>()
  let last = 0
  const tell = ({ child }: Started, command: SlimCommand) => void child.stdin?.write(`${JSON.stringify(command)}\n`)
  return {
    name: `skein ${profile}`,
    stdin: true,
    command(place) {
      const card = cards.get(place.name) ?? world.card({ name: place.name, listen: listen(place), profile })
      cards.set(place.name, card)
      return [process.execPath, MEMBER, card]
    },
    read(text): 'ready' | Omit<Sighting, 'at' | 'observer'> | undefined {
      if (!text.startsWith('{')) return undefined
      const line = JSON.parse(text) as SlimLine
      if (line.event === 'ready') {
        addresses.set(line.name, line.addresses)
        return 'ready'
      }
      if (line.event !== 'stats') return line
      waiting.get(line.id)?.(line)
      waiting.delete(line.id)
      return undefined
    },
    async join(member, seed) {
      tell(member, { do: 'join', seeds: addresses.get(seed.name) ?? [] })
    },
    leave: (member) => tell(member, { do: 'leave' }),
    stats(member) {
      const { promise, resolve, reject } = Promise.withResolvers<SlimStats>()
      const timer = setTimeout(() => reject(new Error(`${member.place.name} gave no figures within ${ANSWER_MS} ms`)), ANSWER_MS)
      const id = ++last
      waiting.set(id, (stats) => {
        clearTimeout(timer)
        resolve(stats)
      })
      tell(member, { do: 'stats', id })
      return promise
    },
    reset: (member) => tell(member, { do: 'reset' }),
    block: (member, ms) => tell(member, { do: 'block', ms })
  }
}
