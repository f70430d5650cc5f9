import type { Timer } from '../base/clock.ts'
import type { CliContext } from './context.ts'
import { shorten } from './output.ts'

/** Nothing is shown for what is quicker than this, ms. */
const PATIENCE = 1_000
/** Turns of the spinner, ms: quick enough to look alive. */
const FRAME = 100
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const
/** Lines on something that is not a terminal come at most this often, ms: a log must not drown. */
const LINE_INTERVAL = 1_000
const DEFAULT_COLUMNS = 80

export interface Progress {
  /** What is being done now. */
  update(text: string): void
  /** Clears the line; call in a finally. */
  done(): void
}

/** Progress on standard error: a spinner on a terminal, lines elsewhere; silent for the first second. */
export function startProgress(context: Pick<CliContext, 'io' | 'clock'>, text: string): Progress {
  const { clock } = context
  const { stderr } = context.io
  const columns = stderr.columns ?? DEFAULT_COLUMNS
  let current = text
  let shown: string | undefined
  let lastLine = Number.NEGATIVE_INFINITY
  let frame = 0
  let timer: Timer = clock.after(PATIENCE, draw)

  function draw(): void {
    if (stderr.isTTY === true) {
      stderr.write(`\r\u001b[K${FRAMES[frame++ % FRAMES.length]} ${shorten(current, columns - 3)}`)
      shown = current
      timer = clock.after(FRAME, draw)
      return
    }
    if (current !== shown && clock.now() - lastLine >= LINE_INTERVAL) {
      stderr.write(`skein: ${shorten(current, 200)} …\n`)
      shown = current
      lastLine = clock.now()
    }
    timer = clock.after(LINE_INTERVAL, draw)
  }

  return {
    update(next) {
      current = next
    },
    done() {
      timer.cancel()
      if (stderr.isTTY === true && shown !== undefined) stderr.write('\r\u001b[K')
    }
  }
}

/** Shows progress while `work` runs. */
export async function withProgress<T>(context: Pick<CliContext, 'io' | 'clock'>, text: string, work: (progress: Progress) => Promise<T>): Promise<T> {
  const progress = startProgress(context, text)
  try {
    return await work(progress)
  } finally {
    progress.done()
  }
}
