import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { MemberChange, MemberInfo } from '../../src/node/api.ts'
import { ROOT, type SkeinProcess } from './skein-process.ts'
import { waitUntil } from './wait-until.ts'

/** What one node says of the members, as `skein members --watch --json` prints it. */
export interface MemberWatch {
  readonly changes: readonly MemberChange[]
  /** The states now, by peer. */
  state(peer: string): MemberInfo['state'] | undefined
  /** The first change of this kind about the peer at or after `from` (unix ms). */
  find(peer: string, type: MemberChange['type'], from: number): MemberChange | undefined
  /** The same, waited for. */
  next(peer: string, type: MemberChange['type'], from: number, timeout?: number): Promise<MemberChange>
  stop(): Promise<void>
}

export async function watchMembers(node: SkeinProcess): Promise<MemberWatch> {
  const { name } = node.status()
  const args = [join(ROOT, 'bin/skein.js'), 'members', '--watch', '--json', '--data-dir', node.dataDir]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const changes: MemberChange[] = []
  const states = new Map<string, MemberInfo['state']>()
  let rest = ''
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() as string
    for (const line of lines) {
      const { members = [], change } = JSON.parse(line) as { members?: MemberInfo[]; change?: MemberChange }
      for (const { peer, state } of members) states.set(peer, state)
      if (change === undefined) continue
      changes.push(change)
      states.set(change.member.peer, change.member.state)
    }
  })
  await waitUntil(`the members of ${name} are watched`, () => {
    if (child.exitCode !== null) throw new Error(`skein members --watch ended with ${child.exitCode}: ${errors}`)
    return states.size > 0
  }, { timeout: 20_000 })

  const find: MemberWatch['find'] = (peer, type, from) => changes.find((change) => change.time >= from && change.type === type && change.member.peer === peer)
  return {
    changes,
    state: (peer) => states.get(peer),
    find,
    async next(peer, type, from, timeout = 15_000) {
      await waitUntil(`${name} says "${type}" of ${peer}`, () => find(peer, type, from) !== undefined, { timeout })
      return find(peer, type, from) as MemberChange
    },
    async stop() {
      child.kill('SIGTERM')
      await ended
    }
  }
}
