import type { Command } from 'commander'
import { withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { printJson, printLine } from '../output.ts'

interface Flags extends CommonFlags {
  config?: string
}

const FILE = 'the YAML file (default: --config, then SKEIN_CONFIG)'

async function load(context: CliContext, argument: string | undefined, flags: Flags): Promise<{ yaml: string; warnings: string[] }> {
  const tools = await context.actions.configTools()
  const file = argument ?? flags.config
  const { env, cwd } = context.io
  return await tools.load({ ...(file === undefined ? {} : { file }), env, cwd })
}

function warn(context: CliContext, warnings: readonly string[]): void {
  for (const warning of warnings) context.io.stderr.write(`skein: ${warning}\n`)
}

export function addConfig(program: Command, context: CliContext): void {
  const config = program.command('config').description('check and show configuration, without a running node')
  const command = (name: string) => withCommonOptions(config.command(name)).option('--config <file>', 'YAML configuration (default: SKEIN_CONFIG)')
  command('validate')
    .description('check file and environment; warnings go to standard error, exit code 5 when something is wrong')
    .argument('[file]', FILE)
    .action(async (file: string | undefined, flags: Flags) => {
      const { warnings } = await load(context, file, flags)
      if (flags.json === true) return printJson(context.io, { valid: true, warnings })
      warn(context, warnings)
      printLine(context.io, 'The configuration is valid.')
    })
  command('print')
    .description('print the configuration as it takes effect: defaults, file, environment; secrets hidden')
    .argument('[file]', FILE)
    .action(async (file: string | undefined, flags: Flags) => {
      const { yaml, warnings } = await load(context, file, flags)
      if (flags.json !== true) {
        warn(context, warnings)
        return printLine(context.io, yaml.trimEnd())
      }
      const { parse } = await import('yaml')
      printJson(context.io, { config: parse(yaml) as unknown, warnings })
    })
  command('schema')
    .description('print the JSON Schema of the configuration file, for editors')
    .action(async () => {
      const tools = await context.actions.configTools()
      printJson(context.io, tools.jsonSchema())
    })
}
