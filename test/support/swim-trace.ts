import type { SwimEffect, SwimEvent } from '../../src/membership/types.ts'
import type { Process } from './swim-world-types.ts'

/** One line of a trace: what a machine heard (`<`) or asked for (`  >`), and when. */
export function traced(ms: number, process: Process, mark: '<' | '  >', thing: SwimEvent | SwimEffect): string {
  return `${ms.toFixed(1).padStart(10)} ${process.peer}#${process.id} ${mark} ${brief(thing)}`
}

function brief(thing: SwimEvent | SwimEffect): string {
  return JSON.stringify(thing, (key, value: unknown) => {
    if (key === 'credential' || key === 'bytes' || key === 'authority') return undefined
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex').slice(0, 8) : value
  })
}
