import type { Config } from '../../config/types.ts'
import { PROFILES, type MembershipProfile } from '../../membership/profiles.ts'
import type { LocalMember } from '../../membership/types.ts'
import type { Meta } from '../../store/store.ts'
import { isWireAddress } from '../../wire/catalog-record.ts'
import { MAX_ADDRESS, MAX_ADDRESSES } from '../../wire/swim-statements.ts'
import { MAX_INCARNATION } from '../../wire/swim-types.ts'

/** Refutations of one life raise its incarnation above its boot: the next one starts clear of them even if the clock was set back. */
const LIFE = 1_000
/** In the store: the boot of the last start. */
const BOOT = 'boot'

/** The times of a profile, with those that the configuration sets itself. */
export function membershipProfile({ profile, probeInterval, probeTimeout, suspicionTimeout }: Config['membership']): MembershipProfile {
  return {
    ...PROFILES[profile],
    ...(probeInterval === undefined ? {} : { probeInterval }),
    ...(probeTimeout === undefined ? {} : { probeTimeout }),
    // Who sets a time means that time, whoever accuses.
    ...(suspicionTimeout === undefined ? {} : { suspicionTimeout, suspicionMaxMult: 1 })
  }
}

/**
 * What tells this start from all earlier ones: unix ms, above the last one even if the clock was set back since. On disk when it
 * returns, so that no crash can give it twice.
 */
export function nextBoot(meta: Meta, wall: number): number {
  const last = Number(meta.get(BOOT))
  const boot = Math.max(Math.floor(wall), Number.isSafeInteger(last) && last < MAX_INCARNATION / 2 ? last + LIFE : 0)
  meta.set(BOOT, String(boot))
  return boot
}

/** As others take it: a machine with many interfaces names the first ones. */
export function localMember(local: LocalMember): LocalMember {
  const addresses = local.addresses.filter((address) => address.length <= MAX_ADDRESS && isWireAddress(address)).slice(0, MAX_ADDRESSES)
  return { ...local, addresses }
}
