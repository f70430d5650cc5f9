import { readdirSync, readFileSync } from 'node:fs'

export interface FoundProcess {
  pid: number
  parent: number
  command: string
}

/** All processes of this machine, from /proc; a zombie is gone for everybody but its parent. */
export function processes(): FoundProcess[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid)) return []
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (state === 'Z') return []
      return [{ pid, parent: Number(parent), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }]
    } catch {
      // It ended while we looked.
      return []
    }
  })
}

/** Everything that `root` started, and what that started. */
export function descendants(root: number): FoundProcess[] {
  const all = processes()
  const found: FoundProcess[] = []
  const parents = [root]
  for (let parent = parents.pop(); parent !== undefined; parent = parents.pop()) {
    for (const each of all) {
      if (each.parent !== parent) continue
      found.push(each)
      parents.push(each.pid)
    }
  }
  return found
}

/** Those of `of` that still run, one line each. */
export function alive(of: readonly FoundProcess[]): string[] {
  const now = new Map(processes().map((each) => [each.pid, each.command]))
  return of.filter(({ pid, command }) => now.get(pid) === command).map(({ pid, command }) => `${pid} ${command}`)
}
