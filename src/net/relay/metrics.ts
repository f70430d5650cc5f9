import type { Meter } from '../../base/meter.ts'

export function createRelayMetrics(meter: Meter) {
  return {
    reservations: meter.gauge(
      'skein_net_relay_reservations',
      'Places at relays: `held` at members that relay for this node, `given` to members that this node relays for. Held is 0 although others cannot dial this node: no connected member relays, see network.relay.',
      ['side']
    ),
    connections: meter.gauge(
      'skein_net_relay_connections',
      'Relayed connections: `own` of this node with members, `carried` between others through it. Many carried: this machine pays for the NATs of others; open their ports or set network.relay.serve to false.',
      ['side']
    ),
    refused: meter.counter('skein_net_relay_refused_total', 'Reservations and relayed connections of members that this node refused, by reason. `full`: more relays are needed; `share`: one member dials more through it than its share.', ['reason']),
    reach: meter.counter(
      'skein_net_relay_reach_total',
      'Answers of members to the question whether they can dial this node. `unreached`: its port is closed to them, and it is reached through relays.',
      ['verdict']
    ),
    upgrades: meter.counter(
      'skein_net_relay_upgrades_total',
      'Attempts to replace a relayed connection by a direct one. Only failures: the NATs let nothing through, the relay stays; open a port on one side.',
      ['result']
    )
  }
}

export type RelayMetrics = ReturnType<typeof createRelayMetrics>
