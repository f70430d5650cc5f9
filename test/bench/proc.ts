import { readFileSync } from 'node:fs'

const MIB = 1_048_576
/** USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** Resident set of a process, MiB. */
export function rssOf(pid: number): number {
  return (Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / MIB
}

/** CPU seconds a process used so far (proc(5): utime and stime, fields 14 and 15, in clock ticks). */
export function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command's name may hold spaces: fields are counted from its closing bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Figures of other processes come from /proc. */
export function needLinux(): void {
  if (process.platform !== 'linux') throw new Error('memory and CPU are read from /proc: run it on Linux')
}
