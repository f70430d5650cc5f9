import { sleep, type Clock } from '../base/clock.ts'

/** Sleeps as `sleep` does, but keeps the process alive meanwhile: the clock's own timers do not. */
export async function pause(clock: Clock, ms: number): Promise<void> {
  const keepAlive = setInterval(() => {}, ms)
  await sleep(clock, ms).finally(() => clearInterval(keepAlive))
}
