/** What deliveries share that were in one run goes with the response of any of them, and with any that is discarded. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { Exchange, NewDelivery } from '../../../core/model.ts'
import type { Store } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import {
  delivery,
  died,
  discardTrace,
  event,
  everything,
  finished,
  gone,
  later,
  retried,
  submission,
} from './fixtures.ts'
import { apply } from './memory.ts'

export function batchesPart(shared: SharedStore): void {
  /** Three deliveries of three responses that one run was about; the first holds its record. */
  const batchScene = async (store: Store, workspace: string) => {
    const sent = [1, 2, 3].map(() => submission({ workspace }))
    await store.accept(sent)
    const [first, second, third] = sent.map(({ responseId }) => delivery({ responseId, formId: 'contact' })) as [
      NewDelivery,
      NewDelivery,
      NewDelivery,
    ]
    await apply(store, workspace, { deliveries: [first, second, third] })
    const record = finished({ deliveryId: first.id }).attempt
    const [exchange] = record.exchanges as [Exchange]
    const said = {
      exchanges: [{ ...exchange, requestBody: '[["one"],["secret two"],["three"]]' }],
      logs: [{ level: 'info' as const, message: 'wrote secret two' }],
    }
    return { first, second, third, said, responseOf: (each: NewDelivery) => each.responseId ?? '' }
  }

  describe('a run of several deliveries', () => {
    it('takes the record of a run that it shared from the delivery of another response', async () => {
      const { store, workspace } = shared()
      const { first, second, third, said, responseOf } = await batchScene(store, workspace)
      const batch = newId('run')
      const alone = delivery()
      await apply(store, workspace, { deliveries: [alone] })
      const words = { errorCode: 'plugin_threw', error: 'The row "secret two" is wrong.' }
      const failed = retried(first.id, { workspace, batch, ...words })
      const attempt = { ...failed.attempt, ...words, exchanges: [], logs: [] }
      await store.finishAttempts([
        retried(alone.id, { workspace }),
        { ...failed, attempt: { ...attempt, ...said } },
        { ...died(second.id, { workspace, batch, ...words }), attempt },
        { ...died(third.id, { workspace, batch, ...words }), attempt },
      ])
      await store.finishAttempts([finished({ workspace, deliveryId: first.id, batch: newId('run') })])
      const ids = [first.id, second.id, third.id, alone.id]
      expect(await everything(store, workspace, ids)).toContain('secret two')
      await store.deleteResponse(workspace, responseOf(second), gone(responseOf(second)))
      expect(await everything(store, workspace, ids)).not.toContain('secret two')
      expect(await store.listAttempts(workspace, first.id)).toMatchObject([
        { outcome: 'retry', errorCode: 'plugin_threw', error: null, exchanges: [], logs: [] },
        { outcome: 'delivered', exchanges: [{ requestBody: '{"text":"hello"}' }] },
      ])
      expect(await store.getDelivery(workspace, third.id)).toMatchObject({
        state: 'dead',
        errorCode: 'plugin_threw',
        error: null,
      })
      expect((await store.getResponse(workspace, responseOf(first)))?.id).toBe(responseOf(first))
      const [left] = await store.listAttempts(workspace, alone.id)
      expect(left).toMatchObject({ error: 'It answered 503.', exchanges: [{ requestBody: '{"text":"hello"}' }] })
    })

    it('leaves the others of a run their own words', async () => {
      const { store, workspace } = shared()
      const { first, second, third, responseOf } = await batchScene(store, workspace)
      const batch = newId('run')
      const failed = (id: string, error: string) => {
        const base = died(id, { workspace, batch, error })
        return { ...base, attempt: { ...base.attempt, error } }
      }
      await store.finishAttempts([failed(first.id, 'one'), failed(second.id, 'secret two'), failed(third.id, 'three')])
      await store.deleteResponse(workspace, responseOf(second), gone(responseOf(second)))
      const words = await Promise.all(
        [first, second, third].map(async ({ id }) => (await store.getDelivery(workspace, id))?.error),
      )
      expect(words).toEqual(['one', null, 'three'])
    })

    it('writes no record of a run that was under way about it', async () => {
      const { store, workspace } = shared()
      const { first, second, third, said, responseOf } = await batchScene(store, workspace)
      await store.deleteResponse(workspace, responseOf(second), gone(responseOf(second)))
      const end = finished({ workspace, deliveryId: first.id, batch: newId('run') })
      const { refused } = await store.finishAttempts([
        { ...end, attempt: { ...end.attempt, ...said } },
        { ...end, deliveryId: second.id },
        { ...end, deliveryId: third.id },
      ])
      expect(refused).toEqual([second.id])
      expect(await store.getDelivery(workspace, first.id)).toMatchObject({ state: 'delivered' })
      expect(await store.listAttempts(workspace, first.id)).toMatchObject([{ exchanges: [], logs: [] }])
    })

    it('takes words of a run from the installation and the alert, which stand with another delivery of it', async () => {
      const { store, workspace } = shared()
      const { first, second, responseOf } = await batchScene(store, workspace)
      const error = 'secret two is refused'
      const failed = (id: string, batch: string) => {
        const base = retried(id, { workspace, batch, error })
        return { ...base, attempt: { ...base.attempt, error } }
      }
      const batch = newId('run')
      await store.finishAttempts([failed(second.id, batch), failed(first.id, batch)])
      const reason = `credential: ${error}`
      const data = JSON.stringify({ kind: 'installation_disabled', installation: 'crm', reason, code: 'c' })
      const words = { deliveryId: first.id, responseId: first.responseId ?? '' }
      const alert = (id = newId('event')) => event({ id, type: 'alert.raised', responseId: words.responseId, data })
      const stop = { workspace, id: 'crm', state: 'disabled', at: later(1), reason, words } as const
      await store.setInstallationState({ ...stop, event: alert() })
      expect(await everything(store, workspace, [first.id])).toContain('secret two')
      await store.deleteResponse(workspace, responseOf(second), gone(responseOf(second)))
      expect(await everything(store, workspace, [first.id])).not.toContain('secret two')
      // Written only now.
      await store.setInstallationState({ ...stop, event: alert() })
      expect(await everything(store, workspace, [first.id])).not.toContain('secret two')
    })

    it('finds nothing of a delivery that was thrown away before: record and words went with it', async () => {
      const { store, workspace } = shared()
      const { first, second, said } = await batchScene(store, workspace)
      const batch = newId('run')
      const end = finished({ workspace, deliveryId: first.id, batch })
      const error = 'secret two is refused'
      await store.finishAttempts([
        { ...end, attempt: { ...end.attempt, ...said } },
        died(second.id, { workspace, batch, error }),
      ])
      const stop = { workspace, id: 'crm', state: 'disabled', at: later(1), event: null } as const
      const words = { deliveryId: second.id, responseId: second.responseId ?? '' }
      await store.setInstallationState({ ...stop, reason: `settings: ${error}`, words })
      const query = { workspace, deliveryIds: [second.id], states: ['dead'] } as const
      expect((await store.discardDeliveries({ ...query, limit: 9, trace: discardTrace() })).n).toBe(1)
      expect(await store.listAttempts(workspace, first.id)).toMatchObject([{ exchanges: [], logs: [] }])
      const row = (await store.syncInstallations([])).find((one) => one.workspace === workspace)
      expect(row).toMatchObject({ lastError: null, lastErrorCode: 'http_500' })
      expect(row?.reason).toMatch(/^settings: what the receiver said went/)
    })
  })
}
