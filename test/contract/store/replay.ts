/** Replay: what it takes, what it leaves, what stays. */
import { describe, expect, it } from 'vitest'
import type { NewDelivery } from '../../../core/model.ts'
import type { Store } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, delivery, died, finished, retried } from './fixtures.ts'
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

  describe('replay', () => {
    it('makes dead ones pending and due, with the same id and growing attempts', async () => {
      const { store, workspace } = shared()
      const { a } = await scene(store, workspace)
      const [replayed] = await store.replay({ workspace, deliveryIds: [a.id], states: ['dead'], limit: 10, nowMs: NOW })
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
      expect(replayed.map(({ id }) => id)).toEqual([rows.a.id, rows.b.id])
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
      expect(steps.map((step) => step.map(({ id }) => id))).toEqual([
        [rows[0]?.id, rows[1]?.id],
        [rows[2]?.id, rows[3]?.id],
        [rows[4]?.id],
        [],
      ])
    })

    it('takes retrying ones when asked', async () => {
      const { store, workspace } = shared()
      const one = delivery()
      await apply(store, workspace, { deliveries: [one] })
      await store.finishAttempts([retried(one.id, { workspace, dueAtMs: NOW + 60_000 })])
      const [replayed] = await store.replay({ workspace, states: ['retrying'], limit: 1, nowMs: NOW })
      expect(replayed).toMatchObject({ id: one.id, state: 'pending', dueAtMs: NOW })
      const [lane] = (await store.laneCounts()).filter((row) => row.workspace === workspace)
      expect(lane).toMatchObject({ pending: 1, retrying: 0 })
    })
  })
}
