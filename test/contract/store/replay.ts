/** Replay: what it takes, what it leaves, what stays. */
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../core/limits.ts'
import type { NewDelivery } from '../../../core/model.ts'
import { causeOf } from '../../../core/storage/cause.ts'
import type { Store } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, delivery, died, discardTrace, event, finished, later, retried, submission } from './fixtures.ts'
import { apply } from './memory.ts'

export function replayPart(shared: SharedStore): void {
  const NOW = AT_MS + 100_000
  const scene = async (store: Store, workspace: string) => {
    const [a, b, c, d, e] = ['f1', 'f1', 'f2', 'f1', 'f2'].map((formId) => delivery({ formId })) as [
      NewDelivery,
      NewDelivery,
      NewDelivery,
      NewDelivery,
      NewDelivery,
    ]
    await apply(store, workspace, { deliveries: [a, b, c, d] })
    await apply(store, workspace, { deliveries: [e] }, 'other')
    await store.finishAttempts([
      died(a.id, { workspace }),
      died(b.id, { workspace, reason: 'config_error', host: 'b.example' }),
      finished({ workspace, deliveryId: c.id }),
      died(e.id, { workspace, installation: 'other' }),
    ])
    return { a, b, c, d, e }
  }

  it('a backfill moves a cursor back, and never forward', async () => {
    const { store, workspace } = shared()
    const place = { workspace, id: 'crm', plugin: 'webhooks', cursor: 8, at: AT }
    const stands = async () =>
      (await store.syncInstallations([place])).find((row) => row.workspace === workspace && row.id === 'crm')?.cursor
    expect(await stands()).toBe(8)
    expect(await store.rewindCursor(workspace, 'crm', 9)).toBe(8)
    expect(await stands()).toBe(8)
    expect(await store.rewindCursor(workspace, 'crm', 3)).toBe(3)
    expect(await stands()).toBe(3)
  })

  it('a discard deletes what matches with its attempts, erased ones too, and the counters follow', async () => {
    const { store, workspace } = shared()
    const { a, b, c, d, e } = await scene(store, workspace)
    const query = { workspace, installation: 'crm', states: ['dead', 'pending'], erasedToo: true } as const
    expect(await store.countReplay(query)).toBe(3)
    expect(await store.discardDeliveries({ ...query, until: AT, limit: 9, trace: discardTrace() })).toMatchObject({
      n: 0,
    })
    const first = await store.discardDeliveries({ ...query, limit: 2, trace: discardTrace() })
    expect(first).toEqual({ n: 2, next: expect.any(String) as string })
    expect(await store.discardDeliveries({ ...query, limit: 2, trace: discardTrace() })).toEqual({ n: 1, next: null })
    for (const { id } of [a, b, d]) {
      expect(await store.getDelivery(workspace, id)).toBeUndefined()
      expect(await store.listAttempts(workspace, id)).toEqual([])
    }
    expect([
      (await store.getDelivery(workspace, c.id))?.state,
      (await store.getDelivery(workspace, e.id))?.state,
    ]).toEqual(['delivered', 'dead'])
    const lane = (await store.laneCounts()).find((each) => each.workspace === workspace && each.installation === 'crm')
    expect(lane).toMatchObject({ pending: 0, retrying: 0, dead: 0, delivered: 1, oldestAt: null })
    // Another tenant's are not named by their ids.
    const named = { states: ['dead'], deliveryIds: [e.id], limit: 9 } as const
    expect(await store.discardDeliveries({ ...named, workspace: 'elsewhere', trace: discardTrace() })).toEqual({
      n: 0,
      next: null,
    })
    const [nothing, one] = [discardTrace(), discardTrace()]
    expect(
      await store.discardDeliveries({ ...named, deliveryIds: ['dlv_none'], workspace, trace: nothing }),
    ).toMatchObject({ n: 0 })
    expect(await store.discardDeliveries({ ...named, workspace, trace: one })).toEqual({ n: 1, next: null })
    // Who it was and how many is in the log, of what was deleted and of nothing else.
    expect(await store.getEvent(workspace, nothing.eventId)).toBeUndefined()
    expect(await store.getEvent(workspace, one.eventId)).toMatchObject({
      type: 'deliveries.discarded',
      at: one.at,
      data: '{"by":{"name":"ops"},"discarded":1}',
    })
  })

  describe('replay', () => {
    it('makes dead ones pending and due, with the same id and growing attempts', async () => {
      const { store, workspace } = shared()
      const { a } = await scene(store, workspace)
      const query = { workspace, deliveryIds: [a.id], states: ['dead'], limit: 10, nowMs: NOW } as const
      const [replayed] = (await store.replay(query)).items
      expect(replayed).toMatchObject({
        id: a.id,
        state: 'pending',
        attempts: 1,
        scheduleStep: 0,
        dueAtMs: NOW,
        finishedAt: null,
        reason: null,
        errorCode: null,
        error: null,
        host: 'crm.example',
        input: a.input,
      })
      expect(await store.getDelivery(workspace, a.id)).toEqual(replayed)
      const due = await store.loadDue({ workspace, installation: 'crm', untilMs: NOW, limit: 10, exceptIds: [] })
      expect(due.map(({ id }) => id)).toContain(a.id)
      await store.finishAttempts([finished({ workspace, deliveryId: a.id })])
      expect((await store.listAttempts(workspace, a.id)).map(({ n }) => n)).toEqual([1, 2])
    })

    it('counts before it acts, by each filter, and then does just that', async () => {
      const { store, workspace } = shared()
      const rows = await scene(store, workspace)
      const filters: [object, (keyof typeof rows)[]][] = [
        [{ states: ['dead'] }, ['a', 'b', 'e']],
        [{ states: ['dead', 'delivered'] }, ['a', 'b', 'c', 'e']],
        [{ states: ['dead', 'dead'] }, ['a', 'b', 'e']],
        [
          {
            states: ['dead', 'dead'],
            cause: causeOf({ installation: 'crm', code: 'http_500', error: 'It answered 500.' }),
          },
          ['a', 'b'],
        ],
        [{ states: ['dead', 'delivered'], endedBy: later(12) }, ['a', 'b', 'c', 'e']],
        [{ states: ['dead', 'delivered'], endedBy: later(11) }, []],
        [{ states: ['dead'], installation: 'crm' }, ['a', 'b']],
        [{ states: ['dead'], form: 'f1' }, ['a', 'b']],
        [{ states: ['dead'], reason: 'config_error' }, ['b']],
        [{ states: ['dead'], host: 'b.example' }, ['b']],
        [{ states: ['dead'], deliveryIds: [rows.a.id, rows.a.id, rows.d.id, 'dlv_none'] }, ['a']],
        [{ states: ['dead'], deliveryIds: [] }, []],
        [{ states: ['dead'], since: '2999-01-01T00:00:00Z' }, []],
        [{ states: ['dead'], until: '2000-01-01T00:00:00Z' }, []],
        [{ states: [] }, []],
      ]
      for (const [filter, wanted] of filters) {
        const query = { workspace, ...filter } as Parameters<Store['countReplay']>[0]
        expect([filter, await store.countReplay(query)]).toEqual([filter, wanted.length])
      }
      const replayed = await store.replay({ workspace, states: ['dead'], installation: 'crm', limit: 10, nowMs: NOW })
      expect(replayed.items.map(({ id }) => id)).toEqual([rows.a.id, rows.b.id])
      expect(await store.countReplay({ workspace, states: ['dead'] })).toBe(1)
    })

    it('goes in steps', async () => {
      const { store, workspace } = shared()
      const rows = Array.from({ length: 5 }, () => delivery())
      await apply(store, workspace, { deliveries: rows })
      await store.finishAttempts(rows.map(({ id }) => died(id, { workspace })))
      const query = { workspace, states: ['dead'], limit: 2, nowMs: NOW } as const
      const steps = [
        await store.replay(query),
        await store.replay(query),
        await store.replay(query),
        await store.replay(query),
      ]
      expect(steps.map((step) => step.items.map(({ id }) => id))).toEqual([
        [rows[0]?.id, rows[1]?.id],
        [rows[2]?.id, rows[3]?.id],
        [rows[4]?.id],
        [],
      ])
    })

    it('goes on where a step ended, and takes nothing twice that ended again', async () => {
      const { store, workspace } = shared()
      const rows = Array.from({ length: 5 }, () => delivery())
      await apply(store, workspace, { deliveries: rows })
      await store.finishAttempts(rows.map(({ id }) => died(id, { workspace })))
      const query = { workspace, states: ['dead'], limit: 2, nowMs: NOW } as const
      const took: string[][] = []
      for (let after: string | undefined; ;) {
        const { items, next } = await store.replay({ ...query, after })
        took.push(items.map(({ id }) => id))
        await store.finishAttempts(items.map(({ id }) => died(id, { workspace })))
        if (next === null) break
        after = next
      }
      const ids = rows.map(({ id }) => id)
      expect(took).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)])
      expect(await store.countReplay({ workspace, states: ['dead'] })).toBe(5)
    })

    it('looks through so many rows a step, and goes on from there', async () => {
      const { store, workspace } = shared()
      const rows = Array.from({ length: LIMITS.deliverySearchRowsMax }, () => delivery())
      await apply(store, workspace, { deliveries: rows })
      const last = delivery({ formId: 'rare' })
      await apply(store, workspace, { deliveries: [last] })
      await store.finishAttempts([died(last.id, { workspace })])
      const query = { workspace, installation: 'crm', form: 'rare', states: ['dead', 'delivered'] } as const
      const first = await store.replay({ ...query, limit: 9, nowMs: NOW })
      expect([first.items, typeof first.next]).toEqual([[], 'string'])
      expect(await store.countReplay(query)).toBe(1)
      const second = await store.replay({ ...query, limit: 9, nowMs: NOW, after: first.next ?? '' })
      expect([second.items.map(({ id }) => id), second.next]).toEqual([[last.id], null])
    })

    it('counts and lists no more than it sends: what was erased is not among them', async () => {
      const { store, workspace } = shared()
      const sent = submission({ workspace })
      await store.accept([sent])
      const { responseId } = sent
      const [erased, other] = [delivery({ responseId }), delivery()] as [NewDelivery, NewDelivery]
      await apply(store, workspace, { deliveries: [erased, other] })
      await store.finishAttempts([erased, other].map(({ id }) => died(id, { workspace, error: null })))
      await store.deleteResponse(workspace, responseId, event({ type: 'response.deleted', responseId }))
      const cause = causeOf({ installation: 'crm', code: 'http_500', error: null })
      for (const filter of [{}, { cause }, { code: 'http_500' }, { deliveryIds: [erased.id, other.id] }]) {
        const query = { workspace, states: ['dead'], ...filter } as const
        expect([filter, await store.countReplay(query)]).toEqual([filter, 1])
      }
      const { items } = await store.replay({ workspace, states: ['dead'], cause, limit: 9, nowMs: NOW })
      expect(items.map(({ id }) => id)).toEqual([other.id])
    })

    it('takes retrying ones when asked', async () => {
      const { store, workspace } = shared()
      const one = delivery()
      await apply(store, workspace, { deliveries: [one] })
      await store.finishAttempts([retried(one.id, { workspace, dueAtMs: NOW + 60_000 })])
      const [replayed] = (await store.replay({ workspace, states: ['retrying'], limit: 1, nowMs: NOW })).items
      expect(replayed).toMatchObject({ id: one.id, state: 'pending', dueAtMs: NOW })
      const [lane] = (await store.laneCounts()).filter((row) => row.workspace === workspace)
      expect(lane).toMatchObject({ pending: 1, retrying: 0 })
    })
  })
}
