/** True if `name` matches one of the patterns; `*` stands for any characters, everything else for itself. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => matches(pattern, name))
}

/** Greedy with one point of return: linear in practice, never exponential as a regular expression can be. */
function matches(pattern: string, name: string): boolean {
  let at = 0
  let here = 0
  let star = -1
  let resume = 0
  while (here < name.length) {
    if (at < pattern.length && pattern[at] === '*') {
      star = at++
      resume = here
    } else if (at < pattern.length && pattern[at] === name[here]) {
      at += 1
      here += 1
    } else if (star >= 0) {
      at = star + 1
      here = ++resume
    } else return false
  }
  while (pattern[at] === '*') at += 1
  return at === pattern.length
}
