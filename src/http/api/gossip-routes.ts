import type { ApiRoutes } from './route.ts'
import { count, list, mapOf, number, object, oneOf, text } from './schema.ts'

const SWIM = object({
  queued: count('News about members that wait to be passed on.'),
  queuedBytes: count(),
  health: count('How slow this node finds itself: 0 is well.'),
  suspicions: count('Suspicions that run now.'),
  links: count('Peers with a connection.'),
  sent: mapOf(count(), 'Messages that left, by kind.'),
  sentBytes: mapOf(count()),
  received: mapOf(count(), 'Messages that came, by kind.'),
  receivedBytes: mapOf(count()),
  held: mapOf(count(), 'Messages that could not leave at once: kept, replaced by newer ones, lost.')
})

const TOPIC = object({
  topic: text(),
  about: oneOf(['catalog', 'test', 'other'], 'catalog: records of nodes; test: test messages; other: all topics that this node has not subscribed to, together.'),
  subscribers: count('Connected peers that have subscribed.'),
  meshPeers: list(text(), 'Peers to which messages of this topic are passed on at once.'),
  published: count('Messages of this node.'),
  sentCopies: count('Copies of those that left, one for each peer.'),
  sentBytes: count('Size of these copies, without envelopes.'),
  forwarded: count('Messages of others that this node passed on.'),
  forwardedCopies: count('Copies of those that left.'),
  receivedCopies: count('Copies that came, repeated ones included.'),
  received: count('Messages that came, each counted once.'),
  receivedBytes: count('Size of these messages, without envelopes.'),
  duplicates: count('Copies of messages that were known.'),
  invalid: count('Copies with a wrong signature or none.')
})

/** Gossip: what goes over it, and whether a message reaches everyone. */
export const GOSSIP_ROUTES: ApiRoutes = {
  'GET /api/gossip/stats': {
    summary: 'Counts what this node has sent and received since it started: gossipsub by topic and in all, and the messages about members',
    tag: 'gossip',
    answer: object({
      gossipsub: object({
        peers: count('Peers with an open gossipsub stream.'),
        sentFrames: count('Frames with messages, subscriptions and control, of all topics.'),
        sentBytes: count('Their size, envelopes included, TLS and TCP not.'),
        receivedFrames: count(),
        receivedBytes: count(),
        topics: list(TOPIC)
      }),
      swim: SWIM
    }),
    run: (api) => api.gossip()
  },
  'POST /api/gossip/test-message': {
    summary: 'Sends one test message through the gossip mesh and tells which members answered that they have it, and over whom it came to them; at most one a second',
    tag: 'gossip',
    admin: true,
    body: object({}, { within_ms: { type: 'integer', minimum: 50, maximum: 8_000, description: 'How long to wait for answers, ms; 2000 when left out. It ends earlier when all living members have answered.' } }),
    answer: object({
      id: text('Of this message, hexadecimal.'),
      sent: number('When it left, unix ms.'),
      ms: number('How long the whole test took.'),
      reached: list(
        object(
          {
            peer: text(), name: text(),
            via: text('Peer id of whoever handed it over to that member; this node: it came directly.'),
            ms: number('From sending until the answer was here: the way there by gossip and the way back over RPC.')
          },
          { path: list(text(), 'Peer ids from this node to that member; left out when one on the way did not answer.') }
        ),
        'In the order of their answers.'
      ),
      missing: list(object({ peer: text(), name: text(), state: oneOf(['alive', 'suspect', 'dead']) }), 'Members that have not left and did not answer in time, by name.')
    }),
    run: (api, { body, signal }) => api.gossipTest({ signal, ...(typeof body['within_ms'] === 'number' ? { within: body['within_ms'] } : {}) })
  }
}
