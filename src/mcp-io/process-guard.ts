import { spawn } from 'node:child_process'
import type { Writable } from 'node:stream'
import type { Logger } from '../base/logger.ts'

/** Kills what a node leaves behind that was itself killed with -9 and could not. */
export interface ProcessGuard {
  /** From now on this process group ends with us. */
  watch(group: number): void
  /** It has ended by itself. */
  release(group: number): void
}

/**
 * Reads `+ <group>` and `- <group>` until our end of the pipe closes, which it does however we end, and kills the groups that are
 * left. The second before lets servers that end with their stdin finish what they write. Signals are ignored because service managers
 * and terminals send them to everybody at once, while we still end our children politely.
 */
const SCRIPT = `
trap '' HUP INT TERM
live=' '
while read -r sign group; do
  case "$sign $live" in
    '+ '*) live="$live$group " ;;
    *" $group "*) live="\${live%% $group *} \${live#* $group }" ;;
  esac
done
[ "$live" = ' ' ] && exit
sleep 1
for group in $live; do kill -KILL "-$group" 2>/dev/null; done
`

/**
 * The guard is one small shell, started with the first group: nothing in Node can act after SIGKILL, and the parent-death signal of
 * Linux is out of reach without native code. Without /bin/sh everything else works as before.
 */
export function createProcessGuard({ logger }: { logger: Logger }): ProcessGuard {
  const groups = new Set<number>()
  let input: Writable | undefined

  function start(): Writable {
    const shell = spawn('/bin/sh', ['-c', SCRIPT], { cwd: '/', env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' }, detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    const mine = shell.stdin
    const lost = (why: string) => {
      if (input !== mine) return
      input = undefined
      logger.warn('servers that ignore the end of their input will outlive this node if it is killed with -9', { reason: why })
    }
    mine.on('error', (error) => lost(error.message))
    shell.on('error', (error) => lost(error.message))
    shell.on('exit', () => lost('the guard has ended'))
    // It must not keep us running.
    shell.unref()
    ;(mine as Writable & { unref?(): void }).unref?.()
    return mine
  }

  return {
    watch(group) {
      groups.add(group)
      if (input !== undefined) return void input.write(`+ ${group}\n`)
      // The first, or the first after the guard was lost: it hears of all.
      input = start()
      for (const each of groups) input.write(`+ ${each}\n`)
    },
    release(group) {
      if (groups.delete(group)) input?.write(`- ${group}\n`)
    }
  }
}
