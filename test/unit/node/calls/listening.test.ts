import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { CLIENT, createBackendWorld, visibleServer, type BackendWorld, type StartedCall } from '../../../support/backend-world.ts'
import { flush, recordingSink } from '../../../support/mcp-calls.ts'

const updated = (uri: string) => ({ jsonrpc: '2.0' as const, method: 'notifications/resources/updated', params: { uri } })
const provided = (...providers: string[]) => visibleServer('files', { providers, about: { resources: [{ name: 'a', uri: 'file:///a' }] } })
const other = visibleServer('other', { about: { resourceTemplates: [{ name: 'x', uriTemplate: 'x:{id}' }] } })
const urisOf = ({ request }: StartedCall) => (request.params['notifications'] as { resourceSubscriptions: string[] }).resourceSubscriptions
const open = (w: BackendWorld) => w.calls.filter((call) => call.cancelled.length === 0)
const lost = new SkeinError('SKEIN_OUTCOME_UNKNOWN', 'the session closed')

describe('listening', () => {
  test('in a one-server view is one listen there, without any resource too', async () => {
    const w = createBackendWorld(provided('P-a'), other)
    const sink = recordingSink()
    const listening = w.backend.listen({ view: 'files', client: CLIENT, resources: [] }, sink)
    expect(w.calls).toMatchObject([{ peer: 'P-a', request: { server: 'files', method: 'subscriptions/listen', params: { notifications: { resourceSubscriptions: [] } }, client: CLIENT, timeout: 60_000 } }])
    w.last().sink.notification(updated('file:///a'))
    expect(sink.notifications).toEqual([updated('file:///a')])
    expect(w.metric('skein_calls_listens')).toBe(1)
    listening.close()
    listening.close()
    expect(w.last().cancelled).toHaveLength(1)
    w.last().sink.notification(updated('file:///late'))
    w.last().fail(lost)
    await flush()
    w.clock.advance(60_000)
    expect(w.calls).toHaveLength(1)
    expect(sink.notifications).toHaveLength(1)
    expect(w.metric('skein_calls_listens')).toBe(0)
    expect(w.clock.pending).toBe(0)
  })

  test('in a wide view is one listen at each server whose resources are wanted', async () => {
    const w = createBackendWorld(provided('P-a'), other)
    const listening = w.backend.listen({ view: undefined, client: CLIENT, resources: ['file:///a', 'x:1', 'x:2', 'nobody:1'] }, recordingSink())
    expect(open(w).map((call) => [call.request.server, urisOf(call)])).toEqual([['files', ['file:///a']], ['other', ['x:1', 'x:2']]])
    listening.update(['x:2'])
    listening.update(['x:2', 'x:3'])
    await flush()
    expect(open(w).map((call) => [call.request.server, urisOf(call)])).toEqual([['other', ['x:2', 'x:3']]])
    expect(w.metric('skein_calls_listens')).toBe(1)
    listening.update([])
    await flush()
    expect(open(w)).toEqual([])
  })

  test('opens the new listen before the old one ends, and hears each thing once', async () => {
    const w = createBackendWorld(provided('P-a'))
    const sink = recordingSink()
    const listening = w.backend.listen({ view: 'files', client: CLIENT, resources: ['file:///a'] }, sink)
    const [first] = w.calls as [StartedCall]
    let openBefore = 0
    first.cancelled.push = () => (openBefore = w.calls.length)
    listening.update(['file:///a', 'file:///b'])
    await flush()
    expect(openBefore).toBe(2)
    first.sink.notification(updated('file:///a'))
    w.last().sink.notification(updated('file:///a'))
    expect(sink.notifications).toHaveLength(1)
    listening.update(['file:///a', 'file:///b', 'file:///b'])
    await flush()
    expect(w.calls).toHaveLength(2)
  })

  test('is opened again when it breaks: soon, then less and less often, until it lives', async () => {
    const w = createBackendWorld(provided('P-a'))
    const sink = recordingSink()
    w.backend.listen({ view: 'files', client: CLIENT, resources: ['file:///a'] }, sink)
    const waits: number[] = []
    for (let n = 0; n < 10; n++) {
      const before = w.calls.length
      if (n % 2 === 0) w.last().fail(lost)
      else w.last().settle({ result: {} })
      await flush()
      let waited = 0
      for (; w.calls.length === before; waited += 50) w.clock.advance(50)
      waits.push(waited)
    }
    for (const [n, waited] of waits.entries()) {
      const base = Math.min(10_000, 200 * 2 ** n)
      expect(waited).toBeGreaterThanOrEqual(base * 0.75)
      expect(waited).toBeLessThanOrEqual(base * 1.25 + 50)
    }
    w.clock.advance(30_000)
    w.last().fail(lost)
    await flush()
    w.clock.advance(250)
    expect(w.calls).toHaveLength(12)
    w.last().sink.notification(updated('file:///a'))
    expect(sink.notifications).toHaveLength(1)
  })

  test('moves at once when its provider goes and the name has another, and waits while there is none', async () => {
    const w = createBackendWorld(provided('P-a'))
    w.backend.listen({ view: 'files', client: CLIENT, resources: [] }, recordingSink())
    w.show(provided('P-b'))
    await flush()
    expect(open(w).map(({ peer }) => peer)).toEqual(['P-b'])
    w.show()
    await flush()
    expect(open(w)).toEqual([])
    w.clock.advance(60_000)
    expect(w.calls).toHaveLength(2)
    w.show(provided('P-c'))
    await flush()
    expect(open(w).map(({ peer }) => peer)).toEqual(['P-c'])
    w.show(provided('P-c', 'P-d'))
    await flush()
    expect(open(w).map(({ peer }) => peer)).toEqual(['P-c'])
    expect(w.metric('skein_calls_listens')).toBe(1)
  })

  test('a lost session and the news of it do not open it twice', async () => {
    const w = createBackendWorld(provided('P-a'))
    w.backend.listen({ view: 'files', client: CLIENT, resources: [] }, recordingSink())
    w.last().fail(lost)
    await flush()
    w.show(provided('P-b'))
    await flush()
    w.clock.advance(60_000)
    expect(w.calls.map(({ peer }) => peer)).toEqual(['P-a', 'P-b'])
    expect(w.clock.pending).toBe(0)
  })

  describe('moves when calls to its provider take another way', () => {
    function moving(...providers: string[]) {
      const w = createBackendWorld(provided(...(providers.length > 0 ? providers : ['P-a'])), visibleServer('other', { providers: ['P-z'], about: { resources: [{ name: 'z', uri: 'z:1' }] } }))
      const sink = recordingSink()
      const listening = w.backend.listen({ view: undefined, client: CLIENT, resources: ['file:///a', 'z:1'] }, sink)
      const heard = () => sink.notifications.map(({ params }) => params?.['uri'])
      return { w, sink, listening, heard, first: w.calls[0] as StartedCall }
    }

    test('to the same peer, and what listens elsewhere stays', () => {
      const { w, first } = moving('P-b', 'P-a')
      w.backend.rerouted('P-nobody')
      expect(w.calls).toHaveLength(2)
      w.backend.rerouted(first.peer)
      expect(w.calls.map(({ request }) => request.server)).toEqual(['files', 'other', 'files'])
      expect(w.last().peer).toBe(first.peer)
      expect(urisOf(w.last())).toEqual(['file:///a'])
      w.clock.advance(999)
      expect(first.cancelled).toEqual([])
      w.clock.advance(1)
      expect(first.cancelled).toHaveLength(1)
      expect(open(w).map(({ request }) => request.server)).toEqual(['other', 'files'])
      expect(w.metric('skein_calls_listens')).toBe(2)
      expect(w.clock.pending).toBe(0)
    })

    test('nothing is lost on the old way before the new one is open, and nothing comes twice, whichever is quicker', () => {
      const { w, first, heard } = moving()
      w.backend.rerouted('P-a')
      const second = w.last()
      first.sink.notification(updated('file:///a?1'))
      w.clock.advance(100)
      first.sink.notification(updated('file:///a?2'))
      second.sink.notification(updated('file:///a?2'))
      second.sink.notification(updated('file:///a?3'))
      first.sink.notification(updated('file:///a?3'))
      // Twice the same are two, …
      second.sink.notification(updated('file:///a?4'))
      second.sink.notification(updated('file:///a?4'))
      first.sink.notification(updated('file:///a?4'))
      first.sink.notification(updated('file:///a?4'))
      expect(heard()).toEqual(['file:///a?1', 'file:///a?2', 'file:///a?3', 'file:///a?4', 'file:///a?4'])
      // … and what came in vain before the new way was open does not stand for what comes later.
      w.clock.advance(400)
      second.sink.notification(updated('file:///a?1'))
      w.clock.advance(500)
      first.sink.notification(updated('file:///late'))
      second.sink.notification(updated('file:///a?4'))
      second.sink.notification(updated('file:///a?4'))
      expect(heard().slice(5)).toEqual(['file:///a?1', 'file:///a?4', 'file:///a?4'])
    })

    test('the old way goes on when the new one fails, which is tried again', async () => {
      const { w, first, heard } = moving()
      w.backend.rerouted('P-a')
      w.last().fail(new SkeinError('SKEIN_BUSY', 'full'))
      await flush()
      first.sink.notification(updated('file:///a'))
      expect(heard()).toEqual(['file:///a'])
      w.clock.advance(250)
      expect(w.calls).toHaveLength(4)
      w.clock.advance(1_000)
      expect(first.cancelled).toHaveLength(1)
      w.last().sink.notification(updated('file:///b'))
      expect(heard()).toEqual(['file:///a', 'file:///b'])
      expect(w.metric('skein_calls_listens')).toBe(2)
      expect(w.clock.pending).toBe(0)
    })

    test('the old way breaks: the new one is there already', async () => {
      const { w, first, heard } = moving()
      w.backend.rerouted('P-a')
      first.fail(lost)
      await flush()
      w.last().sink.notification(updated('file:///a'))
      expect(heard()).toEqual(['file:///a'])
      w.clock.advance(60_000)
      expect(w.calls).toHaveLength(3)
      expect(w.metric('skein_calls_listens')).toBe(2)
    })

    test('both ways break: it is opened again as after any break, once', async () => {
      const { w, first } = moving()
      w.backend.rerouted('P-a')
      w.last().fail(lost)
      await flush()
      first.fail(lost)
      await flush()
      expect(w.metric('skein_calls_listens')).toBe(1)
      w.clock.advance(2_000)
      expect(w.calls).toHaveLength(4)
      expect(open(w).length - 2).toBe(2)
      expect(w.metric('skein_calls_listens')).toBe(2)
      expect(w.clock.pending).toBe(0)
    })

    test('a way that changes again and again: the one that surely hears stays until one lasts', () => {
      const { w, first } = moving()
      for (let n = 0; n < 3; n++) {
        w.backend.rerouted('P-a')
        w.clock.advance(500)
      }
      expect(open(w).filter(({ peer }) => peer === 'P-a')).toEqual([first, w.last()])
      w.clock.advance(500)
      expect(open(w).filter(({ peer }) => peer === 'P-a')).toEqual([w.last()])
      expect(w.metric('skein_calls_listens')).toBe(2)
    })

    test('whoever closes, subscribes to something else or loses the provider meanwhile leaves nothing behind', async () => {
      const closed = moving()
      closed.w.backend.rerouted('P-a')
      closed.listening.close()
      expect(open(closed.w)).toEqual([])
      closed.first.sink.notification(updated('file:///a'))
      closed.w.backend.rerouted('P-a')
      expect(closed.heard()).toEqual([])
      expect(closed.w.metric('skein_calls_listens')).toBe(0)

      const changed = moving()
      changed.w.backend.rerouted('P-a')
      changed.listening.update(['file:///a', 'z:1', 'z:2'])
      changed.w.show(provided('P-b'))
      await flush()
      expect(open(changed.w).map(({ peer }) => peer)).toEqual(['P-b'])
      expect(changed.w.metric('skein_calls_listens')).toBe(1)
      for (const { clock } of [closed.w, changed.w]) expect(clock.pending).toBe(0)
    })
  })

  test('is bounded: resources of one client, and clients', () => {
    const w = createBackendWorld(provided('P-a'))
    w.backend.listen({ view: 'files', client: CLIENT, resources: Array.from({ length: 1_500 }, (_, n) => `file:///${n}`) }, recordingSink())
    expect(urisOf(w.last())).toHaveLength(1_000)
    const open = Array.from({ length: 4_200 }, () => w.backend.listen({ view: 'files', client: CLIENT, resources: [] }, recordingSink()))
    expect(w.calls).toHaveLength(4_096)
    expect(w.metric('skein_calls_listens')).toBe(4_096)
    for (const each of open) each.close()
    w.backend.listen({ view: 'files', client: CLIENT, resources: [] }, recordingSink())
    expect(w.calls).toHaveLength(4_097)
    expect(w.metric('skein_calls_listens')).toBe(2)
  })
})
