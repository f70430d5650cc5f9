import { fileURLToPath } from 'node:url'
import { relative } from 'node:path'
import { table } from '../table.ts'
import { ROOT } from './stands.ts'

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  samples: number[]
  timeDeltas: number[]
}

const IDLE = new Set(['(idle)', '(root)'])

/** The ten functions with most time of their own in a .cpuprofile of V8, idle time left out. */
export function topTen(file: string): string {
  const { times, total } = selfTimes(JSON.parse(file) as Profile)
  const rows = [...times].toSorted(([, a], [, b]) => b - a).slice(0, 10)
  return table(
    ['function', 'self %', 'where'],
    rows.map(([key, time]) => {
      const [name = '', where = ''] = key.split('\n')
      return [name, ((time / total) * 100).toFixed(1), where]
    })
  )
}

function selfTimes({ nodes, samples, timeDeltas }: Profile): { times: Map<string, number>; total: number } {
  const keys = new Map(nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [id, `${functionName || '(anonymous)'}\n${place(url, lineNumber)}`]))
  const times = new Map<string, number>()
  let total = 0
  for (const [index, id] of samples.entries()) {
    const key = keys.get(id) ?? '(unknown)\n'
    if (IDLE.has(key.split('\n')[0] as string)) continue
    const time = timeDeltas[index] ?? 0
    total += time
    times.set(key, (times.get(key) ?? 0) + time)
  }
  return { times, total }
}

function place(url: string, line: number): string {
  if (url === '') return ''
  return `${url.startsWith('file:') ? relative(ROOT, fileURLToPath(url)) : url}:${line + 1}`
}
