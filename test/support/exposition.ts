export interface ParsedSample {
  name: string
  labels: Record<string, string>
  value: number
}

export interface ParsedMetrics {
  types: Map<string, string>
  help: Map<string, string>
  samples: ParsedSample[]
  /** The value of the one sample with this name and these labels. */
  value(name: string, labels?: Record<string, string>): number | undefined
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const [, name, value] of text.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name as string] = (value as string).replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return labels
}

/** A strict reader of the Prometheus text format (version 0.0.4): throws on any line it does not know. */
export function parseExposition(text: string): ParsedMetrics {
  const types = new Map<string, string>()
  const help = new Map<string, string>()
  const samples: ParsedSample[] = []
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  for (const line of text.split('\n')) {
    if (line === '') continue
    const comment = /^# (HELP|TYPE) (\w+) (.*)$/.exec(line)
    if (comment !== null) {
      const [, kind, name = '', rest = ''] = comment
      const target = kind === 'HELP' ? help : types
      if (target.has(name)) throw new Error(`${kind} of ${name} comes twice`)
      target.set(name, rest)
      continue
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (sample === null) throw new Error(`cannot read the line: ${line}`)
    const value = sample[3] === '+Inf' ? Number.POSITIVE_INFINITY : Number(sample[3])
    if (Number.isNaN(value) && sample[3] !== 'NaN') throw new Error(`no number: ${line}`)
    samples.push({ name: sample[1] as string, labels: parseLabels(sample[2] ?? ''), value })
  }
  const value = (name: string, labels: Record<string, string> = {}) =>
    samples.find((found) => found.name === name && Object.entries(labels).every(([label, wanted]) => found.labels[label] === wanted))?.value
  return { types, help, samples, value }
}
