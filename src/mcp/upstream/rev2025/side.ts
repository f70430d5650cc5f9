import type { Json, JsonRpcId, JsonRpcRequest } from '../../../wire/json-rpc.ts'
import type { PendingCall } from '../calls.ts'
import type { ConnectionDeps, ConnectionOptions, ServerIdentity } from '../connection-ports.ts'
import type { EraSide } from '../era-side.ts'
import type { Link } from '../link.ts'
import { errorMessage } from '../../../base/errors.ts'
import { isObject } from '../../../base/is-object.ts'
import { INVALID_REQUEST, type LogLevel, METHOD_NOT_FOUND, MISSING_CAPABILITY } from '../../../wire/mcp-spec.ts'
import { deliverLog } from '../logs.ts'
import { CLIENT_METHODS, missingCapabilities } from './capabilities.ts'
import { createDialog, type Dialog } from './dialog.ts'
import { createSubscriber } from './subscriber.ts'

/** Open at once in one call: a person answers one question at a time, so more are a server gone wrong. Forgotten calls take nothing from others. */
const MAX_QUESTIONS = 64

/** Setting a level is a note for the server. */
const LEVEL_TIMEOUT = 20_000

/** What is for whoever listens to this server, not for a call. */
const OUTSIDE_CALLS = new Set([
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/elicitation/complete'
])

/** Why nobody is asked on a connection of several clients. */
const SHARED = 'this server is shared by several clients, so skein cannot know which one to ask; set isolation: session for it'

export type LegacyOptions = Pick<ConnectionOptions, 'own' | 'parking' | 'onNotification'> & { identity: ServerIdentity }

/**
 * The era with sessions: what the server asks while a call runs ends the call with `input_required`, and its client's next try goes
 * on with it.
 */
export function createLegacySide({ clock, logger }: ConnectionDeps, link: Link, options: LegacyOptions): EraSide {
  const { own, parking, identity } = options
  const { capabilities } = identity
  const dialogs = new Map<PendingCall, Dialog>()
  const questions = new Map<JsonRpcId, Dialog>()
  const subscriber = createSubscriber(link, logger, isObject(capabilities.resources) && capabilities.resources.subscribe === true)
  let parked = 0
  let level: LogLevel | undefined

  const dialogDeps = {
    clock,
    logger,
    link,
    parking,
    sole: () => own?.sole() === true,
    settled: (id: JsonRpcId) => void questions.delete(id),
    onOver: (call: PendingCall) => void dialogs.delete(call),
    onParked(now: boolean) {
      parked += now ? 1 : -1
      // A server that did one thing at a time goes on with the others only now.
      if (!now) for (const call of link.calls.all()) call.renew()
    }
  }

  function refuse(id: JsonRpcId, code: number, message: string): void {
    link.answer(id, { error: { code, message } })
  }
  /** What the client of this call would have had to declare to be asked. */
  function missingFor({ call }: Dialog, method: string, params: Json | undefined): Json | undefined {
    return missingCapabilities(method, params, call.caller?.client.capabilities ?? {})
  }
  /** The dialog of whom to ask, or why there is none. */
  function whoIsAsked(related: PendingCall | undefined, method: string, params: Json | undefined): Dialog | string {
    const dialog = related === undefined ? undefined : dialogs.get(related)
    if (dialog !== undefined) return dialog
    if (own !== undefined) return [...dialogs.values()].at(-1) ?? 'no call of this client is running, so there is nobody to ask'
    // Nobody can be asked here without knowing for whom, but a client that lacks a capability may learn it from its only call.
    const [only] = dialogs.size === 1 ? dialogs.values() : []
    return only !== undefined && missingFor(only, method, params) !== undefined ? only : SHARED
  }
  function ask(question: JsonRpcRequest, related: PendingCall | undefined): void {
    const { id, method } = question
    const params = isObject(question.params) ? question.params : undefined
    const dialog = whoIsAsked(related, method, params)
    if (typeof dialog === 'string') return refuse(id, own === undefined ? METHOD_NOT_FOUND : INVALID_REQUEST, `${method}: ${dialog}`)
    const missing = missingFor(dialog, method, params)
    if (missing !== undefined) {
      refuse(id, METHOD_NOT_FOUND, `${method}: the client did not declare this capability`)
      // Clients of the newer era are told what the call needs; those of this one expect the server to do without.
      if (dialog.call.caller?.client.session === undefined) {
        dialog.fail({ code: MISSING_CAPABILITY, message: `Missing required client capabilities: ${Object.keys(missing).join(', ')}`, data: { requiredCapabilities: missing } })
      }
      return
    }
    if (dialog.questions >= MAX_QUESTIONS || questions.has(id)) return refuse(id, INVALID_REQUEST, 'too many open requests to the client, or an id used twice')
    questions.set(id, dialog)
    dialog.ask(params === undefined ? { jsonrpc: '2.0', id, method } : { jsonrpc: '2.0', id, method, params })
  }

  return {
    era: '2025',
    get waiting() {
      return parked > 0
    },
    call(request, sink) {
      const dialog = createDialog(dialogDeps, request, sink)
      dialogs.set(dialog.call, dialog)
      return dialog.begin()
    },
    async request(method, params, timeout) {
      const answer = await link.request(method, params, timeout)
      return 'error' in answer ? answer : { result: answer.result }
    },
    onRequest(message, related) {
      if (message.method === 'ping') return link.answer(message.id, { result: {} })
      if (CLIENT_METHODS.has(message.method)) return ask(message, related)
      refuse(message.id, METHOD_NOT_FOUND, `skein does not offer ${message.method.slice(0, 100)} to servers`)
    },
    onNotification(message, related) {
      if (message.method === 'notifications/message') {
        if (!deliverLog(message, related, link.calls, () => true)) options.onNotification(message)
      } else if (message.method === 'notifications/cancelled') questions.get(message.params?.requestId as JsonRpcId)?.withdraw(message.params?.requestId as JsonRpcId)
      else if (OUTSIDE_CALLS.has(message.method)) options.onNotification(message)
      else logger.debug('a notification of the server has no reader', { method: message.method.slice(0, 100) })
    },
    subscribe: (uris) => subscriber.want(uris),
    setLogLevel(next) {
      if (next === level || capabilities.logging === undefined) return
      level = next
      link.request('logging/setLevel', { level: next }, LEVEL_TIMEOUT).then(
        (answer) => {
          if ('error' in answer) logger.debug('the server refused a log level', { level: next, error: answer.error.message })
        },
        (error: unknown) => logger.debug('a log level did not reach the server', { level: next, error: errorMessage(error) })
      )
    },
    close() {
      questions.clear()
    }
  }
}
