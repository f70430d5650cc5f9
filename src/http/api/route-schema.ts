import { count, flag, list, number, object, oneOf, text } from './schema.ts'

const peer = text('Peer id.')
const expected = number('Until the answer, ms.')
const path = list(text(), 'Peer ids from this node to the provider.')

const CHOICE = object({ peer, name: text(), path, expected, why: text('The reason, as a word.') })

const CANDIDATE = object(
  {
    peer, name: text(),
    local: flag('This node.'),
    relayed: flag('Reached through other members.'),
    path: number('The way there and back, ms.'),
    pathFrom: oneOf(['local', 'measured', 'predicted', 'distance', 'default'], 'What the way was judged by.'),
    service: number('What the server takes for a call that does not wait, ms.'),
    ahead: number('Calls there now as far as is known, running and waiting.'),
    capacity: count('Calls that it runs at a time.'),
    reliability: number('0 to 1: of the last calls, those that were answered.'),
    standing: oneOf(['good', 'warming', 'half-open', 'damped', 'suspect', 'open'], 'Whether calls go there as a matter of course.'),
    warmth: number('0 to 1: the share of the calls that one that is new or back gets.'),
    dampedFor: number('How long it is still avoided, ms.'),
    expected,
    cost: number('What it is compared by, ms: the time until the answer and what the risk of a failure adds.'),
    near: flag('One of those that a call may go to now.')
  },
  { whyNot: text('Why a call goes elsewhere; not there for the chosen one.') }
)

/** Where a call would go now, and why. */
export const ROUTE = object({ tool: text(), server: text('Its name at the providers.'), candidates: list(CANDIDATE) }, { choice: CHOICE })
