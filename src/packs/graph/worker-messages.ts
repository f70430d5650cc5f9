import type { ErrorCode } from '../../base/error-codes.ts'
import type { Job } from './algorithms/run.ts'

/** What the server posts to a worker: one job at a time. */
export type ToWorker = Job

/** What a worker posts back while and after it runs its job. */
export type FromWorker =
  | { kind: 'progress'; done: number; total: number }
  | { kind: 'done'; result: unknown }
  | { kind: 'failed'; code: ErrorCode; message: string }
