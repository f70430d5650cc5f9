/** Writes docs/metrics.md from the declarations in every src/…/metrics.ts; with `--check` only compares and exits 1 on a difference. */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createMeter, type Meter, type MetricSnapshot } from '../src/base/meter.ts'

const ROOT = join(import.meta.dirname, '..')
const PAGE = 'docs/metrics.md'

/** What a metrics.ts exports: some take how to read a value as a second argument, the event loop's has to be stopped. */
type Create = (meter: Meter, read: () => unknown) => { stop?: () => void }

/** Every metric that skein itself declares, sorted by name. No list is kept: what has a metrics.ts is in it. */
export async function declaredMetrics(): Promise<MetricSnapshot[]> {
  // Only what is declared counts: values, and so what they are read from, are not there.
  const meter = { ...createMeter(), onCollect() {} }
  for (const file of globSync('src/**/metrics.ts', { cwd: ROOT }).sort()) {
    const exported = (await import(join(ROOT, file))) as Record<string, unknown>
    const creates = Object.entries(exported).filter(([name]) => /^create\w+Metrics$/.test(name))
    if (creates.length === 0) throw new Error(`${file} exports no create…Metrics`)
    for (const [, create] of creates) (create as Create)(meter, () => 0).stop?.()
  }
  return meter.snapshot().sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function metricsPage(): Promise<string> {
  const rows = (await declaredMetrics()).map(({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help.replaceAll('|', '\\|')} |`)
  return `# Metrics

<!-- Made from src/**/metrics.ts by \`node scripts/gen-metrics.ts\`; edit there. -->

Served for Prometheus at \`/metrics\` of the metrics port (\`monitoring.metrics_port\`). Durations are in seconds, sizes in bytes. No label grows
without bound with what clients or other nodes do: \`component\` names the first 100 servers and the first 200 providers (\`provider:<server>@<peer id>\`), all others
share \`upstream:other\` and \`provider:other\`. The text in the last column is the metric's own help.

| Metric | Type | Labels | Meaning, and what to do |
| --- | --- | --- | --- |
${rows.join('\n')}

Beside these there are the numbers of libraries under their own names: \`libp2p_*\` (connections, streams and bytes by protocol) and those of the
Node process by prom-client (\`process_*\`, \`nodejs_*\`).
`
}

if (import.meta.main) {
  const page = await metricsPage()
  let present = ''
  try {
    present = readFileSync(join(ROOT, PAGE), 'utf8')
  } catch {
    // A page that is not there differs.
  }
  if (present === page) console.log('the metrics page is up to date')
  else if (process.argv.includes('--check')) {
    console.error(`not up to date: ${PAGE}; run: node scripts/gen-metrics.ts`)
    process.exitCode = 1
  } else {
    writeFileSync(join(ROOT, PAGE), page)
    console.log(`wrote ${PAGE}`)
  }
}
