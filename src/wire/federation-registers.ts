import { SkeinError } from '../base/errors.ts'
import { canonicalJson } from './canonical-json.ts'
import { keyOfPeerId } from './peer-id.ts'

/** Operators' registers of the root pool (protocols/quorum.md): what the whole federation keeps to. Values are canonical JSON. */
export const SETTING_PREFIX = 'setting/'
export const BAN_PREFIX = 'ban/'

/** The settings there are, with the bounds of the configuration keys that they come before. */
export const SETTINGS = {
  max_tools: { min: 10, max: 100_000 },
  max_regional_hubs: { min: 1, max: 1_000 },
  max_child_hubs: { min: 1, max: 1_000 },
  max_clusters: { min: 1, max: 1_000 }
} as const satisfies Record<string, { min: number; max: number }>

export type SettingName = keyof typeof SETTINGS

/** Room for a sentence. */
export const MAX_BAN_REASON = 200
/** The longest value: a reason of which every character is escaped. */
const MAX_VALUE_BYTES = 2_048

export type RegisterKey = { kind: 'setting'; name: SettingName } | { kind: 'ban'; peer: string }

/** What a key stands for; undefined: no operators' register. */
export function parseRegisterKey(key: string): RegisterKey | undefined {
  if (key.startsWith(SETTING_PREFIX)) {
    const name = key.slice(SETTING_PREFIX.length)
    return Object.hasOwn(SETTINGS, name) ? { kind: 'setting', name: name as SettingName } : undefined
  }
  if (!key.startsWith(BAN_PREFIX)) return undefined
  const peer = key.slice(BAN_PREFIX.length)
  return keyOfPeerId(peer) === undefined ? undefined : { kind: 'ban', peer }
}

/** The bytes of a register's value; undefined for null, which takes it back. @throws SKEIN_BAD_REQUEST */
export function encodeRegister(key: string, value: unknown): Uint8Array | undefined {
  const register = parseRegisterKey(key)
  if (register === undefined) {
    const settings = Object.keys(SETTINGS).map((name) => SETTING_PREFIX + name).join(', ')
    throw new SkeinError('SKEIN_BAD_REQUEST', `"${key.slice(0, 100)}" cannot be proposed. There are: ${settings}, and ${BAN_PREFIX}<peer id>.`)
  }
  if (value === null) return undefined
  const problem = valueProblem(register, value)
  if (problem !== undefined) throw new SkeinError('SKEIN_BAD_REQUEST', `The value of ${key} must be ${problem}; to take it back: null, on the command line none.`)
  return Buffer.from(canonicalJson(value))
}

/** The value of a register; undefined: it has none, or one that this version does not understand, which then counts as none. */
export function decodeRegister(key: string, data: Uint8Array | undefined): unknown {
  const register = parseRegisterKey(key)
  if (register === undefined || data === undefined || data.length > MAX_VALUE_BYTES) return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(data).toString('utf8'))
    return valueProblem(register, value) === undefined ? value : undefined
  } catch {
    return undefined
  }
}

/** What the federation has decided for a setting; undefined: nothing, so the configuration counts. */
export function decodeSetting(name: SettingName, data: Uint8Array | undefined): number | undefined {
  return decodeRegister(SETTING_PREFIX + name, data) as number | undefined
}

function valueProblem(register: RegisterKey, value: unknown): string | undefined {
  if (register.kind === 'ban') {
    return typeof value === 'string' && value.trim() !== '' && value.length <= MAX_BAN_REASON ? undefined : `the reason of the ban, a text of 1 to ${MAX_BAN_REASON} characters`
  }
  const { min, max } = SETTINGS[register.name]
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max ? undefined : `a whole number from ${min} to ${max}`
}
