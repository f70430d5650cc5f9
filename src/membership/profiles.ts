/** Times in ms. */
export interface MembershipProfile {
  probeInterval: number
  /** For the direct answer; then others are asked. */
  probeTimeout: number
  /** Members asked to probe in our place. */
  indirectProbes: number
  /** Shortest suspicion = this x max(1, log10 n) x probeInterval … */
  suspicionMult: number
  /** … longest = this x shortest; confirmations bring it from the longest to the shortest. */
  suspicionMaxMult: number
  /** Confirmations by others that bring the suspicion to its shortest time. */
  confirmations: number
  /** A fixed shortest suspicion, whatever the number of members. */
  suspicionTimeout?: number
  /** Health scores are 0 to this - 1. */
  healthMax: number
  gossipInterval: number
  gossipFanout: number
  /** Each item is sent this x ceil(log10(n + 1)) times. */
  retransmitMult: number
  syncInterval: number
  /** Dead members are still told news for this long, so that they can object. */
  deadGossipTime: number
}

export const PROFILES = {
  lan: {
    probeInterval: 1_000, probeTimeout: 500, indirectProbes: 3, suspicionMult: 3, suspicionMaxMult: 6, confirmations: 2, healthMax: 8,
    gossipInterval: 200, gossipFanout: 3, retransmitMult: 4, syncInterval: 30_000, deadGossipTime: 30_000
  },
  wan: {
    probeInterval: 3_000, probeTimeout: 1_500, indirectProbes: 3, suspicionMult: 4, suspicionMaxMult: 6, confirmations: 2, healthMax: 8,
    gossipInterval: 500, gossipFanout: 4, retransmitMult: 4, syncInterval: 60_000, deadGossipTime: 60_000
  },
  local: {
    probeInterval: 1_000, probeTimeout: 200, indirectProbes: 3, suspicionMult: 2, suspicionMaxMult: 6, confirmations: 2, healthMax: 8,
    gossipInterval: 100, gossipFanout: 3, retransmitMult: 4, syncInterval: 15_000, deadGossipTime: 15_000
  },
  /** The values of the federation operations guide. */
  guide: {
    probeInterval: 2_000, probeTimeout: 5_000, indirectProbes: 3, suspicionMult: 4, suspicionMaxMult: 1, confirmations: 2, suspicionTimeout: 30_000, healthMax: 8,
    gossipInterval: 1_000, gossipFanout: 3, retransmitMult: 4, syncInterval: 30_000, deadGossipTime: 60_000
  }
} as const satisfies Record<string, MembershipProfile>

export type ProfileName = keyof typeof PROFILES
