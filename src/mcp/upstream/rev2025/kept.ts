import type { CallSink } from '../../ports.ts'
import type { JsonRpcId, JsonRpcNotification } from '../../../wire/json-rpc.ts'

/** What a server says while its client reads a question: a few lines; more is worth less than the newest of it. */
const MAX_MESSAGES = 256
const MAX_CHARS = 1024 * 1024

/** The notifications of a parked call, oldest dropped when there are too many. */
export interface KeptNotifications {
  readonly sink: CallSink
  /** Passes them on in order; progress under the new token, or not at all without one. */
  deliver(sink: CallSink, token: JsonRpcId | undefined): void
}

export function keepNotifications(): KeptNotifications {
  const kept: { message: JsonRpcNotification; chars: number }[] = []
  let total = 0
  return {
    sink: {
      notification(message) {
        const chars = JSON.stringify(message).length
        kept.push({ message, chars })
        total += chars
        while (kept.length > MAX_MESSAGES || total > MAX_CHARS) total -= kept.shift()?.chars ?? 0
      }
    },
    deliver(sink, token) {
      for (const { message } of kept.splice(0)) {
        if (message.method !== 'notifications/progress') sink.notification(message)
        else if (token !== undefined) sink.notification({ ...message, params: { ...message.params, progressToken: token } })
      }
      total = 0
    }
  }
}
