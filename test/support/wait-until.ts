/** Waits for a condition of real processes or sockets; fails with `what` after the deadline. Not for unit tests. */
export async function waitUntil(what: string, condition: () => boolean | Promise<boolean>, options: { timeout?: number; every?: number } = {}): Promise<void> {
  const end = performance.now() + (options.timeout ?? 10_000)
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`timed out waiting until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, options.every ?? 20))
  }
}
