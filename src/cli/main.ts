import type { CommanderError } from 'commander'
import { systemClock } from '../base/clock.ts'
import { SkeinError } from '../base/errors.ts'
import type { CliActions, CliContext, CliIo } from './context.ts'
import { EXIT_OK, EXIT_USAGE, exitCodeOf } from './exit-codes.ts'
import { printError } from './output.ts'
import { buildProgram } from './program.ts'

/** commander's own words as a sentence: `error: unknown option '--jsn'` and `(Did you mean --json?)` on a second line. */
function usageError(error: CommanderError): SkeinError {
  const [first = '', ...more] = error.message.replace(/^error: /, '').split('\n')
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1).replace(/\.$/, '')}.`
  const hint = more.map((line) => line.replace(/^\(|\)$/g, '')).filter((line) => line !== '')
  return new SkeinError('SKEIN_USAGE', [sentence, ...hint, 'See `skein --help`.'].join(' '))
}

/** A command that only groups others, called alone, shows its help; asked for or not, that is no error message. */
function isHelp(error: CommanderError): boolean {
  return error.code === 'commander.help' || error.code === 'commander.helpDisplayed' || error.code === 'commander.version'
}

/**
 * Runs one command line.
 * @param argv the arguments alone, without the program
 * @returns the exit code, see exit-codes.ts; never rejects
 */
export async function runCli(argv: readonly string[], io: CliIo, actions: CliActions): Promise<number> {
  let code = EXIT_OK
  const context: CliContext = {
    io,
    clock: io.clock ?? systemClock,
    actions,
    exit(given) {
      code = given
    }
  }
  try {
    await buildProgram(context).parseAsync([...argv], { from: 'user' })
    return code
  } catch (thrown) {
    const foreign = thrown as CommanderError
    const isCommander = typeof foreign?.code === 'string' && foreign.code.startsWith('commander.')
    if (isCommander && isHelp(foreign)) return foreign.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    const error = printError(io, isCommander ? usageError(foreign) : thrown, argv.includes('--json'))
    return exitCodeOf(error.code)
  }
}
