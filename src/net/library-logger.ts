import type { ComponentLogger } from '@libp2p/interface'
import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'

/** What one of libp2p's services says goes to our log, at its lowest level; its own way is a variable of the environment. */
export function libraryLogger(logger: Logger): ComponentLogger {
  const forComponent = (name: string): ReturnType<ComponentLogger['forComponent']> => {
    const say = (text: string, ...more: unknown[]) => logger.debug(`${name}: ${text}`, more.length === 0 ? {} : { more: more.map((value) => (value instanceof Error ? errorMessage(value) : String(value))).join(' ') })
    const nothing = () => {}
    return Object.assign(say, { error: say, trace: nothing, enabled: true, newScope: (scope: string) => forComponent(`${name}:${scope}`) }) as unknown as ReturnType<ComponentLogger['forComponent']>
  }
  return { forComponent }
}
