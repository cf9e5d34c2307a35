/** Two workspaces with the same names: no verb reaches across. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { Store } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, definition, delivery, died, event, finished, submission } from './fixtures.ts'
import { apply } from './memory.ts'

export function isolationPart(shared: SharedStore): void {
  const scene = async (store: Store, workspace: string) => {
    await store.saveForm({
      workspace,
      id: 'contact',
      definition: definition({ name: workspace }),
      managedBy: 'api',
      at: AT,
      eventId: newId('event'),
      mode: 'create',
    })
    const sent = submission({ workspace, clientId: 'c', idempotency: { key: 'k', bodyHash: 'h' } })
    const [accepted] = await store.accept([sent])
    const waiting = delivery({ key: 'same', responseId: sent.responseId, eventId: sent.eventId, formId: 'contact' })
    const dead = delivery({ key: 'dead', formId: 'contact' })
    await apply(store, workspace, {
      deliveries: [waiting, dead],
      kv: [{ key: 'k', value: `"${workspace}"`, expiresAtMs: null }],
      tallies: [{ name: 't', by: 1 }],
    })
    await store.finishAttempts([died(dead.id, { workspace })])
    await store.createKey({
      id: newId('key'),
      workspace,
      name: 'n',
      prefix: 'p',
      hash: newId('run'),
      scopes: [],
      createdAt: AT,
      expiresAt: null,
    })
    return { sent, accepted, waiting, dead }
  }

  describe('workspaces', () => {
    it('with the same names keep apart', async () => {
      const { store, workspace: mine } = shared()
      const { workspace: other } = shared()
      const a = await scene(store, mine)
      const b = await scene(store, other)
      expect([a.accepted?.kind, b.accepted?.kind]).toEqual(['stored', 'stored'])

      // Reads with the other's ids find nothing.
      expect(await store.getResponse(mine, b.sent.responseId)).toBeUndefined()
      expect(await store.getEvent(mine, b.sent.eventId)).toBeUndefined()
      expect(await store.getDelivery(mine, b.waiting.id)).toBeUndefined()
      expect(await store.listAttempts(mine, b.dead.id)).toEqual([])
      expect((await store.getForm(mine, 'contact'))?.name).toBe(mine)
      expect(await store.getForm('none', 'contact')).toBeUndefined()
      expect((await store.listForms(mine, { limit: 9 })).items.map(({ name }) => name)).toEqual([mine])
      expect((await store.listFormVersions(mine, 'contact')).map(({ name }) => name)).toEqual([mine])
      expect((await store.listResponses(mine, { limit: 9 })).items.map(({ id }) => id)).toEqual([a.sent.responseId])
      expect(await store.countResponses(mine)).toBe(1)
      expect(await store.countResponses(mine, 'contact')).toBe(1)
      expect(
        (await store.readEvents({ workspace: mine, afterSeq: 0, limit: 99 })).every(
          ({ workspace }) => workspace === mine,
        ),
      ).toBe(true)
      expect((await store.listDeliveries(mine, { limit: 9 })).items.every(({ workspace }) => workspace === mine)).toBe(
        true,
      )
      expect((await store.listDeliveries(mine, { limit: 9, response: b.sent.responseId })).items).toEqual([])
      expect((await store.listDeliveries(mine, { limit: 9, event: b.sent.eventId })).items).toEqual([])
      expect(await store.countDeliveries(mine, {})).toBe(2)
      expect(
        (await store.loadDue({ workspace: mine, installation: 'crm', untilMs: AT_MS, limit: 9, exceptIds: [] })).map(
          ({ id }) => id,
        ),
      ).toEqual([a.waiting.id])
      expect(
        (
          await store.loadDue({
            workspace: mine,
            installation: 'crm',
            untilMs: AT_MS,
            limit: 9,
            exceptIds: [],
            heads: true,
          })
        ).map(({ id }) => id),
      ).toEqual([a.waiting.id])
      expect(await store.nextDue('none', 'crm')).toBeNull()
      expect(await store.kvGet({ workspace: mine, installation: 'crm', key: 'k', nowMs: AT_MS })).toBe(`"${mine}"`)
      expect(
        (
          await store.kvList({
            workspace: 'none',
            installation: 'crm',
            prefix: '',
            after: null,
            limit: 9,
            nowMs: AT_MS,
          })
        ).keys,
      ).toEqual([])
      expect(
        await store.tallies({ workspace: mine, installation: 'crm', prefix: '', after: null, limit: 100 }),
      ).toEqual({ t: 1 })
      expect(await store.kvCount('none', 'crm')).toBe(0)
      expect((await store.listKeys(mine)).every(({ workspace }) => workspace === mine)).toBe(true)

      // Writes with the other's ids change nothing.
      const otherRow = async () => (await store.syncInstallations([])).find((row) => row.workspace === other)
      const before = await otherRow()
      await store.rewindCursor(mine, 'crm', 0)
      await store.setInstallationState({
        workspace: mine,
        id: 'crm',
        state: 'paused',
        reason: 'x',
        at: AT,
        event: null,
      })
      expect(await otherRow()).toEqual(before)
      expect((await store.finishAttempts([finished({ workspace: mine, deliveryId: b.waiting.id })])).refused).toEqual([
        b.waiting.id,
      ])
      const ids = { workspace: mine, deliveryIds: [b.dead.id], states: ['dead'] } as const
      expect(await store.countReplay(ids)).toBe(0)
      expect(await store.replay({ ...ids, limit: 9, nowMs: AT_MS })).toEqual({ items: [], next: null })
      expect(await store.countReplay({ workspace: mine, states: ['dead'] })).toBe(1)
      expect(await store.hasten({ workspace: mine, installation: 'crm', host: null, nowMs: AT_MS - 1 })).toBe(1)
      expect((await store.getDelivery(other, b.waiting.id))?.dueAtMs).toBe(AT_MS)
      expect(await store.deleteResponse(mine, b.sent.responseId, event())).toBe(false)
      expect(await store.deleteForm(mine, 'contact', event())).toBe(true)
      expect(await store.getForm(other, 'contact')).toMatchObject({ name: other })
      expect(await store.getResponse(other, b.sent.responseId)).toMatchObject({ data: { email: 'ada@example.com' } })
      expect((await store.getEvent(other, b.sent.eventId))?.data).toBe(b.sent.data)
      expect(await store.getDelivery(other, b.waiting.id)).toMatchObject({ state: 'pending', input: b.waiting.input })
      expect(await store.seqBefore(other, AT)).toBeGreaterThan(0)
    })
  })
}
