import { ERROR_CODES, type ErrorCode } from './error-codes.ts'

/**
 * The base of every error of ours. `message` is a sentence that says what to do; programs test `code`, never
 * `instanceof`, so that two copies of the package agree.
 */
export class SkeinError extends Error {
  static override readonly name: string = 'SkeinError'
  readonly code: ErrorCode
  /** Machine-readable detail; must survive JSON. */
  readonly data: unknown

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; data?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = new.target.name
    this.code = code
    this.data = options.data
  }

  /** Whether trying again helps, from the table of codes. */
  get retry(): 'never' | 'elsewhere' | 'later' {
    return ERROR_CODES[this.code].retry
  }
}

/** Tests for one of our errors, optionally with one of the given codes. */
export function isSkeinError(error: unknown, ...codes: ErrorCode[]): error is SkeinError {
  const code = (error as { code?: unknown } | null)?.code
  return error instanceof Error && typeof code === 'string' && Object.hasOwn(ERROR_CODES, code) && (codes.length === 0 || codes.includes(code as ErrorCode))
}

/** Any thrown value as one of our errors; foreign ones become SKEIN_INTERNAL with the original as cause. */
export function toSkeinError(error: unknown, code: ErrorCode = 'SKEIN_INTERNAL'): SkeinError {
  return isSkeinError(error) ? error : new SkeinError(code, errorMessage(error), { cause: error })
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
