/** What outlives the store: closing, opening again, backup and restore. */
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { StoreBackend, StorePlace } from '../store.ts'
import { AT, AT_MS, definition, delivery, died, event, submission } from './fixtures.ts'
import { apply } from './memory.ts'

export function durabilityPart(backend: StoreBackend): void {
  const places: StorePlace[] = []
  const newPlace = async () => {
    const place = await backend.place()
    places.push(place)
    return place
  }
  afterEach(async () => {
    for (const place of places.splice(0)) await place.remove()
  })

  describe('durability', () => {
    it('finds everything again after it was closed', async () => {
      const place = await newPlace()
      const first = await place.open()
      const workspace = 'default'
      await first.saveForm({
        workspace,
        id: 'contact',
        definition: definition(),
        managedBy: 'file',
        at: AT,
        eventId: newId('event'),
        mode: 'create',
      })
      const sent = submission({ idempotency: { key: 'k', bodyHash: 'h' } })
      await first.accept([sent])
      const [waiting, dead] = [delivery(), delivery()]
      await apply(first, workspace, {
        deliveries: [waiting, dead],
        kv: [{ key: 'k', value: '1', expiresAtMs: null }],
        tallies: [{ name: 't', by: 3 }],
      })
      await first.finishAttempts([died(dead.id)])
      await first.fireSchedule({
        workspace,
        installation: 'crm',
        plugin: 'webhooks',
        name: 'tick',
        fromMs: 0,
        toMs: 77,
        delivery: null,
        at: AT,
      })
      const see = async (store: typeof first) => ({
        log: await store.readEvents({ afterSeq: 0, limit: 100 }),
        head: await store.headSeq(),
        form: await store.getForm(workspace, 'contact'),
        responses: await store.listResponses(workspace, { limit: 9 }),
        deliveries: await store.listDeliveries(workspace, { limit: 9 }),
        attempts: await store.listAttempts(workspace, dead.id),
        installations: await store.syncInstallations([]),
        lanes: await store.laneCounts(),
        kv: await store.kvGet({ workspace: workspace, installation: 'crm', key: 'k', nowMs: AT_MS }),
        tallies: await store.tallies({ workspace, installation: 'crm', prefix: '', after: null, limit: 100 }),
        schedules: await store.schedules(),
      })
      const before = await see(first)
      expect(before.log).toHaveLength(3)
      await first.close()
      await expect(first.headSeq()).rejects.toMatchObject({ code: 'unavailable' })
      await expect(first.accept([submission()])).rejects.toMatchObject({ code: 'unavailable' })
      await expect(first.ping()).rejects.toMatchObject({ code: 'unavailable' })
      const second = await place.open()
      expect(await see(second)).toEqual(before)
      const [again] = await second.accept([submission({ idempotency: { key: 'k', bodyHash: 'h' } })])
      expect(again).toMatchObject({ kind: 'duplicate', responseId: sent.responseId })
      const [next] = await second.appendEvents(workspace, [event()])
      expect(next?.seq).toBe(before.head + 1)
      await second.close()
    })

    it('lets calls finish that were made before it was closed', async () => {
      const place = await newPlace()
      const store = await place.open()
      const calls = Array.from({ length: 50 }, () => store.accept([submission()]))
      const closed = store.close()
      expect((await Promise.all(calls)).flat().filter(({ kind }) => kind === 'stored')).toHaveLength(50)
      await closed
      await store.close()
      const again = await place.open()
      expect(await again.countResponses('default')).toBe(50)
      await again.close()
    })

    it('backs up while it is written to, and restores what was accepted before', async () => {
      const place = await newPlace()
      const store = await place.open()
      const before = Array.from({ length: 300 }, () =>
        submission({ data: JSON.stringify({ text: 'x'.repeat(5_000) }) }),
      )
      await store.accept(before)
      const head = await store.headSeq()
      let writing = true
      let written = 0
      const writers = Array.from({ length: 4 }, async () => {
        while (writing) {
          await store.accept([submission()])
          written += 1
        }
      })
      const day = '2026-11-27'
      const salt = 'salt'.repeat(16)
      expect(await store.daySalt({ day, fresh: salt, expiresAtMs: 9e12 })).toBe(salt)
      const progress: number[] = []
      await store.backup(place.file('copy.db'), (fraction) => progress.push(fraction))
      writing = false
      await Promise.all(writers)
      expect(written).toBeGreaterThan(0)
      expect(progress.at(-1)).toBe(1)
      expect(
        progress.every((fraction, i) => fraction >= 0 && fraction <= 1 && fraction >= (progress[i - 1] ?? 0)),
      ).toBe(true)
      const end = await store.headSeq()
      expect(await store.daySalt({ day, fresh: 'another', expiresAtMs: 9e12 })).toBe(salt)
      await store.close()
      // Whoever has a copy cannot link what was hashed with it.
      expect(readFileSync(place.file('copy.db')).includes(salt)).toBe(false)
      await place.restore(place.file('copy.db'))
      const restored = await place.open()
      expect(await restored.daySalt({ day, fresh: 'another', expiresAtMs: 9e12 })).toBe('another')
      const restoredHead = await restored.headSeq()
      expect(restoredHead).toBeGreaterThanOrEqual(head)
      expect(restoredHead).toBeLessThanOrEqual(end)
      expect((await restored.readEvents({ afterSeq: 0, limit: 10_000 })).map(({ seq }) => seq)).toEqual(
        Array.from({ length: restoredHead }, (_, i) => i + 1),
      )
      for (const { responseId } of before) expect(await restored.getResponse('default', responseId)).toBeDefined()
      const [next] = await restored.accept([submission()])
      expect(next).toMatchObject({ kind: 'stored', event: { seq: restoredHead + 1 } })
      await restored.close()
    })

    it('answers sizes, and that it can be written to', async () => {
      const place = await newPlace()
      const store = await place.open()
      await store.accept([submission(), submission(), submission({ status: 'partial' })])
      const [one] = (await store.listResponses('default', { limit: 1 })).items
      await store.deleteResponse('default', one?.id ?? '', event())
      await store.ping()
      const stats = await store.stats()
      expect(stats).toMatchObject({ responses: 2, events: 4 })
      expect(stats.bytes).toBeGreaterThan(0)
      await store.close()
    })
  })
}
