/** The end of attempts: states, log rows, effects, counters, health. */
import { describe, expect, it } from 'vitest'
import type { NewDelivery } from '../../../core/model.ts'
import type { Store } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, delivery, died, event, finished, later, NO_EFFECTS, retried, submission } from './fixtures.ts'
import { apply } from './memory.ts'

export function attemptsPart(shared: SharedStore): void {
  const make = async (store: Store, workspace: string, count: number) => {
    const rows = Array.from({ length: count }, () => delivery())
    await apply(store, workspace, { deliveries: rows })
    return rows as [NewDelivery, ...NewDelivery[]]
  }
  const lane = async (store: Store, workspace: string) => {
    const { pending, retrying, delivered, dead, oldestAt } =
      (await store.laneCounts()).find((row) => row.workspace === workspace) ?? {}
    return { pending, retrying, delivered, dead, waits: oldestAt !== null }
  }
  const row = async (store: Store, workspace: string) =>
    (await store.syncInstallations([])).find((installation) => installation.workspace === workspace)

  describe('finishAttempts', () => {
    it('moves a delivery through its life and logs each attempt', async () => {
      const { store, workspace } = shared()
      const [one] = await make(store, workspace, 1)
      expect(await lane(store, workspace)).toEqual({ pending: 1, retrying: 0, delivered: 0, dead: 0, waits: true })
      await store.finishAttempts([retried(one.id, { workspace, scheduleStep: 1 })])
      expect(await store.getDelivery(workspace, one.id)).toMatchObject({
        state: 'retrying',
        attempts: 1,
        scheduleStep: 1,
        dueAtMs: AT_MS + 5_000,
        errorCode: 'http_503',
        error: 'It answered 503.',
        host: 'crm.example',
        finishedAt: null,
      })
      expect(await lane(store, workspace)).toMatchObject({ pending: 0, retrying: 1, waits: true })
      const result = await store.finishAttempts([finished({ workspace, deliveryId: one.id, scheduleStep: 2 })])
      expect(result).toEqual({ deliveries: [], events: [], refused: [] })
      expect(await store.getDelivery(workspace, one.id)).toMatchObject({
        state: 'delivered',
        attempts: 2,
        errorCode: null,
        error: null,
        finishedAt: later(12),
      })
      expect(await lane(store, workspace)).toEqual({ pending: 0, retrying: 0, delivered: 1, dead: 0, waits: false })
      const attempts = await store.listAttempts(workspace, one.id)
      expect(attempts.map(({ n, outcome }) => [n, outcome])).toEqual([
        [1, 'retry'],
        [2, 'delivered'],
      ])
      expect(attempts[1]).toEqual({ ...finished({ deliveryId: one.id }).attempt, deliveryId: one.id, n: 2 })
    })

    it('appends delivery.dead for a dead letter, one hop after its cause', async () => {
      const { store, workspace } = shared()
      const [cause] = await store.appendEvents(workspace, [event({ hops: 2, formId: 'contact' })])
      const one = delivery({ eventSeq: cause?.seq ?? 0, eventId: cause?.id ?? '', formId: 'contact' })
      await apply(store, workspace, { deliveries: [one] })
      const { events } = await store.finishAttempts([died(one.id, { workspace })])
      expect(events).toMatchObject([
        {
          type: 'delivery.dead',
          at: later(12),
          formId: 'contact',
          responseId: null,
          hops: 3,
          seq: await store.headSeq(),
        },
      ])
      expect(JSON.parse(events[0]?.data ?? '')).toEqual({
        delivery_id: one.id,
        installation: 'crm',
        plugin: 'webhooks',
        reason: 'receiver_failed',
        code: 'http_500',
        message: 'It answered 500.',
      })
      expect(await store.getEvent(workspace, events[0]?.id ?? '')).toEqual(events[0])
      expect(await store.getDelivery(workspace, one.id)).toMatchObject({
        state: 'dead',
        reason: 'receiver_failed',
        finishedAt: later(12),
      })
    })

    it('refuses to move what has ended, or is not there, and lets the rest of the call through', async () => {
      const { store, workspace } = shared()
      const [done, dead, open] = (await make(store, workspace, 3)) as [NewDelivery, NewDelivery, NewDelivery]
      await store.finishAttempts([finished({ workspace, deliveryId: done.id }), died(dead.id, { workspace })])
      const effects = { ...NO_EFFECTS, tallies: [{ name: 'n', by: 1 }] }
      const result = await store.finishAttempts([
        retried(done.id, { workspace, effects }),
        finished({ workspace, deliveryId: dead.id, effects }),
        finished({ workspace, deliveryId: 'dlv_unknown', effects }),
        finished({ workspace, deliveryId: open.id, effects }),
      ])
      expect(result).toEqual({ deliveries: [], events: [], refused: [done.id, dead.id, 'dlv_unknown'] })
      expect((await store.getDelivery(workspace, done.id))?.state).toBe('delivered')
      expect((await store.getDelivery(workspace, dead.id))?.state).toBe('dead')
      expect((await store.getDelivery(workspace, open.id))?.state).toBe('delivered')
      expect(await store.listAttempts(workspace, done.id)).toHaveLength(1)
      expect(await store.tallies({ workspace, installation: 'crm', prefix: '', after: null, limit: 100 })).toEqual({
        n: 1,
      })
      expect(await lane(store, workspace)).toEqual({ pending: 0, retrying: 0, delivered: 2, dead: 1, waits: false })
    })

    it('never makes a retrying one pending', async () => {
      const { store, workspace } = shared()
      const [one] = await make(store, workspace, 1)
      await store.finishAttempts([retried(one.id, { workspace })])
      expect((await store.finishAttempts([retried(one.id, { workspace, state: 'pending' })])).refused).toEqual([one.id])
    })

    it('commits what the action asked for, and answers the new deliveries', async () => {
      const { store, workspace } = shared()
      const [one] = await make(store, workspace, 1)
      const next = delivery({ name: 'follow-up' })
      const effects = {
        deliveries: [next, delivery({ key: next.key })],
        kv: [{ key: 'k', value: '"v"', expiresAtMs: null }],
        events: [event()],
        tallies: [{ name: 't', by: 1 }],
      }
      const result = await store.finishAttempts([finished({ workspace, deliveryId: one.id, effects })])
      expect(result.deliveries.map(({ id }) => id)).toEqual([next.id])
      expect(await store.getDelivery(workspace, next.id)).toEqual(result.deliveries[0])
      expect(result.events).toMatchObject([{ id: effects.events[0]?.id, seq: await store.headSeq() }])
      expect(await store.kvGet({ workspace: workspace, installation: 'crm', key: 'k', nowMs: AT_MS })).toBe('"v"')
      expect(await store.tallies({ workspace, installation: 'crm', prefix: '', after: null, limit: 100 })).toEqual({
        t: 1,
      })
    })

    it('lets the effects of a batch happen once, with the first entry that is not refused', async () => {
      const { store, workspace } = shared()
      const [gone, one, two] = (await make(store, workspace, 3)) as [NewDelivery, NewDelivery, NewDelivery]
      await store.finishAttempts([finished({ workspace, deliveryId: gone.id })])
      const next = delivery()
      const effects = { ...NO_EFFECTS, deliveries: [next], events: [event()], tallies: [{ name: 'rows', by: 3 }] }
      const result = await store.finishAttempts(
        [gone, one, two].map(({ id }) => finished({ workspace, deliveryId: id, effects, batch: 'run_1' })),
      )
      expect(result.refused).toEqual([gone.id])
      expect(result.deliveries.map(({ id }) => id)).toEqual([next.id])
      expect(result.events.map(({ id }) => id)).toEqual(effects.events.map(({ id }) => id))
      expect(await store.tallies({ workspace, installation: 'crm', prefix: '', after: null, limit: 100 })).toEqual({
        rows: 3,
      })
    })

    it('remembers the installation’s last success and failure', async () => {
      const { store, workspace } = shared()
      const [a, b, c, d] = (await make(store, workspace, 4)) as [NewDelivery, NewDelivery, NewDelivery, NewDelivery]
      await store.finishAttempts([retried(a.id, { workspace })])
      expect(await row(store, workspace)).toMatchObject({
        lastSuccessAt: null,
        lastFailureAt: later(12),
        lastError: 'It answered 503.',
      })
      const attempt = { ...finished({ deliveryId: b.id }).attempt, at: later(100) }
      await store.finishAttempts([finished({ workspace, deliveryId: b.id, attempt })])
      expect(await row(store, workspace)).toMatchObject({
        lastSuccessAt: later(112),
        provenAt: null,
        lastFailureAt: later(12),
        lastError: 'It answered 503.',
        lastErrorCode: 'http_503',
        failureStreak: 0,
      })
      const proof = { ...attempt, at: later(200) }
      await store.finishAttempts([finished({ workspace, deliveryId: c.id, attempt: proof, hasProven: true })])
      const after = { ...attempt, at: later(300) }
      await store.finishAttempts([finished({ workspace, deliveryId: d.id, attempt: after })])
      const look = { workspace, installation: 'crm', failureAt: null, error: null, code: null, aboutId: null }
      await store.noteLooks([{ ...look, successAt: later(400), provenAt: null, failuresInARow: 0 }])
      expect(await row(store, workspace)).toMatchObject({ lastSuccessAt: later(400), provenAt: later(212) })
    })

    it('counts the failures since the last success, within a write and from one to the next', async () => {
      const { store, workspace } = shared()
      const [a, b, c, d, e] = await make(store, workspace, 5)
      const ok = (row: NewDelivery | undefined) => finished({ workspace, deliveryId: row?.id ?? '' })
      const bad = (row: NewDelivery | undefined) => retried(row?.id ?? '', { workspace })
      const streak = async () => (await row(store, workspace))?.failureStreak
      await store.finishAttempts([bad(a), bad(b)])
      expect(await streak()).toBe(2)
      await store.finishAttempts([bad(c)])
      expect(await streak()).toBe(3)
      await store.finishAttempts([died(d?.id ?? '', { workspace }), ok(e), bad(a)])
      expect(await streak()).toBeLessThan(3)
      await store.finishAttempts([ok(a)])
      expect(await streak()).toBe(0)
    })

    it('keeps counters equal to what the rows say', async () => {
      const { store, workspace } = shared()
      const rows = await make(store, workspace, 40)
      await store.finishAttempts(
        rows
          .slice(0, 30)
          .map(({ id }, i) =>
            i % 3 === 0
              ? retried(id, { workspace })
              : i % 3 === 1
                ? died(id, { workspace })
                : finished({ workspace, deliveryId: id }),
          ),
      )
      await store.replay({ workspace, states: ['dead'], limit: 4, nowMs: AT_MS })
      await store.replay({ workspace, states: ['delivered', 'retrying'], limit: 3, nowMs: AT_MS })
      const counts = await lane(store, workspace)
      for (const state of ['pending', 'retrying', 'delivered', 'dead'] as const) {
        expect(counts[state]).toBe(await store.countDeliveries(workspace, { state }))
      }
    })

    it('answers an empty call', async () => {
      const { store } = shared()
      expect(await store.finishAttempts([])).toEqual({ deliveries: [], events: [], refused: [] })
    })
  })

  describe('calls that share a commit', () => {
    it('keep their own fate: one that fails takes nobody with it', async () => {
      const { store, workspace } = shared()
      const used = event()
      await store.appendEvents(workspace, [used])
      const head = await store.headSeq()
      const sent = Array.from({ length: 20 }, () => submission({ workspace }))
      const settled = await Promise.allSettled([
        ...sent.slice(0, 10).map((one) => store.accept([one])),
        // Fails after it has written its first event.
        store.appendEvents(workspace, [event(), used]),
        store.rewindCursor(workspace, 'none', 1),
        ...sent.slice(10).map((one) => store.accept([one])),
      ])
      expect(settled.map(({ status }) => status)).toEqual([
        ...sent.slice(0, 10).map(() => 'fulfilled'),
        'rejected',
        'rejected',
        ...sent.slice(10).map(() => 'fulfilled'),
      ])
      expect(await store.countResponses(workspace)).toBe(20)
      const log = await store.readEvents({ workspace, afterSeq: head, limit: 100 })
      expect(log.map(({ seq }) => seq)).toEqual(sent.map((_, i) => head + 1 + i))
      expect(log.map(({ responseId }) => responseId)).toEqual(sent.map(({ responseId }) => responseId))
      const answered: unknown[] = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value ?? []].flat() : []))
      expect(answered).toMatchObject(log.map((logged) => ({ kind: 'stored', event: logged })))
    })

    it('are seen by every read that is issued after they resolved', async () => {
      const { store, workspace } = shared()
      const write = async () => {
        for (let n = 0; n < 30; n += 1) {
          const one = submission({ workspace })
          await store.accept([one])
          expect(await store.getResponse(workspace, one.responseId)).toMatchObject({ createdAt: AT })
        }
      }
      await Promise.all(Array.from({ length: 8 }, write))
      expect(await store.countResponses(workspace)).toBe(240)
    })
  })
}
