import { TIERS, type Tier } from '../../wire/admission-documents.ts'

/**
 * What a person should know when `node.hub_tier` says more than the credential; undefined when it does not. The node is a hub all the same: a credential's
 * tier is what other nodes go by where they cannot ask, when standbys are chosen and when it puts something to the vote.
 * @param founder whether this node founded the federation: it may propose whatever its tier is
 */
export function tierNotice(hubTier: Tier, credentialTier: Tier, { founder }: { founder: boolean }): string | undefined {
  if (TIERS.indexOf(hubTier) >= TIERS.indexOf(credentialTier)) return undefined
  const proposing = credentialTier === 'leaf' && !founder ? ', and it may not propose settings or bans' : ''
  return (
    `node.hub_tier is ${hubTier}, but the credential of this node is for tier ${credentialTier}: it leads its pool, yet others choose its standbys and successors ` +
    `as if it were of tier ${credentialTier}${proposing}. The tier of a credential is that of the token: to change it, join with \`skein token create --tier ${hubTier}\` and a new data directory`
  )
}
