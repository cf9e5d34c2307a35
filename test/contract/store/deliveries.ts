/** What is due, and lists of deliveries. */
import { describe, expect, it } from 'vitest'
import type { NewDelivery } from '../../../core/model.ts'
import type { SharedStore } from '../store.ts'
import { AT_MS, delivery, died, event, finished, retried } from './fixtures.ts'
import { apply } from './memory.ts'

const ids = (rows: readonly { readonly id: string }[]): string[] => rows.map(({ id }) => id)

export function deliveriesPart(shared: SharedStore): void {
  describe('due deliveries', () => {
    const due = (workspace: string, changes: object = {}) => ({
      workspace,
      installation: 'crm',
      untilMs: AT_MS + 1_000,
      limit: 10,
      exceptIds: [],
      ...changes,
    })

    it('loads the oldest due first, but not what the caller holds or what is not due', async () => {
      const { store, workspace } = shared()
      const [b, a, c, future] = [2, 1, 3, 5_000].map((ms) => delivery({ dueAtMs: AT_MS + ms })) as [
        NewDelivery,
        NewDelivery,
        NewDelivery,
        NewDelivery,
      ]
      await apply(store, workspace, { deliveries: [b, a, c, future] })
      await apply(store, workspace, { deliveries: [delivery()] }, 'other')
      expect(ids(await store.loadDue(due(workspace)))).toEqual([a.id, b.id, c.id])
      expect(ids(await store.loadDue(due(workspace, { exceptIds: [a.id, 'unknown'], limit: 1 })))).toEqual([b.id])
      expect(ids(await store.loadDue(due(workspace, { untilMs: AT_MS + 5_000 })))).toEqual([
        a.id,
        b.id,
        c.id,
        future.id,
      ])
      expect(await store.loadDue(due(workspace, { untilMs: AT_MS }))).toEqual([])
      const from = { dueAtMs: AT_MS + 2, id: b.id }
      expect(ids(await store.loadDue(due(workspace, { from })))).toEqual([b.id, c.id])
      expect(ids(await store.loadDue(due(workspace, { from, exceptIds: [b.id], limit: 1 })))).toEqual([c.id])
      expect((await store.loadDue(due(workspace, { limit: 1 })))[0]).toEqual(await store.getDelivery(workspace, a.id))
    })

    it('keeps what each shares its order and its pace with', async () => {
      const { store, workspace } = shared()
      await apply(store, workspace, { deliveries: [delivery({ orderKey: 'a', paceKey: 'C1' }), delivery()] })
      const rows = await store.loadDue(due(workspace))
      expect(rows.map(({ orderKey, paceKey }) => [orderKey, paceKey])).toEqual([
        ['a', 'C1'],
        [null, null],
      ])
    })

    it('knows when the next one is due', async () => {
      const { store, workspace } = shared()
      expect(await store.nextDue(workspace, 'crm')).toBeNull()
      const rows = [delivery({ dueAtMs: AT_MS + 9 }), delivery({ dueAtMs: AT_MS + 4 })]
      await apply(store, workspace, { deliveries: rows })
      expect(await store.nextDue(workspace, 'crm')).toBe(AT_MS + 4)
      expect(await store.nextDue(workspace, 'crm', AT_MS + 4)).toBe(AT_MS + 9)
      expect(await store.nextDue(workspace, 'crm', AT_MS + 9)).toBeNull()
      await store.finishAttempts(rows.map(({ id }) => finished({ workspace, deliveryId: id })))
      expect(await store.nextDue(workspace, 'crm')).toBeNull()
      expect(await store.loadDue(due(workspace))).toEqual([])
    })

    it('gives a FIFO lane only the head of each order key', async () => {
      const { store, workspace } = shared()
      const make = (orderKey: string | null, dueMs: number) => delivery({ orderKey, dueAtMs: AT_MS + dueMs })
      const [a1, a2, b1, b2, free1, free2] = [
        make('a', 3),
        make('a', 1),
        make('b', 9_000),
        make('b', 1),
        make(null, 2),
        make(null, 0),
      ] as [NewDelivery, NewDelivery, NewDelivery, NewDelivery, NewDelivery, NewDelivery]
      await apply(store, workspace, { deliveries: [a1, a2, b1, b2, free1, free2] })
      await apply(store, workspace, { deliveries: [make('a', 0)] }, 'other')
      expect(ids(await store.loadDue(due(workspace, { heads: true })))).toEqual([free2.id, free1.id, a1.id])
      expect(ids(await store.loadDue(due(workspace, { heads: true, exceptIds: [free2.id], limit: 1 })))).toEqual([
        free1.id,
      ])
      const from = { dueAtMs: free1.dueAtMs, id: free1.id }
      expect(ids(await store.loadDue(due(workspace, { heads: true, from })))).toEqual([free1.id, a1.id])
      expect(ids(await store.loadDue(due(workspace, { heads: true, from, limit: 1 })))).toEqual([free1.id])
      await store.finishAttempts([retried(a1.id, { workspace })])
      expect(ids(await store.loadDue(due(workspace, { heads: true })))).toEqual([free2.id, free1.id])
      await store.finishAttempts([died(a1.id, { workspace }), finished({ workspace, deliveryId: b1.id })])
      expect(ids(await store.loadDue(due(workspace, { heads: true })))).toEqual([free2.id, a2.id, b2.id, free1.id])
    })

    it('hastens those of an installation, or of one host', async () => {
      const { store, workspace } = shared()
      const rows = Array.from({ length: 4 }, () => delivery())
      await apply(store, workspace, { deliveries: rows })
      const wait = (i: number, host: string) => retried(rows[i]?.id ?? '', { workspace, host, dueAtMs: AT_MS + 60_000 })
      await store.finishAttempts([
        wait(0, 'a.example'),
        wait(1, 'a.example'),
        wait(2, 'b.example'),
        died(rows[3]?.id ?? '', { workspace, host: 'a.example' }),
      ])
      expect(
        await store.hasten({ workspace: workspace, installation: 'crm', host: 'a.example', nowMs: AT_MS + 7 }),
      ).toBe(2)
      expect(ids(await store.loadDue(due(workspace)))).toEqual([rows[0]?.id, rows[1]?.id])
      expect(await store.hasten({ workspace: workspace, installation: 'crm', host: null, nowMs: AT_MS + 8 })).toBe(1)
      expect(await store.hasten({ workspace: workspace, installation: 'crm', host: null, nowMs: AT_MS + 8 })).toBe(0)
    })

    it('hastens more than one slice', async () => {
      const { store, workspace } = shared()
      await apply(store, workspace, {
        deliveries: Array.from({ length: 2_300 }, () => delivery({ dueAtMs: AT_MS + 60_000 })),
      })
      expect(await store.hasten({ workspace: workspace, installation: 'crm', host: null, nowMs: AT_MS })).toBe(2_300)
      expect(await store.loadDue(due(workspace, { limit: 5_000 }))).toHaveLength(2_300)
    })
  })

  describe('lists of deliveries', () => {
    it('pages newest first and does not shift when more arrive', async () => {
      const { store, workspace } = shared()
      const rows = Array.from({ length: 7 }, () => delivery())
      for (const row of rows) await apply(store, workspace, { deliveries: [row] })
      const first = await store.listDeliveries(workspace, { limit: 3 })
      await apply(store, workspace, { deliveries: [delivery()] })
      const second = await store.listDeliveries(workspace, { limit: 3, after: first.next ?? '' })
      const third = await store.listDeliveries(workspace, { limit: 3, after: second.next ?? '' })
      expect([first, second, third].flatMap(({ items }) => ids(items))).toEqual(ids(rows).toReversed())
      expect(third.next).toBeNull()
      const waiting: string[] = []
      for (let after: string | null | undefined; after !== null;) {
        const part = await store.listDeliveries(workspace, {
          limit: 3,
          installation: 'crm',
          state: 'pending',
          after: after ?? undefined,
        })
        waiting.push(...ids(part.items))
        after = part.next
      }
      expect(waiting.slice(1)).toEqual(ids(rows).toReversed())
    })

    it('filters by everything it offers, and counts the same', async () => {
      const { store, workspace } = shared()
      const [withResponse] = await store.appendEvents(workspace, [event({ responseId: 'rsp_1', formId: 'f1' })])
      const [alone] = await store.appendEvents(workspace, [event({ formId: 'f1' })])
      const of = (logged: typeof alone) => ({
        eventId: logged?.id ?? '',
        eventSeq: logged?.seq ?? 0,
        formId: 'f1',
        responseId: logged?.responseId ?? null,
      })
      const [a, b, c, d] = [
        delivery(of(withResponse)),
        delivery(of(alone)),
        delivery(),
        delivery({ formId: 'f2' }),
      ] as [NewDelivery, NewDelivery, NewDelivery, NewDelivery]
      await apply(store, workspace, { deliveries: [a, b, c] })
      await apply(store, workspace, { deliveries: [d] }, 'other')
      await store.finishAttempts([died(a.id, { workspace }), finished({ workspace, deliveryId: b.id })])
      const found = async (query: object) => {
        const items = ids((await store.listDeliveries(workspace, { limit: 10, ...query })).items).toSorted()
        expect(await store.countDeliveries(workspace, query)).toBe(items.length)
        return items
      }
      const sorted = (...rows: NewDelivery[]) => ids(rows).toSorted()
      expect(await found({})).toEqual(sorted(a, b, c, d))
      expect(await found({ installation: 'other' })).toEqual(sorted(d))
      expect(await found({ form: 'f1' })).toEqual(sorted(a, b))
      expect(await found({ response: 'rsp_1' })).toEqual(sorted(a))
      expect(await found({ event: withResponse?.id })).toEqual(sorted(a))
      expect(await found({ event: alone?.id })).toEqual(sorted(b))
      expect(await found({ event: 'evt_unknown' })).toEqual([])
      expect(await found({ state: 'dead' })).toEqual(sorted(a))
      expect(await found({ state: 'delivered' })).toEqual(sorted(b))
      expect(await found({ state: 'pending', installation: 'crm' })).toEqual(sorted(c))
      expect(await found({ reason: 'receiver_failed' })).toEqual(sorted(a))
      expect(await found({ reason: 'config_error' })).toEqual([])
      expect(await found({ since: '2999-01-01T00:00:00Z' })).toEqual([])
      expect(await found({ until: '2020-01-01T00:00:00Z' })).toEqual([])
      expect(await found({ since: '2020-01-01T00:00:00Z', until: '2999-01-01T00:00:00Z' })).toEqual(sorted(a, b, c, d))
    })
  })
}
