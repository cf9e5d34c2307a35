/** Submissions: stored once, completed once, found again. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, delivery, later, NO_EFFECTS, submission } from './fixtures.ts'

const DAY_MS = 86_400_000

export function acceptPart(shared: SharedStore): void {
  describe('accept', () => {
    it('stores response and event together', async () => {
      const { store, workspace } = shared()
      const sent = submission({ workspace, startedAt: later(-9_000), meta: '{"ref":"x"}' })
      const [result] = await store.accept([sent])
      expect(result).toMatchObject({ kind: 'stored', responseId: sent.responseId })
      if (result?.kind !== 'stored') return
      expect(result.event).toEqual({
        seq: await store.headSeq(),
        id: sent.eventId,
        workspace,
        type: 'response.submitted',
        at: AT,
        formId: 'contact',
        responseId: sent.responseId,
        hops: 0,
        data: sent.data,
        meta: sent.meta,
        response: { status: 'completed', formVersion: 1, startedAt: later(-9_000), submittedAt: AT },
      })
      expect(await store.getEvent(workspace, sent.eventId)).toEqual(result.event)
      expect(await store.getResponse(workspace, sent.responseId)).toEqual({
        id: sent.responseId,
        workspace,
        formId: 'contact',
        formVersion: 1,
        status: 'completed',
        data: { email: 'ada@example.com' },
        meta: { ref: 'x' },
        clientId: null,
        startedAt: later(-9_000),
        submittedAt: AT,
        createdAt: AT,
        updatedAt: AT,
      })
    })

    it('writes deliveries in the same transaction, in one group with others too', async () => {
      const { store, workspace } = shared()
      const row = (id: string) => ({ workspace, id, plugin: 'p', cursor: 0, at: AT })
      await store.syncInstallations([row('a'), row('b')])
      const forward = (installation: string) => ({ installation, plugin: 'p', delivery: delivery({ eventSeq: 0 }) })
      const sent = Array.from({ length: 20 }, (_, n) =>
        submission({ workspace, at: later(n % 3), forwards: [forward('a'), ...(n % 2 === 0 ? [forward('b')] : [])] }),
      )
      const results = (await Promise.all(sent.map((each) => store.accept([each])))).flat()
      const told = results.flatMap((result) => (result.kind === 'stored' ? result.deliveries : []))
      expect(told).toHaveLength(30)
      for (const result of results) {
        if (result.kind !== 'stored') throw new Error(result.kind)
        for (const each of result.deliveries) {
          expect(each.eventSeq).toBe(result.event.seq)
          expect(await store.getDelivery(workspace, each.id)).toEqual(each)
        }
      }
      const lanes = (await store.laneCounts()).filter((lane) => lane.workspace === workspace)
      expect(lanes).toMatchObject([
        { installation: 'a', pending: 20 },
        { installation: 'b', pending: 10 },
      ])
    })

    it('a reader of the log that asks for a forwarded delivery again makes no second one', async () => {
      const { store, workspace } = shared()
      const head = await store.headSeq()
      await store.syncInstallations([{ workspace, id: 'a', plugin: 'p', cursor: head, at: AT }])
      const forwarded = delivery({ eventSeq: 0, key: 'evt:0' })
      await store.accept([
        submission({ workspace, forwards: [{ installation: 'a', plugin: 'p', delivery: forwarded }] }),
      ])
      const again = await store.commitHandled({
        workspace,
        installation: 'a',
        plugin: 'p',
        fromCursor: head,
        toCursor: head + 1,
        effects: { ...NO_EFFECTS, deliveries: [delivery({ eventSeq: head + 1, key: 'evt:0' })] },
      })
      expect(again).toMatchObject({ kind: 'committed', deliveries: [] })
      const all = (await store.listDeliveries(workspace, { limit: 10 })).items
      expect(all.map(({ id }) => id)).toEqual([forwarded.id])
    })

    it('keeps odd names and texts as they came', async () => {
      const { store, workspace } = shared()
      const data = `{"__proto__":"p","constructor":{"a":[1,null]},"nul":"\\u0000","quote":"'\\"; DROP TABLE events;--","é":"日本\\ud83d\\ude00"}`
      const sent = submission({ workspace, data })
      await store.accept([sent])
      const stored = await store.getResponse(workspace, sent.responseId)
      expect(JSON.stringify(stored?.data)).toBe(JSON.stringify(JSON.parse(data)))
      expect(Object.hasOwn(stored?.data ?? {}, '__proto__')).toBe(true)
    })

    it('answers a repeated Idempotency-Key with what it became, and another body with mismatch', async () => {
      const { store, workspace } = shared()
      const idempotency = { key: 'k1', bodyHash: 'h1' }
      const sent = submission({ workspace, idempotency })
      await store.accept([sent])
      const head = await store.headSeq()
      const results = await store.accept([
        submission({ workspace, idempotency, at: later(5) }),
        submission({ workspace, idempotency: { key: 'k1', bodyHash: 'other' }, at: later(6) }),
      ])
      expect(results).toEqual([
        { kind: 'duplicate', responseId: sent.responseId, status: 'completed', at: AT, eventId: sent.eventId },
        { kind: 'mismatch' },
      ])
      expect(await store.headSeq()).toBe(head)
      expect(await store.countResponses(workspace)).toBe(1)
    })

    it('forgets an Idempotency-Key after a day', async () => {
      const { store, workspace } = shared()
      const idempotency = { key: 'k1', bodyHash: 'h1' }
      await store.accept([submission({ workspace, idempotency })])
      const [before] = await store.accept([submission({ workspace, idempotency, at: later(DAY_MS - 1) })])
      expect(before?.kind).toBe('duplicate')
      const [after] = await store.accept([
        submission({ workspace, idempotency: { ...idempotency, bodyHash: 'h2' }, at: later(DAY_MS) }),
      ])
      expect(after?.kind).toBe('stored')
    })

    it('stores fifty concurrent twins once', async () => {
      const { store, workspace } = shared()
      const twins = Array.from({ length: 50 }, () =>
        submission({ workspace, idempotency: { key: 'twin', bodyHash: 'h' } }),
      )
      const results = (await Promise.all(twins.map((twin) => store.accept([twin])))).flat()
      const stored = results.filter((result) => result.kind === 'stored')
      expect(stored).toHaveLength(1)
      const ids = results.map((result) => (result.kind === 'mismatch' ? null : result.responseId))
      expect(new Set(ids).size).toBe(1)
      expect(await store.countResponses(workspace)).toBe(1)
    })

    it('knows a client id again, per form', async () => {
      const { store, workspace } = shared()
      const first = submission({ workspace, clientId: 'c1' })
      await store.accept([first])
      const results = await store.accept([
        submission({ workspace, clientId: 'c1', at: later(1) }),
        submission({ workspace, clientId: 'c1', formId: 'other' }),
      ])
      expect(results[0]).toEqual({
        kind: 'duplicate',
        responseId: first.responseId,
        status: 'completed',
        at: AT,
        eventId: first.eventId,
      })
      expect(results[1]?.kind).toBe('stored')
    })

    it('updates a partial response, completes it once, and never goes back', async () => {
      const { store, workspace } = shared()
      const part = (n: number, status: 'partial' | 'completed') =>
        submission({
          workspace,
          clientId: 'c1',
          status,
          data: `{"n":${n}}`,
          at: later(n),
          formVersion: n,
          startedAt: later(-n),
        })
      const first = part(1, 'partial')
      const [stored] = await store.accept([first])
      expect(stored).toMatchObject({ kind: 'stored', event: { type: 'response.partial', data: '{"n":1}' } })
      const [updated] = await store.accept([part(2, 'partial')])
      expect(updated).toMatchObject({
        kind: 'stored',
        responseId: first.responseId,
        event: { type: 'response.partial', data: '{"n":2}' },
      })
      const [completed] = await store.accept([part(3, 'completed')])
      expect(completed).toMatchObject({
        kind: 'completed',
        responseId: first.responseId,
        event: { type: 'response.submitted', responseId: first.responseId },
      })
      const [late, twice] = await store.accept([part(4, 'partial'), part(5, 'completed')])
      expect(late).toMatchObject({ kind: 'duplicate', responseId: first.responseId, status: 'completed', at: later(3) })
      expect(late).not.toHaveProperty('differs')
      expect(twice).toMatchObject({ kind: 'duplicate', responseId: first.responseId, differs: true })
      expect(await store.getResponse(workspace, first.responseId)).toMatchObject({
        status: 'completed',
        data: { n: 3 },
        formVersion: 3,
        startedAt: later(-1),
        submittedAt: later(3),
        createdAt: later(1),
        updatedAt: later(3),
      })
      const log = await store.readEvents({ workspace, afterSeq: 0, limit: 10 })
      expect(log.map(({ type, data, response }) => [type, data, response?.status, response?.formVersion])).toEqual([
        ['response.partial', '{"n":1}', 'partial', 1],
        ['response.partial', '{"n":2}', 'partial', 2],
        ['response.submitted', '{"n":3}', 'completed', 3],
      ])
      if (completed?.kind === 'completed') expect(log[2]).toEqual(completed.event)
      expect(await store.countResponses(workspace)).toBe(1)
    })

    it('treats the rows of one call in order', async () => {
      const { store, workspace } = shared()
      const results = await store.accept([
        submission({ workspace, clientId: 'x' }),
        submission({ workspace, clientId: 'x' }),
        submission({ workspace, idempotency: { key: 'y', bodyHash: '1' } }),
        submission({ workspace, idempotency: { key: 'y', bodyHash: '2' } }),
      ])
      expect(results.map(({ kind }) => kind)).toEqual(['stored', 'duplicate', 'stored', 'mismatch'])
      expect(await store.accept([])).toEqual([])
    })

    it('lists newest first, in stable pages, filtered', async () => {
      const { store, workspace } = shared()
      const rows = Array.from({ length: 7 }, (_, n) =>
        submission({
          workspace,
          at: later(n < 3 ? 0 : n),
          formId: n % 2 === 0 ? 'even' : 'odd',
          status: n === 6 ? 'partial' : 'completed',
        }),
      )
      await store.accept(rows)
      const newest = rows.map(({ responseId }) => responseId).toReversed()
      const first = await store.listResponses(workspace, { limit: 3 })
      // What arrives meanwhile does not shift the pages after it.
      await store.accept([submission({ workspace, at: later(100), formId: 'even' })])
      const second = await store.listResponses(workspace, { limit: 3, after: first.next ?? '' })
      const third = await store.listResponses(workspace, { limit: 3, after: second.next ?? '' })
      expect([first, second, third].flatMap(({ items }) => items.map(({ id }) => id))).toEqual(newest)
      expect(third.next).toBeNull()
      const even = await store.listResponses(workspace, { limit: 10, form: 'even', until: later(100) })
      expect(even.items.map(({ id }) => id)).toEqual(newest.filter((_, i) => i % 2 === 0))
      const partial = await store.listResponses(workspace, { limit: 10, status: 'partial' })
      expect(partial.items.map(({ id }) => id)).toEqual([newest[0]])
      const window = await store.listResponses(workspace, {
        limit: 10,
        since: '2026-03-01T11:00:00.003+01:00',
        until: later(5),
      })
      expect(window.items.map(({ createdAt }) => createdAt)).toEqual([later(4), later(3)])
      expect(await store.countResponses(workspace, 'even')).toBe(5)
    })

    it('says what is wrong with a cursor or a time', async () => {
      const { store, workspace } = shared()
      await expect(store.listResponses(workspace, { limit: 1, after: 'nonsense' })).rejects.toMatchObject({
        code: 'invalid_query',
      })
      await expect(store.listResponses(workspace, { limit: 1, since: 'yesterday' })).rejects.toMatchObject({
        code: 'invalid_query',
      })
    })

    it('drops expired keys when it purges, in slices', async () => {
      const { store, workspace } = shared()
      const many = Array.from({ length: 1_100 }, (_, n) =>
        submission({ workspace, at: later(-3 * DAY_MS), idempotency: { key: `p${n}`, bodyHash: 'h' } }),
      )
      await store.accept(many)
      await store.accept([submission({ workspace, idempotency: { key: 'fresh', bodyHash: 'h' } })])
      expect(await store.purge(AT_MS - DAY_MS)).toBeGreaterThanOrEqual(1_100)
      expect(await store.purge(AT_MS - DAY_MS)).toBe(0)
      const [fresh] = await store.accept([
        submission({ workspace, responseId: newId('response'), idempotency: { key: 'fresh', bodyHash: 'h' } }),
      ])
      expect(fresh?.kind).toBe('duplicate')
    })
  })
}
