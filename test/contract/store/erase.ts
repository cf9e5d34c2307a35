/** Deleting responses and forms: nothing of the data stays anywhere. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { NewDelivery } from '../../../core/model.ts'
import type { Store } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import {
  AT,
  AT_MS,
  definition,
  delivery,
  event,
  everything,
  finished,
  gone,
  later,
  NO_EFFECTS,
  retried,
  submission,
} from './fixtures.ts'
import { apply } from './memory.ts'

export function erasePart(shared: SharedStore): void {
  /** A partial, then completed response with one delivery delivered and one waiting. */
  const scene = async (store: Store, workspace: string) => {
    const first = submission({ workspace, status: 'partial', clientId: 'c', data: '{"secret":"draft"}' })
    const last = submission({ workspace, clientId: 'c', data: '{"secret":"final"}' })
    await store.accept([first, last])
    const { responseId } = first
    const of = { responseId, formId: 'contact', input: '{"secret":"input"}' }
    const [sent, waiting] = [delivery(of), delivery({ ...of, orderKey: 'secret order', paceKey: 'secret pace' })] as [
      NewDelivery,
      NewDelivery,
    ]
    const emitted = event({ type: 'plugin.x.seen', responseId, data: '{"secret":"emitted"}' })
    await apply(store, workspace, { deliveries: [sent, waiting], events: [emitted] })
    await store.finishAttempts([
      finished({ workspace, deliveryId: sent.id }),
      retried(waiting.id, { workspace, error: 'secret error' }),
    ])
    return { responseId, first, last, sent, waiting, emitted }
  }
  describe('deleteResponse', () => {
    it('erases the data wherever it was copied, and keeps the tracks', async () => {
      const { store, workspace } = shared()
      const { responseId, first, last, sent, waiting, emitted } = await scene(store, workspace)
      const attempted = [sent.id, waiting.id]
      expect(await everything(store, workspace, attempted)).toContain('secret')
      const deleted = gone(responseId)
      expect(await store.deleteResponse(workspace, responseId, deleted)).toBe(true)
      const rest = await everything(store, workspace, attempted)
      expect(rest).not.toContain('secret')
      expect(rest).not.toContain('192.0.2.1')
      expect(await store.getResponse(workspace, responseId)).toBeUndefined()
      const log = await store.readEvents({ workspace, afterSeq: 0, limit: 10 })
      expect(log.map(({ id, data }) => [id, data])).toEqual([
        [first.eventId, null],
        [last.eventId, null],
        [emitted.id, null],
        [deleted.id, '{"why":"asked"}'],
      ])
      expect(log.map(({ response }) => response)).toEqual([null, null, null, null])
      expect(await store.getDelivery(workspace, sent.id)).toMatchObject({ state: 'delivered', input: 'null' })
      expect(await store.listAttempts(workspace, sent.id)).toMatchObject([
        { outcome: 'delivered', exchanges: [], logs: [] },
      ])
      expect(await store.countResponses(workspace)).toBe(0)
    })

    it('takes the last words of its receiver from the installation, and leaves those about others', async () => {
      const { store, workspace } = shared()
      const { responseId, waiting } = await scene(store, workspace)
      const other = delivery()
      await apply(store, workspace, { deliveries: [other] })
      const shown = async () => (await store.syncInstallations([])).find((row) => row.workspace === workspace)
      expect(await shown()).toMatchObject({ lastError: 'secret error' })
      await store.deleteResponse(workspace, responseId, gone(responseId))
      expect(await shown()).toMatchObject({ lastError: null, lastErrorCode: 'http_503', failureStreak: 1 })
      await store.finishAttempts([retried(other.id, { workspace, error: 'about another' })])
      const again = submission({ workspace })
      await store.accept([again])
      const late = delivery({ responseId: again.responseId, formId: 'contact' })
      await apply(store, workspace, { deliveries: [late] })
      await store.deleteResponse(workspace, again.responseId, gone(again.responseId))
      expect(await shown()).toMatchObject({ lastError: 'about another' })
      // So it is with a handler that failed at the response.
      const failed = submission({ workspace })
      await store.accept([failed])
      const { attempt } = retried(waiting.id)
      const handler = delivery({
        kind: 'handler',
        responseId: failed.responseId,
        failed: {
          state: 'retrying',
          reason: null,
          errorCode: 'plugin_threw',
          error: 'secret throw',
          scheduleStep: 1,
          attempt,
        },
      })
      await apply(store, workspace, { deliveries: [handler] })
      expect(await shown()).toMatchObject({ lastError: 'secret throw' })
      await store.deleteResponse(workspace, failed.responseId, gone(failed.responseId))
      expect(await shown()).toMatchObject({ lastError: null, lastErrorCode: 'plugin_threw' })
      // And with a transform that failed at it, however late that is noted.
      const seen = submission({ workspace })
      await store.accept([seen])
      const look = {
        workspace,
        installation: 'crm',
        successAt: null,
        provenAt: null,
        failureAt: later(90),
        failuresInARow: 2,
      }
      const about = { ...look, error: 'secret look', code: 'plugin_wall', aboutId: seen.responseId }
      const before = (await shown())?.failureStreak ?? 0
      await store.noteLooks([about])
      expect(await shown()).toMatchObject({ lastError: 'secret look', failureStreak: before + 2 })
      await store.deleteResponse(workspace, seen.responseId, gone(seen.responseId))
      expect(await shown()).toMatchObject({ lastError: null, lastErrorCode: 'plugin_wall' })
      await store.noteLooks([about])
      expect(await shown()).toMatchObject({ lastError: 'The response that it was about is deleted.' })
      await store.noteLooks([{ ...about, successAt: later(95), failuresInARow: 0 }])
      expect(await shown()).toMatchObject({ lastSuccessAt: later(95), failureStreak: 0 })
    })

    it('takes what a receiver said from the reason why an installation stands still, and from its alert', async () => {
      const { store, workspace } = shared()
      const { responseId, sent, waiting } = await scene(store, workspace)
      const shown = async () => (await store.syncInstallations([])).find((row) => row.workspace === workspace)
      const stop = { workspace, id: 'crm', state: 'disabled', at: later(1) } as const
      const alert = event({ type: 'alert.raised', responseId, data: '{"reason":"secret said"}' })
      const words = { deliveryId: waiting.id, responseId }
      await store.setInstallationState({ ...stop, reason: 'credential: secret said', event: alert, words })
      expect(await everything(store, workspace, [sent.id])).toContain('secret said')
      await store.deleteResponse(workspace, responseId, gone(responseId))
      expect(await everything(store, workspace, [sent.id])).not.toContain('secret said')
      const left = 'what the receiver said went with the delivery it was said of'
      expect(await shown()).toMatchObject({ state: 'disabled', reason: `credential: ${left}` })
      // It is written only now, when the response is gone already.
      const late = { ...alert, id: newId('event', AT_MS) }
      await store.setInstallationState({ ...stop, reason: 'secret said', event: late, words })
      expect([(await shown())?.reason, (await store.getEvent(workspace, late.id))?.data]).toEqual([left, '{}'])
      // Words of nobody, and of others, stay.
      const again = submission({ workspace })
      await store.accept([again])
      const other = delivery({ responseId: again.responseId, formId: 'contact' })
      await apply(store, workspace, { deliveries: [other] })
      await store.finishAttempts([retried(other.id, { workspace })])
      for (const of of [undefined, { deliveryId: sent.id, responseId: null }]) {
        await store.setInstallationState({ ...stop, reason: 'about another', event: null, words: of })
        await store.deleteResponse(workspace, again.responseId, gone(again.responseId))
        expect(await shown()).toMatchObject({ reason: 'about another' })
      }
      const third = submission({ workspace })
      await store.accept([third])
      const dead = delivery({ responseId: third.responseId, formId: 'contact' })
      await apply(store, workspace, { deliveries: [dead] })
      await store.finishAttempts([retried(dead.id, { workspace })])
      const said = { deliveryId: dead.id, responseId: third.responseId }
      await store.setInstallationState({ ...stop, reason: 'secret gone', event: null, words: said })
      await store.deleteResponse(workspace, third.responseId, gone(third.responseId))
      expect(await shown()).toMatchObject({ reason: `http_503: ${left}` })
    })

    it('ends what still waited, and lets none of it run again', async () => {
      const { store, workspace } = shared()
      const { responseId, sent, waiting } = await scene(store, workspace)
      await store.deleteResponse(workspace, responseId, gone(responseId))
      expect(await store.getDelivery(workspace, waiting.id)).toMatchObject({
        state: 'dead',
        errorCode: 'event_erased',
        finishedAt: later(50),
        orderKey: null,
      })
      expect(
        await store.loadDue({ workspace, installation: 'crm', untilMs: AT_MS * 2, limit: 9, exceptIds: [] }),
      ).toEqual([])
      expect((await store.laneCounts()).find((lane) => lane.workspace === workspace)).toMatchObject({
        pending: 0,
        retrying: 0,
        delivered: 1,
        dead: 1,
        oldestAt: null,
      })
      const query = { workspace, deliveryIds: [sent.id, waiting.id], states: ['dead', 'delivered'] } as const
      expect(await store.countReplay(query)).toBe(0)
      expect(await store.replay({ ...query, limit: 9, nowMs: AT_MS })).toEqual({ items: [], next: null })
    })

    it('lets nothing back in that was under way', async () => {
      const { store, workspace } = shared()
      const { responseId, waiting } = await scene(store, workspace)
      await store.deleteResponse(workspace, responseId, gone(responseId))
      expect((await store.finishAttempts([finished({ workspace, deliveryId: waiting.id })])).refused).toEqual([
        waiting.id,
      ])
      const late = delivery({ responseId, input: '{"secret":"late"}' })
      const other = delivery()
      const events = [event({ responseId, data: '{"secret":"late"}' }), event()]
      const [row] = (await store.syncInstallations([])).filter((one) => one.workspace === workspace)
      const cursor = row?.cursor ?? 0
      const result = await store.commitHandled({
        workspace,
        installation: 'crm',
        plugin: 'webhooks',
        fromCursor: cursor,
        toCursor: cursor + 1,
        effects: { ...NO_EFFECTS, deliveries: [late, other], events },
      })
      expect(
        result.kind === 'committed' && [result.deliveries.map(({ id }) => id), result.events.map(({ id }) => id)],
      ).toEqual([[other.id], [events[1]?.id]])
      expect(await everything(store, workspace, [])).not.toContain('secret')
    })

    it('says when there is none, and writes nothing then', async () => {
      const { store, workspace } = shared()
      const deleted = gone('rsp_none')
      expect(await store.deleteResponse(workspace, 'rsp_none', deleted)).toBe(false)
      expect(await store.getEvent(workspace, deleted.id)).toBeUndefined()
    })
  })

  describe('deleteForm', () => {
    it('takes form, versions, responses and what was derived, and leaves other forms alone', async () => {
      const { store, workspace } = shared()
      for (const id of ['contact', 'other']) {
        await store.saveForm({
          workspace,
          id,
          definition: definition(),
          managedBy: 'api',
          at: AT,
          eventId: newId('event'),
          mode: 'create',
        })
      }
      const { responseId, sent, waiting } = await scene(store, workspace)
      const many = Array.from({ length: 450 }, () => submission({ workspace, data: '{"secret":1}' }))
      await store.accept(many)
      const loose = delivery({ formId: 'contact', input: '{"secret":"loose"}' })
      const kept = submission({ workspace, formId: 'other' })
      await store.accept([kept])
      await apply(store, workspace, {
        deliveries: [loose],
        events: [event({ formId: 'contact', data: '{"secret":"visit"}' })],
      })
      const deleted = event({ type: 'form.deleted', formId: 'contact', data: '{"form_id":"contact"}' })
      expect(await store.deleteForm(workspace, 'contact', deleted)).toBe(true)
      expect(await store.getForm(workspace, 'contact')).toBeUndefined()
      expect(await store.listFormVersions(workspace, 'contact')).toEqual([])
      expect(await store.getResponse(workspace, responseId)).toBeUndefined()
      expect(await store.countResponses(workspace)).toBe(1)
      expect(await store.getResponse(workspace, kept.responseId)).toMatchObject({ formId: 'other' })
      expect(await everything(store, workspace, [sent.id, waiting.id, loose.id])).not.toContain('secret')
      expect(await store.getDelivery(workspace, loose.id)).toMatchObject({ state: 'dead', errorCode: 'event_erased' })
      expect((await store.getEvent(workspace, deleted.id))?.data).toBe('{"form_id":"contact"}')
      expect(await store.deleteForm(workspace, 'contact', event())).toBe(false)
      const again = await store.saveForm({
        workspace,
        id: 'contact',
        definition: definition(),
        managedBy: 'api',
        at: AT,
        eventId: newId('event'),
        mode: 'create',
      })
      expect(again.form.version).toBe(1)
    })
  })
}
