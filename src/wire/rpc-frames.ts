import { SkeinError } from '../base/errors.ts'
import type { TraceContext } from './trace.ts'

/** The frames of /skein/rpc/1.0.0 (protocols/rpc.md): u32 length of the rest | u8 type | u32 exchange id | payload, big-endian. */
export const FRAME = { HELLO: 1, OPEN: 2, MESSAGE: 3, BODY: 4, END: 5, CANCEL: 6, CREDIT: 7, GOAWAY: 8, PING: 9, PONG: 10 } as const

/** Bit 0 of OPEN, MESSAGE, BODY and END: the body goes on in BODY frames. */
export const FLAG_MORE = 1
/** Bit 1 of MESSAGE: both ends restart the exchange's deadline at its original length. */
export const FLAG_RENEW = 2
export const STATUS_OK = 0
export const STATUS_ERROR = 1

export const RPC_VERSION = 1
/** Length field, type and exchange id. */
export const HEADER_BYTES = 9
/** What the length field counts at least: type and exchange id. */
export const MIN_FRAME = 5
/** OPEN's fixed part: flags, method, deadline, hops, trace (25), attribute count. */
export const OPEN_FIXED = 34
export const TRACE_BYTES = 25
/** HELLO's fixed part: version, boot, nonce, max frame, window, max concurrent, max body, length of the federation id. */
export const HELLO_FIXED = 36
/** A body goes in pieces of this size at most, so that exchanges can take turns. */
export const CHUNK_BYTES = 65_536
/** Every OPEN, MESSAGE, BODY and END costs this much credit beside its body bytes, so that empty messages are not free. */
export const FRAME_COST = 32
/** The largest length field we announce: a chunk and the largest OPEN header, rounded up. */
export const MAX_FRAME = CHUNK_BYTES + 16_384
/** A peer must take frames of at least this length: chunk headers with all attributes have to fit. */
export const MIN_MAX_FRAME = 32_768
/** A peer must give at least this much initial credit, or nothing large could ever be sent. */
export const MIN_WINDOW = 16_384
/** All attributes of an OPEN together, tags and lengths included: paths of five hops are 300 bytes. */
export const MAX_ATTRIBUTE_BYTES = 8_192
/** UTF-8 bytes of an error message or a reason: a sentence, not a log. */
export const MAX_TEXT_BYTES = 4_096
/** JSON bytes of an error's data; larger data is left out. */
export const MAX_ERROR_DATA = 8_192
export const MAX_FEDERATION_BYTES = 255
/** Exchange ids are u32; a session says GOAWAY well before they run out. */
export const MAX_EXCHANGE_ID = 0xffff_fff0
/** Ten hops budget: more than any sensible federation has; the default is DEFAULT_HOPS. */
export const DEFAULT_HOPS = 5
/** The longest deadline an OPEN can say: one day in ms, so that a timer never overflows. */
export const MAX_DEADLINE_MS = 86_400_000

/** Attribute tags of an OPEN that mean the same in every method; unknown tags are ignored. */
export const ATTRIBUTE = {
  /** Peer ids the request has visited, joined by ','. */
  PATH: 1,
  /** On whose behalf. */
  SUBJECT: 2,
  /** Follows a request over all hops, into logs. */
  CORRELATION: 3
} as const

/** u16 reason codes of GOAWAY. */
export const GOAWAY_REASON = {
  /** The node stops: running exchanges finish. */
  LEAVING: 1,
  /** Another session to the same peer took over. */
  REPLACED: 2,
  /** Exchange ids ran out. */
  EXHAUSTED: 3,
  /** A rule was broken: the stream is aborted right after. */
  PROTOCOL: 4
} as const

/** What travels before an exchange's first body. */
export interface CallHeader {
  trace?: TraceContext
  /** How many more nodes may pass it on, 0-255. @default 5 */
  hops?: number
  /** Extra facts by tag (ATTRIBUTE, or of the method's own), at most 8 KiB in all. */
  attributes?: ReadonlyMap<number, Uint8Array>
}

export interface HelloFrame {
  version: number
  /** Unix ms when the process started: a newer one replaces an older one's sessions. */
  boot: bigint
  /** Settles which of two streams of one opener stays: the lower. */
  nonce: bigint
  /** Longest length field the sender of this HELLO reads. */
  maxFrame: number
  /** Credit per exchange and direction before any CREDIT. */
  window: number
  /** Exchanges it serves at once. */
  maxConcurrent: number
  /** Longest assembled body it reads. */
  maxBody: number
  federation: string
}

/** An OPEN without its body. */
export interface OpenHead {
  more: boolean
  method: number
  /** Time left, ms, at least 1. */
  deadline: number
  header: CallHeader
  /** Where the body starts in the frame's bytes. */
  bodyStart: number
}

export interface EndHead {
  more: boolean
  /** Exchanges in service at the answering node. */
  load: number
  /** Undefined: status ok, the body follows. */
  error: SkeinError | undefined
  bodyStart: number
}

/** A broken rule of the protocol; the message names the rule. */
export function protocolError(rule: string): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', `the peer broke the RPC protocol: ${rule}; update the older of the two nodes`)
}
