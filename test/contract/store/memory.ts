/** A plugin's keys and counters, and schedules. */
import { describe, expect, it } from 'vitest'
import type { Effects, Store } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, delivery, later, NO_EFFECTS } from './fixtures.ts'

/** Commits effects for an installation, which is made when it is new. */
export async function apply(
  store: Store,
  workspace: string,
  effects: Partial<Effects>,
  installation = 'crm',
): Promise<void> {
  const rows = await store.syncInstallations([{ workspace, id: installation, plugin: 'webhooks', cursor: 0, at: AT }])
  const cursor = rows.find((row) => row.workspace === workspace && row.id === installation)?.cursor ?? 0
  const batch = { workspace, installation, plugin: 'webhooks', fromCursor: cursor, toCursor: cursor + 1 }
  const result = await store.commitHandled({ ...batch, effects: { ...NO_EFFECTS, ...effects } })
  if (result.kind !== 'committed') throw new Error(`the cursor moved to ${result.cursor}`)
}

export function memoryPart(shared: SharedStore): void {
  const set = (key: string, value: string | undefined, expiresAtMs: number | null = null) => ({
    key,
    value,
    expiresAtMs,
  })

  describe('kv and tallies', () => {
    it('sets, overwrites and deletes in order', async () => {
      const { store, workspace } = shared()
      const get = (key: string) => store.kvGet({ workspace: workspace, installation: 'crm', key: key, nowMs: AT_MS })
      await apply(store, workspace, {
        kv: [set('a', '1'), set('b', 'null'), set('a', '2'), set('c', '3'), set('c', undefined)],
      })
      expect([await get('a'), await get('b'), await get('c')]).toEqual(['2', 'null', undefined])
      await apply(store, workspace, { kv: [set('a', undefined)] })
      expect(await get('a')).toBeUndefined()
      expect(await store.kvCount(workspace, 'crm')).toBe(1)
      expect(await store.kvCount(workspace, 'other')).toBe(0)
    })

    it('hides what expired and purges it', async () => {
      const { store, workspace } = shared()
      await apply(store, workspace, {
        kv: [set('short', '1', AT_MS + 10), set('long', '2', AT_MS + 1_000_000), set('ever', '3')],
      })
      expect(await store.kvGet({ workspace: workspace, installation: 'crm', key: 'short', nowMs: AT_MS + 9 })).toBe('1')
      expect(
        await store.kvGet({ workspace: workspace, installation: 'crm', key: 'short', nowMs: AT_MS + 10 }),
      ).toBeUndefined()
      const list = { workspace, installation: 'crm', prefix: '', after: null, limit: 10 }
      expect((await store.kvList({ ...list, nowMs: AT_MS + 10 })).keys).toEqual(['ever', 'long'])
      expect(await store.purge(AT_MS + 10)).toBeGreaterThanOrEqual(1)
      expect(await store.kvCount(workspace, 'crm')).toBe(2)
      // Set again, it lives by its new time.
      await apply(store, workspace, { kv: [set('long', '2', null)] })
      expect(
        await store.kvGet({ workspace: workspace, installation: 'crm', key: 'long', nowMs: AT_MS + 9_999_999 }),
      ).toBe('2')
    })

    it('lists by prefix in pages', async () => {
      const { store, workspace } = shared()
      const keys = ['a:1', 'a:2', 'a:3', 'a:\u{10FF}', 'b:1', 'a', '%', '_']
      await apply(store, workspace, { kv: keys.map((key) => set(key, '0')) })
      const list = { workspace, installation: 'crm', prefix: 'a:', limit: 3, nowMs: AT_MS }
      const first = await store.kvList({ ...list, after: null })
      expect(first).toEqual({ keys: ['a:1', 'a:2', 'a:3'], next: 'a:3' })
      expect(await store.kvList({ ...list, after: first.next })).toEqual({ keys: ['a:\u{10FF}'], next: null })
      expect(await store.kvList({ ...list, prefix: '%', after: null })).toEqual({ keys: ['%'], next: null })
    })

    it('adds to tallies', async () => {
      const { store, workspace } = shared()
      await apply(store, workspace, {
        tallies: [
          { name: 'x.a', by: 1 },
          { name: 'x.a', by: 2 },
          { name: 'y', by: -1.5 },
          { name: '__proto__', by: 1 },
        ],
      })
      await apply(store, workspace, { tallies: [{ name: 'x.a', by: 10 }] })
      expect(await store.tallies({ workspace, installation: 'crm', prefix: 'x.', after: null, limit: 100 })).toEqual({
        'x.a': 13,
      })
      expect(
        Object.entries(await store.tallies({ workspace, installation: 'crm', prefix: '', after: null, limit: 100 })),
      ).toEqual([
        ['__proto__', 1],
        ['x.a', 13],
        ['y', -1.5],
      ])
    })
  })

  it('reads tallies in pages, and says which of some are there', async () => {
    const { store, workspace } = shared()
    const names = ['n:c', 'n:a', 'n:b', 'n:d', 'other', '%']
    await apply(store, workspace, { tallies: names.map((name) => ({ name, by: 1 })) })
    await apply(store, workspace, { tallies: [{ name: 'n:x', by: 1 }] }, 'neighbour')
    const query = { workspace, installation: 'crm', prefix: 'n:', after: null, limit: 3 }
    expect(Object.keys(await store.tallies(query))).toEqual(['n:a', 'n:b', 'n:c'])
    expect(Object.keys(await store.tallies({ ...query, after: 'n:c' }))).toEqual(['n:d'])
    expect(Object.keys(await store.tallies({ ...query, prefix: '%' }))).toEqual(['%'])
    const held = (...asked: string[]) => store.talliesHeld({ workspace, installation: 'crm', names: asked })
    const { count, found } = await held('n:b', 'n:x', 'other', 'none')
    expect([count, found.toSorted()]).toEqual([6, ['n:b', 'other']])
    expect(await held()).toEqual({ count: 6, found: [] })
    expect(await store.talliesHeld({ workspace, installation: 'nobody', names: ['n:a'] })).toEqual({
      count: 0,
      found: [],
    })
  })

  describe('schedules', () => {
    const fire = (
      workspace: string,
      fromMs: number,
      toMs: number,
      made = delivery({ kind: 'schedule', name: 'digest' }),
    ) => ({
      workspace,
      installation: 'crm',
      plugin: 'webhooks',
      name: 'digest',
      fromMs,
      toMs,
      delivery: made,
      at: AT,
    })

    it('fires once, whoever is first', async () => {
      const { store, workspace } = shared()
      const rivals = await Promise.all([
        store.fireSchedule(fire(workspace, 0, AT_MS)),
        store.fireSchedule(fire(workspace, 0, AT_MS)),
      ])
      expect(rivals.filter((result) => result === false)).toHaveLength(1)
      const fired = rivals.find((result) => result !== false)
      expect(fired).toMatchObject({ kind: 'schedule', state: 'pending', workspace, createdAt: AT })
      if (fired) expect(await store.getDelivery(workspace, fired.id)).toEqual(fired)
      expect(await store.fireSchedule(fire(workspace, 0, AT_MS + 60_000))).toBe(false)
      expect(await store.fireSchedule(fire(workspace, AT_MS, AT_MS + 60_000))).toMatchObject({ state: 'pending' })
      const rows = (await store.schedules()).filter((row) => row.workspace === workspace)
      expect(rows).toEqual([{ workspace, installation: 'crm', name: 'digest', lastFiredAtMs: AT_MS + 60_000 }])
      expect(await store.countDeliveries(workspace, {})).toBe(2)
    })

    it('fires without a delivery, and with one that was there already', async () => {
      const { store, workspace } = shared()
      expect(await store.fireSchedule({ ...fire(workspace, 0, 1), delivery: null })).toBeNull()
      await store.fireSchedule(fire(workspace, 1, 2, delivery({ key: 'tick' })))
      expect(await store.fireSchedule(fire(workspace, 2, 3, delivery({ key: 'tick' })))).toBeNull()
      expect((await store.schedules()).find((row) => row.workspace === workspace)?.lastFiredAtMs).toBe(3)
      expect(later(0)).toBe(AT)
    })
  })
}
