import { z } from 'zod'

/** Scores of nodes as tools give them: the highest first, and of equal ones the first added. */
export const scoresOutput = {
  total: z.int().describe('Nodes that have a score, also beyond the limit'),
  scores: z.array(z.object({ node: z.string(), score: z.number() })).describe('Highest first')
}

export interface Scores {
  total: number
  scores: { node: string; score: number }[]
}

export function topScores(nodes: string[], scores: ArrayLike<number>, limit: number): Scores {
  const ordered = Uint32Array.from(nodes, (_, node) => node).sort((a, b) => scores[b]! - scores[a]! || a - b)
  return { total: nodes.length, scores: [...ordered.subarray(0, limit)].map((node) => ({ node: nodes[node]!, score: scores[node]! })) }
}

/** The first few in words. */
export function inWords(what: string, { scores, total }: Scores): string {
  if (total === 0) return 'The graph has no nodes.'
  return `${what}: ${scores.slice(0, 5).map(({ node, score }) => `${node} ${Number(score.toPrecision(4))}`).join(', ')}${total > 5 ? `, … (${total} nodes)` : ''}.`
}

/** Groups of nodes, largest first, with no more than `limit` node ids in all. */
export const groupsOutput = {
  count: z.int().describe('Groups there are, also beyond the limit'),
  groups: z.array(z.object({ size: z.int(), nodes: z.array(z.string()) })).describe('Largest first'),
  truncated: z.boolean().describe('Whether nodes or groups were left out because of the limit')
}

export function limitedGroups(nodes: string[], groups: number[][], limit: number): { count: number; groups: { size: number; nodes: string[] }[]; truncated: boolean } {
  let room = limit
  const shown: { size: number; nodes: string[] }[] = []
  for (const group of groups) {
    if (room <= 0) break
    shown.push({ size: group.length, nodes: group.slice(0, room).map((node) => nodes[node]!) })
    room -= group.length
  }
  return { count: groups.length, groups: shown, truncated: room < 0 || shown.length < groups.length }
}
