/** What speaks against a ban, as a sentence; undefined: nothing. A ban that stops the federation from deciding could never be taken back. */
export function banProblem(peer: string, facts: {
  /** It signs the credentials of all others, or those of whoever signs them. */
  founder: string
  /** Of root. */
  voters: readonly string[]
  isBanned(peer: string): boolean
}): string | undefined {
  const { founder, voters, isBanned } = facts
  if (peer === founder) return 'The founder of the federation cannot be banned: it signs the credentials of all, and without it they end.'
  if (!voters.includes(peer)) return undefined
  const left = voters.filter((voter) => voter !== peer && !isBanned(voter)).length
  // Leases and voters need a majority of the configured ones: with less, no other voter could be put in its place.
  if (left > voters.length / 2) return undefined
  return `${peer} is one of ${voters.length} voters of root: without it nothing could be decided any more, not even to take the ban back. Wait until there are more voters (\`skein consensus ls\`), or until those banned before were replaced.`
}
