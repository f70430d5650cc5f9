import { waitUntil } from './wait-until.ts'

export interface Measured {
  rss: number
  heap: number
  handles: number
  /** The worst, and the 99th percentile. */
  delay: number
  delayP99: number
}

export interface Inspector {
  /** Bytes, counts and ms; the heap after a collection, the event-loop delay since the last time (without that collection's own). */
  measure(): Promise<Measured>
  /** Since the process was attached to, ms. */
  age(): number
  close(): void
}

const PREPARE = `globalThis.soakDelay ??= process.getBuiltinModule('node:perf_hooks').monitorEventLoopDelay({ resolution: 10 }); globalThis.soakDelay.enable()`
const DELAY = '[globalThis.soakDelay.max / 1e6, globalThis.soakDelay.percentile(99) / 1e6]'
const MEASURE = `(() => {
  globalThis.soakDelay.reset()
  const { rss, heapUsed } = process.memoryUsage()
  return { rss, heap: heapUsed, handles: process.getActiveResourcesInfo().length }
})()`

/** Attaches to a process that was started with --inspect=127.0.0.1:0; `output` is what it printed. */
export async function createInspector(output: () => string): Promise<Inspector> {
  const announced = () => /Debugger listening on (ws:\S+)/.exec(output())?.[1]
  await waitUntil('the debugger listens', () => announced() !== undefined)
  const socket = new WebSocket(announced() as string)
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  let lastId = 0
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true })
    socket.addEventListener('error', reject, { once: true })
  })
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id: number; result: unknown }
    waiting.get(id)?.resolve(result)
    waiting.delete(id)
  })
  socket.addEventListener('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('the inspected process has ended'))
    waiting.clear()
  })
  function send(method: string, params: object = {}): Promise<unknown> {
    const id = ++lastId
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject })
      socket.send(JSON.stringify({ id, method, params }))
    })
  }
  const evaluate = async (expression: string) => (await send('Runtime.evaluate', { expression, returnByValue: true })) as { result: { value: unknown } }
  await evaluate(PREPARE)
  const since = performance.now()
  return {
    async measure() {
      const [delay = 0, delayP99 = 0] = (await evaluate(DELAY)).result.value as number[]
      await send('HeapProfiler.collectGarbage')
      return { ...((await evaluate(MEASURE)).result.value as Omit<Measured, 'delay' | 'delayP99'>), delay, delayP99 }
    },
    age: () => performance.now() - since,
    close: () => socket.close()
  }
}
