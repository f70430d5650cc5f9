import type { ProcessGuard } from './process-guard.ts'

/** The process groups of our children: each child leads one, so that whatever it starts goes with it. */
export interface ProcessGroups {
  add(pid: number): void
  /** True if the group was there to be signalled. */
  signal(pid: number, signal: NodeJS.Signals): boolean
  /** The child is gone: kills what it left behind and forgets the group. */
  reap(pid: number): void
  /** The last resort, for `process.on('exit')`: synchronous. */
  killAll(): void
}

export function createProcessGroups(guard: ProcessGuard): ProcessGroups {
  const groups = new Set<number>()
  function signal(pid: number, name: NodeJS.Signals): boolean {
    try {
      return process.kill(-pid, name)
    } catch {
      // ESRCH: nobody is left in the group, which is what we want.
      return false
    }
  }
  return {
    add(pid) {
      groups.add(pid)
      guard.watch(pid)
    },
    signal,
    reap(pid) {
      // Only once: later the number may belong to somebody else.
      if (!groups.delete(pid)) return
      signal(pid, 'SIGKILL')
      guard.release(pid)
    },
    killAll() {
      for (const pid of groups) signal(pid, 'SIGKILL')
      groups.clear()
    }
  }
}
