import { createListeners } from '../../base/listeners.ts'
import type { Logger } from '../../base/logger.ts'
import type { QuorumLearned } from '../../federation/quorum/driver-types.ts'
import type { Decided } from '../../federation/quorum/types.ts'
import { decodeRegister, decodeSetting, parseRegisterKey, SETTING_PREFIX, type SettingName } from '../../wire/federation-registers.ts'

export interface SettingsChange {
  /** This peer is banned now. */
  banned?: string
  /** … and this one no longer. */
  unbanned?: string
}

/** What the federation has decided for all its nodes, as far as this one has heard. */
export interface FederationSettings {
  /** Undefined: nothing was decided, the own configuration counts. */
  setting(name: SettingName): number | undefined
  isBanned(peer: string): boolean
  banned(): readonly string[]
  /** With neither: a setting changed. */
  onChange(listener: (change: SettingsChange) => void): () => void
}

/** Reads the operators' registers of the root pool. The bans are asked for with every connection: they are kept decoded. */
export function createFederationSettings(root: QuorumLearned, { logger }: { logger: Logger }): FederationSettings {
  /** Bounded by the registers of a group. */
  const banned = new Set<string>()
  const listeners = createListeners<[SettingsChange]>(logger, 'a listener of the settings of the federation')

  function read({ key, data }: Decided): void {
    const register = parseRegisterKey(key)
    if (register === undefined) return
    if (register.kind === 'setting') return listeners.tell({})
    const { peer } = register
    const isBanned = decodeRegister(key, data) !== undefined
    if (isBanned === banned.has(peer)) return
    if (isBanned) banned.add(peer)
    else banned.delete(peer)
    listeners.tell(isBanned ? { banned: peer } : { unbanned: peer })
  }

  for (const decided of root.all()) read(decided)
  root.onDecided(read)
  return {
    setting: (name) => decodeSetting(name, root.known(SETTING_PREFIX + name)?.data),
    isBanned: (peer) => banned.has(peer),
    banned: () => [...banned],
    onChange: (listener) => listeners.add(listener)
  }
}
