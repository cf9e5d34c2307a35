/** What was put aside and is not stored leaves nothing behind, however it ends. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { NewDelivery } from '../../../core/model.ts'
import type { Store, Submission } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, definition, delivery, event, finished, later, submission } from './fixtures.ts'
import { apply } from './memory.ts'
import { aside, discarded, EVERYTHING, held } from './quarantine.ts'
import { runRecord } from './runs.ts'

/** What plugins made of the event that tells of it: a delivery that was made, one that waits, and a run. */
async function traces(store: Store, { workspace, responseId, formId, aside: why }: Submission) {
  const of = { responseId, formId, eventId: why?.eventId ?? null, input: '{"text":"CANARY"}' }
  const [sent, waiting] = [delivery(of), delivery({ ...of, orderKey: 'CANARY' })] as [NewDelivery, NewDelivery]
  await apply(store, workspace, { deliveries: [sent, waiting] })
  await store.finishAttempts([finished({ workspace, deliveryId: sent.id, error: 'CANARY' })])
  const ofRun = { eventId: why?.eventId ?? null, deliveryId: null, formId, responseId, outcome: 'flagged' as const }
  const entry = runRecord({
    workspace,
    kind: 'transform',
    items: [ofRun],
    logs: [{ level: 'info', message: 'CANARY' }],
  })
  await store.appendRuns({ runs: [entry], more: [] })
  return { sent, waiting, entry }
}

/** All that a reader of the store can see of a workspace. */
async function allOf(store: Store, workspace: string): Promise<string> {
  const deliveries = await store.listDeliveries(workspace, { limit: 100 })
  return JSON.stringify([
    await store.readEvents({ workspace, afterSeq: 0, limit: 1_000 }),
    await store.listResponses(workspace, { limit: 100 }),
    await store.listQuarantine(workspace, { limit: 100 }),
    await store.listRuns(workspace, { limit: 100 }),
    deliveries,
    await Promise.all(deliveries.items.map(({ id }) => store.listAttempts(workspace, id))),
  ])
}

export function discardPart(shared: SharedStore): void {
  describe('quarantine: what is left of it', () => {
    it('takes what was left of it elsewhere along when it is discarded; a repeat is refused still, without the words', async () => {
      const { store, workspace } = shared()
      const idempotency = { key: `k-${workspace}`, bodyHash: 'h' }
      const why = aside({ verdict: 'rejected', code: 'canary', message: 'CANARY is not taken here.' })
      const sent = held({ workspace, data: '{"text":"CANARY"}', idempotency, aside: why })
      const other = held({ workspace, data: '{"text":"other"}' })
      await store.accept([sent, other])
      const [made, stays] = [await traces(store, sent), await traces(store, other)]
      expect(await allOf(store, workspace)).toContain('"reason\\":\\"canary')
      expect(await store.discard(workspace, sent.responseId, discarded(sent.responseId))).toBe(true)
      expect(await store.getRun(workspace, made.entry.id)).toBeUndefined()
      expect(await store.getEvent(workspace, why.eventId)).toMatchObject({ data: null })
      expect(await store.getDelivery(workspace, made.sent.id)).toMatchObject({ state: 'delivered', input: 'null' })
      expect(await store.getDelivery(workspace, made.waiting.id)).toMatchObject({
        state: 'dead',
        errorCode: 'event_erased',
        finishedAt: later(50),
      })
      expect(await store.listAttempts(workspace, made.sent.id)).toMatchObject([
        { error: null, exchanges: [], logs: [] },
      ])
      // What was under way brings nothing back.
      await store.appendRuns({ runs: [{ ...made.entry, id: newId('run') }], more: [] })
      expect((await store.listRuns(workspace, { limit: 9 })).items.map(({ id }) => id)).toEqual([stays.entry.id])
      const again = submission({ workspace, idempotency })
      expect(await store.accept([again])).toMatchObject([{ kind: 'duplicate', rejection: { code: '', message: '' } }])
      await store.discard(workspace, other.responseId, discarded(other.responseId))
      expect((await allOf(store, workspace)).toLowerCase()).not.toContain('canary')
    })

    it.each(['by age', 'with its form', 'with its response', 'passed over'])(
      'takes what was left of it elsewhere along when it ends %s',
      async (how) => {
        const { store, workspace } = shared()
        const form = { workspace, id: 'contact', definition: definition(), managedBy: 'api', at: AT } as const
        await store.saveForm({ ...form, eventId: newId('event'), mode: 'upsert' })
        const partial = submission({ workspace, clientId: 'me', status: 'partial', data: '{"text":"first"}' })
        const at = '2001-01-01T00:00:00.000Z'
        const sent = held({ workspace, clientId: 'me', data: '{"text":"CANARY"}', at })
        await store.accept([partial, sent])
        const made = await traces(store, sent)
        const gone = { formId: 'contact', responseId: partial.responseId }
        if (how === 'by age') expect(await store.purgeQuarantine('2001-01-02T00:00:00.000Z')).toBe(1)
        if (how === 'with its form')
          await store.deleteForm(workspace, 'contact', event({ type: 'form.deleted', formId: 'contact' }))
        if (how === 'with its response')
          await store.deleteResponse(workspace, partial.responseId, event({ type: 'response.deleted', ...gone }))
        if (how === 'passed over') {
          // Its client completed the response meanwhile, in a way that no transform put aside.
          const rejected = aside({ verdict: 'rejected', code: 'x', message: 'CANARY' })
          const late = held({ workspace, clientId: 'you', data: '{"text":"CANARY"}', aside: rejected })
          await store.accept([late])
          const { entry } = await traces(store, late)
          await store.accept([submission({ workspace, clientId: 'you', data: '{"text":"fine"}' })])
          const filter = { id: late.responseId }
          expect(await store.release({ workspace, filter, limit: 1, at: AT })).toMatchObject([{ kind: 'duplicate' }])
          expect(await store.getRun(workspace, entry.id)).toBeUndefined()
          await store.discard(workspace, sent.responseId, discarded(sent.responseId))
        }
        expect(await store.getRun(workspace, made.entry.id)).toBeUndefined()
        expect(await allOf(store, workspace)).not.toContain('CANARY')
      },
    )

    it('released into what its client had begun, it goes with that, whatever id it had before', async () => {
      const { store, workspace } = shared()
      const partial = submission({ workspace, clientId: 'me', status: 'partial', data: '{"text":"first"}' })
      const sent = held({ workspace, clientId: 'me', data: '{"text":"CANARY"}' })
      await store.accept([partial, sent])
      const made = await traces(store, sent)
      const released = await store.release({ workspace, ...EVERYTHING })
      expect(released).toMatchObject([{ kind: 'completed', responseId: partial.responseId }])
      expect(await store.releasedInto(workspace, sent.responseId)).toBe(partial.responseId)
      expect(await store.releasedInto(workspace, partial.responseId)).toBeNull()
      // Nothing is lost by a release.
      expect(await store.getRun(workspace, made.entry.id)).toMatchObject({ id: made.entry.id })
      const gone = event({ type: 'response.deleted', formId: 'contact', responseId: partial.responseId })
      expect(await store.deleteResponse(workspace, partial.responseId, gone)).toBe(true)
      await store.appendRuns({ runs: [{ ...made.entry, id: newId('run') }], more: [] })
      expect((await store.listRuns(workspace, { limit: 9 })).items).toEqual([])
      expect(await store.getDelivery(workspace, made.waiting.id)).toMatchObject({ state: 'dead' })
      expect(await allOf(store, workspace)).not.toContain('CANARY')
    })
  })
}
