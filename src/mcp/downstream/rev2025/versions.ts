/** Revisions with `initialize` and sessions, newest first. */
export const VERSIONS_2025 = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'] as const

/** The client's revision if we speak it, else our newest: the client then decides whether to go on. */
export function negotiateVersion(requested: unknown): string {
  return VERSIONS_2025.find((version) => version === requested) ?? VERSIONS_2025[0]
}
