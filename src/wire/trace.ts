/** W3C trace context (Trace Context level 1, section 3.2) in the fixed 25 bytes that RPC headers carry. */
export interface TraceContext {
  /** 16 bytes, not all zero. */
  traceId: Uint8Array
  /** 8 bytes, not all zero. */
  spanId: Uint8Array
  /** Bit 0: sampled. */
  flags: number
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** Reads a `traceparent` header; undefined if it is malformed or all zero, as the specification asks. */
export function parseTraceparent(text: string): TraceContext | undefined {
  const match = TRACEPARENT.exec(text)
  if (match === null || /^0+$/.test(match[1] as string) || /^0+$/.test(match[2] as string)) return undefined
  return {
    traceId: new Uint8Array(Buffer.from(match[1] as string, 'hex')),
    spanId: new Uint8Array(Buffer.from(match[2] as string, 'hex')),
    flags: Number.parseInt(match[3] as string, 16)
  }
}
