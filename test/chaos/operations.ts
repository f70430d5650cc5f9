import type { Message } from './channels.ts'
import type { TrafficClient } from './clients.ts'

/** What a client does once. Errors of the answer are Refused, anything else that is not as it should be is Wrong. */
export interface Operation {
  name: string
  /** How often, against the others of its list. */
  weight: number
  /** The server it concerns; empty: the client's own node only. */
  server(): string
  run(client: TrafficClient, server: string): Promise<void>
}

/** An answer that nothing explains. */
export class Wrong extends Error {}

/** An error answer, or none: something may explain it. */
export class Refused extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

export function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T
}

const textIn = (result: Message): string => String(result.content?.[0]?.text)

function resultOf(answer: Message): Message {
  if (answer.error !== undefined) throw new Refused(String(answer.error.data?.code ?? answer.error.code), answer.error.message)
  if (answer.result === undefined) throw new Wrong(`neither result nor error: ${JSON.stringify(answer).slice(0, 200)}`)
  // The search view's way to say that a tool is not there.
  if (answer.result.isError === true && textIn(answer.result).startsWith('There is no tool named')) throw new Refused('SKEIN_NOT_FOUND', textIn(answer.result))
  if (answer.result.isError === true) throw new Wrong(`isError: ${JSON.stringify(answer.result).slice(0, 200)}`)
  return answer.result
}
const textOf = (answer: Message): string => textIn(resultOf(answer))

function expectIs(got: unknown, wanted: unknown, what: string): void {
  if (got !== wanted) throw new Wrong(`${what}: ${String(got).slice(0, 100)} instead of ${String(wanted).slice(0, 100)}`)
}

/** A tool call; in a view of one server tools have their bare names. */
const tool = (name: string, args: Message = {}) => ({ name, arguments: args })
const call = (client: TrafficClient, name: string, args: Message = {}) => client.ask('tools/call', tool(name, args))

const STATES = ['state-a', 'state-b', 'state-c', 'state-d']
const anyEcho = () => (Math.random() < 0.4 ? 'shared' : pick(STATES))
const asker = () => pick(['feat', 'feat', 'quiz', 'quiz', 'modern', 'web', 'web25'])
const fixed = (server: string) => () => server
const nobody = () => ''

/** For clients that servers cannot ask, at `/mcp`. */
export const PLAIN: readonly Operation[] = [
  {
    name: 'echo',
    weight: 12,
    server: anyEcho,
    async run(client, server) {
      const text = `${client.name} ${'x'.repeat(Math.floor(Math.random() * 2_000))}`
      expectIs(textOf(await call(client, `${server}__echo`, { text })), text, 'echo')
    }
  },
  {
    name: 'big',
    weight: 2,
    server: anyEcho,
    async run(client, server) {
      const bytes = Math.floor(Math.random() * 1_000_000)
      expectIs(textOf(await call(client, `${server}__big`, { bytes })).length, bytes, 'characters')
    }
  },
  {
    name: 'progress',
    weight: 3,
    server: () => pick([...STATES, 'shared', 'feat']),
    async run(client, server) {
      const steps: number[] = []
      const name = server === 'feat' ? 'feat__progress' : `${server}__slow`
      const answer = await client.ask('tools/call', tool(name, { steps: 8, ms: 15 }), (progress) => steps.push(progress))
      expectIs(textOf(answer), 'done 8', 'result')
      expectIs(steps.join(), '1,2,3,4,5,6,7,8', 'progress')
    }
  },
  {
    name: 'cancel',
    weight: 2,
    server: anyEcho,
    run: (client, server) => client.abandon('tools/call', tool(`${server}__slow`, { steps: 50, ms: 100 }), 20 + Math.random() * 200)
  },
  {
    name: 'lists',
    weight: 2,
    server: nobody,
    async run(client) {
      for (const [method, list] of [['tools/list', 'tools'], ['resources/list', 'resources'], ['resources/templates/list', 'resourceTemplates']] as const) {
        const result = resultOf(await client.ask(method))
        if (!Array.isArray(result[list])) throw new Wrong(`${method} without ${list}`)
        if (list === 'tools' && result[list].length < 20) throw new Wrong(`only ${result[list].length} tools`)
      }
    }
  },
  {
    name: 'resource',
    weight: 2,
    server: fixed('feat'),
    async run(client) {
      const uri = `note://${Math.floor(Math.random() * 32)}`
      expectIs(resultOf(await client.ask('resources/read', { uri })).contents?.[0]?.text, uri, 'contents')
    }
  },
  {
    name: 'log',
    weight: 1,
    server: fixed('feat'),
    async run(client) {
      expectIs(textOf(await call(client, 'feat__log', { text: client.name })), 'logged', 'result')
    }
  },
  {
    name: 'web',
    weight: 3,
    server: () => pick(['web', 'web25', 'modern']),
    async run(client, server) {
      if (Math.random() < 0.5) return expectIs(textOf(await call(client, `${server}__test_simple_text`)), 'A line of plain text.', 'result')
      const steps: number[] = []
      const answer = await client.ask('tools/call', tool(`${server}__test_tool_with_progress`), (progress) => steps.push(progress))
      expectIs(textOf(answer), 'Three steps done.', 'result')
      expectIs(steps.join(), '0,50,100', 'progress')
    }
  },
  {
    name: 'header param',
    weight: 1,
    server: () => pick(['web', 'web25', 'modern']),
    async run(client, server) {
      expectIs(textOf(await call(client, `${server}__test_header_param`, { region: client.name })), `Region: ${client.name}`, 'result')
    }
  },
  {
    name: 'web cancel',
    weight: 1,
    server: () => pick(['web', 'web25', 'modern']),
    run: (client, server) => client.abandon('tools/call', tool(`${server}__test_tool_with_progress`), Math.random() * 100)
  },
  {
    name: 'list change',
    weight: 0.15,
    server: () => pick([...STATES, 'modern', 'web']),
    async run(client, server) {
      if (server.startsWith('state')) return void textOf(await call(client, `${server}__toggle`))
      try {
        textOf(await call(client, `${server}__test_trigger_${pick(['tool', 'prompt'])}_change`))
      } catch (error) {
        // The definition of this tool itself changes: who is late is told to list again.
        if (!(error instanceof Refused && error.code === 'SKEIN_NOT_FOUND')) throw error
      }
    }
  }
]

/** A question, and what its tool says once `name` has answered. */
const QUESTIONS: Readonly<Record<string, readonly (readonly [tool: string, answer: (name: string) => string])[]>> = {
  feat: [['sample', (name) => name], ['elicit', (name) => name], ['roots', (name) => `file:///${name}`]],
  quiz: [['sample', (name) => name], ['elicit', (name) => name]]
}
const FIXTURE: (typeof QUESTIONS)[string] = [
  ['test_input_required_result_elicitation', (name) => `Hello, ${name}!`],
  ['test_input_required_result_sampling', (name) => name],
  ['test_input_required_result_list_roots', (name) => `Roots: file:///${name}`],
  ['test_input_required_result_multiple_inputs', (name) => `${name} ${name}, 1 roots`],
  ['test_input_required_result_multi_round', (name) => `${name} likes ${name}.`]
]

/** A call that asks a person. */
const formOf = (server: string) => tool(`${server}__${QUESTIONS[server] === undefined ? 'test_input_required_result_elicitation' : 'elicit'}`, { message: 'who?' })

/** For clients that servers can ask. */
export const ASKED: readonly Operation[] = [
  {
    name: 'question',
    weight: 10,
    server: asker,
    async run(client, server) {
      const [name, answer] = pick(QUESTIONS[server] ?? FIXTURE)
      const text = textOf(await call(client, `${server}__${name}`, { prompt: 'who?', message: 'who?' }))
      // This one passes the whole answer of its client on.
      if (server !== 'quiz') return expectIs(text, answer(client.name), `${server}__${name}`)
      if (!text.includes(`"${client.name}"`) && name === 'sample') throw new Wrong(`quiz__${name}: ${text.slice(0, 200)}`)
    }
  },
  {
    name: 'question given up',
    weight: 1,
    server: asker,
    async run(client, server) {
      const { answer, giveUp } = await client.leaveOpen('tools/call', formOf(server))
      if (answer !== undefined) throw new Wrong(`answered although nobody was asked: ${textOf(answer)}`)
      const last = await giveUp()
      if (last !== undefined) textOf(last)
    }
  },
  {
    name: 'echo of an asker',
    weight: 2,
    server: fixed('quiz'),
    async run(client) {
      expectIs(textOf(await call(client, 'quiz__echo', { text: client.name })), client.name, 'echo')
    }
  }
]

/** The question that is left open for good. */
export const OPEN = { server: asker, tool: formOf }

/** For clients at `/mcp/@search`. */
export const SEARCH: readonly Operation[] = [
  {
    name: 'search',
    weight: 2,
    server: nobody,
    async run(client) {
      const found = resultOf(await call(client, 'search_tools', { query: 'echo text', limit: 5 })).structuredContent?.tools
      if (!Array.isArray(found) || found.length === 0) throw new Wrong('search_tools found nothing')
    }
  },
  {
    name: 'describe',
    weight: 1,
    server: anyEcho,
    async run(client, server) {
      expectIs(resultOf(await call(client, 'describe_tool', { name: `${server}__echo` })).structuredContent?.name, `${server}__echo`, 'name')
    }
  },
  {
    name: 'search call',
    weight: 3,
    server: anyEcho,
    async run(client, server) {
      expectIs(textOf(await call(client, 'call_tool', { name: `${server}__echo`, arguments: { text: client.name } })), client.name, 'echo')
    }
  }
]

/** For clients at the view of one of the fixture's servers, which is `server`. */
export const SINGLE: readonly Operation[] = [
  {
    name: 'bare call',
    weight: 3,
    server: nobody,
    async run(client) {
      expectIs(textOf(await call(client, 'test_simple_text')), 'A line of plain text.', 'result')
    }
  },
  {
    name: 'bare lists',
    weight: 1,
    server: nobody,
    async run(client) {
      for (const [method, list, length] of [['tools/list', 'tools', 20], ['prompts/list', 'prompts', 5], ['resources/list', 'resources', 3], ['resources/templates/list', 'resourceTemplates', 1]] as const) {
        const found = resultOf(await client.ask(method))[list]?.length
        if (!(found >= length)) throw new Wrong(`${method}: ${found}`)
      }
    }
  },
  {
    name: 'bare resource',
    weight: 2,
    server: nobody,
    async run(client) {
      const uri = pick(['test://static-text', 'test://template/7/data'])
      const text = String(resultOf(await client.ask('resources/read', { uri })).contents?.[0]?.text)
      if (!text.includes(uri === 'test://static-text' ? 'A static text.' : '"id":"7"')) throw new Wrong(`${uri}: ${text.slice(0, 100)}`)
    }
  },
  {
    name: 'prompt',
    weight: 2,
    server: nobody,
    async run(client) {
      const { messages } = resultOf(await client.ask('prompts/get', { name: 'test_prompt_with_arguments', arguments: { arg1: client.name, arg2: 'two' } }))
      expectIs(messages?.[0]?.content?.text, `The first is ${client.name}, the second two.`, 'prompt')
    }
  },
  {
    name: 'completion',
    weight: 1,
    server: nobody,
    async run(client) {
      const result = resultOf(await client.ask('completion/complete', { ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' }, argument: { name: 'arg1', value: 'par' } }))
      expectIs(result.completion?.values?.join(), 'paris,park,party', 'completion')
    }
  }
]

/** A resource that can be subscribed to, and how to have it updated. */
export interface Watched {
  server: string
  view: string | undefined
  uri(index: number): string
  /** Has it updated; the text says what the server did. */
  touch(client: TrafficClient, uri: string): Promise<string>
}

export const WATCHED: readonly Watched[] = [
  {
    server: 'feat',
    view: undefined,
    uri: (index) => `note://${index}`,
    touch: async (client, uri) => textOf(await call(client, 'feat__touch', { uri }))
  },
  ...['web', 'web25', 'modern'].map((server): Watched => ({
    server,
    view: server,
    uri: () => 'test://watched-resource',
    touch: async (client) => (textOf(await call(client, `${server}__test_trigger_resource_update`)), 'told')
  }))
]
