/** Revisions with `initialize` and sessions, newest first. */
export const VERSIONS_2025 = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'] as const

/**
 * -32022, "unsupported protocol version" of revision 2026-07-28: with the list of revisions that do work. It is the answer that
 * makes clients of both eras go on with `initialize`.
 */
export const UNSUPPORTED_VERSION = -32022

/** The client's revision if we speak it, else our newest: the client then decides whether to go on. */
export function negotiateVersion(requested: unknown): string {
  return VERSIONS_2025.find((version) => version === requested) ?? VERSIONS_2025[0]
}
