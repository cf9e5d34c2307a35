/** The history of runs: what is written is found, by all it is about, within its bounds, and goes with what it is about. */
import { describe, expect, it } from 'vitest'
import { idsFrom, newId } from '../../../core/ids.ts'
import { LIMITS } from '../../../core/limits.ts'
import type { RunItem, RunRecord } from '../../../core/model.ts'
import type { RunQuery, Store } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, definition, event, later, submission } from './fixtures.ts'
import { apply } from './memory.ts'

export const runItem = (changes: Partial<RunItem> = {}): RunItem => ({
  eventId: null,
  deliveryId: null,
  formId: null,
  responseId: null,
  outcome: null,
  ...changes,
})

let made = 0
/** An id as a run gets that starts so many milliseconds after `AT`. */
const idAt = (ms: number): string => `${idsFrom('run', AT_MS + ms)}000-8000-${String(++made).padStart(12, '0')}`

export const runRecord = (changes: Partial<RunRecord> = {}): RunRecord => ({
  id: newId('run'),
  workspace: 'default',
  installation: 'crm',
  plugin: 'webhooks',
  version: '1.2.3',
  bundle: '0123456789ab',
  kind: 'handler',
  name: 'response.submitted',
  attempt: 1,
  startedAt: AT,
  durationMs: 1.5,
  cpuMs: 0.25,
  outcome: 'ok',
  errorCode: null,
  error: null,
  stack: null,
  items: [],
  effects: [],
  requests: [],
  logs: [],
  leftOut: 0,
  more: 0,
  ...changes,
})

export function runsPart(shared: SharedStore): void {
  const idsOf = async (store: Store, workspace: string, query: Omit<RunQuery, 'limit'> = {}) =>
    (await store.listRuns(workspace, { limit: 100, ...query })).items.map(({ id }) => id)
  const append = (store: Store, ...runs: readonly RunRecord[]) => store.appendRuns({ runs, more: [] })

  describe('runs', () => {
    it('gives back every part of what was appended, and counts what came after it', async () => {
      const { store, workspace } = shared()
      const run = runRecord({
        workspace,
        kind: 'action',
        name: 'post',
        attempt: 3,
        outcome: 'failed',
        errorCode: 'http_500',
        error: 'It answered 500. (index.ts:4:2)',
        stack: 'at index.ts:4:2\nat other.ts:1:1',
        items: [
          runItem({ eventId: 'evt_1', deliveryId: 'dlv_1', formId: 'f', responseId: 'rsp_1', outcome: 'delivered' }),
          runItem({ eventId: 'evt_2', deliveryId: 'dlv_2', outcome: 'retry' }),
        ],
        effects: [
          { kind: 'enqueue', action: 'post', key: 'k', deliveryId: 'dlv_3' },
          { kind: 'kv', key: 'seen', bytes: 12 },
          { kind: 'kv', key: 'gone', bytes: null },
          { kind: 'emit', type: 'plugin.x.y', eventId: 'evt_3' },
          { kind: 'tally', name: 't', by: 2 },
        ],
        requests: [{ method: 'POST', url: 'https://crm.example/x', status: 500, durationMs: 3.25, error: null }],
        logs: [{ level: 'warn', message: 'nul \u0000 and 🧀', fields: { n: 1 } }],
        leftOut: 2,
      })
      await append(store, run)
      expect(await store.getRun(workspace, run.id)).toEqual(run)
      expect((await store.listRuns(workspace, { limit: 1 })).items).toEqual([run])
      await store.appendRuns({ runs: [], more: [{ workspace, id: run.id, by: 1_204 }] })
      await store.appendRuns({ runs: [], more: [{ workspace, id: run.id, by: 1 }] })
      expect(await store.getRun(workspace, run.id)).toEqual({ ...run, more: 1_205 })
      expect(await store.getRun(workspace, 'run_none')).toBeUndefined()
    })

    it('an entry that is appended again is there once', async () => {
      const { store, workspace } = shared()
      const run = runRecord({ workspace, items: [runItem({ eventId: 'e' })] })
      await append(store, run)
      await append(store, run)
      expect(await store.getRun(workspace, run.id)).toEqual(run)
      expect(await idsOf(store, workspace)).toEqual([run.id])
    })

    it('lists newest first, in pages, by each of its filters', async () => {
      const { store, workspace } = shared()
      const start = (ms: number) => ({ workspace, id: idAt(ms), startedAt: later(ms) })
      const first = runRecord({
        ...start(0),
        installation: 'one',
        items: [runItem({ eventId: 'e1', responseId: 'r1' })],
      })
      const second = runRecord({ ...start(10), kind: 'schedule', name: 'tick', outcome: 'failed' })
      const third = runRecord({
        ...start(20),
        kind: 'action',
        items: [runItem({ eventId: 'e1', deliveryId: 'd1', responseId: 'r1' }), runItem({ eventId: 'e2' })],
      })
      await append(store, second, third, first)
      expect(await idsOf(store, workspace)).toEqual([third.id, second.id, first.id])
      expect(await idsOf(store, workspace, { installation: 'one' })).toEqual([first.id])
      expect(await idsOf(store, workspace, { event: 'e1' })).toEqual([third.id, first.id])
      expect(await idsOf(store, workspace, { event: 'e2' })).toEqual([third.id])
      expect(await idsOf(store, workspace, { delivery: 'd1' })).toEqual([third.id])
      expect(await idsOf(store, workspace, { response: 'r1', kind: 'handler' })).toEqual([first.id])
      expect(await idsOf(store, workspace, { kind: 'schedule' })).toEqual([second.id])
      expect(await idsOf(store, workspace, { outcome: 'failed' })).toEqual([second.id])
      expect(await idsOf(store, workspace, { outcome: 'ok' })).toEqual([third.id, first.id])
      expect(await idsOf(store, workspace, { since: later(10) })).toEqual([third.id, second.id])
      expect(await idsOf(store, workspace, { since: later(0), until: later(10) })).toEqual([first.id])
      const page = await store.listRuns(workspace, { limit: 2 })
      expect(page.items.map(({ id }) => id)).toEqual([third.id, second.id])
      const rest = await store.listRuns(workspace, { limit: 2, after: page.next ?? '' })
      expect([rest.items.map(({ id }) => id), rest.next]).toEqual([[first.id], null])
    })

    it('keeps so many of an installation, the newest, and of the others all', async () => {
      const { store, workspace } = shared()
      const kept = LIMITS.runsKeptPerInstallation
      const runs = Array.from({ length: kept + 5 }, () => runRecord({ workspace, items: [runItem({ eventId: 'e' })] }))
      const other = runRecord({ workspace, installation: 'other' })
      await append(store, other, ...runs.slice(0, kept))
      await append(store, ...runs.slice(kept))
      const all: string[] = []
      for (let after: string | undefined; ;) {
        const page = await store.listRuns(workspace, { limit: 200, after, event: 'e' })
        all.push(...page.items.map(({ id }) => id))
        if (page.next === null) break
        after = page.next
      }
      expect(all).toEqual(
        runs
          .slice(5)
          .map(({ id }) => id)
          .toReversed(),
      )
      expect(await store.getRun(workspace, (runs[4] as RunRecord).id)).toBeUndefined()
      expect(await store.getRun(workspace, other.id)).toEqual(other)
    })

    it('drops what is older than it is kept, of however many installations', async () => {
      const { store, workspace } = shared()
      const at = AT
      await store.syncInstallations(
        ['crm', 'other'].map((id) => ({ workspace, id, plugin: 'webhooks', cursor: 0, at })),
      )
      const old = Array.from({ length: 600 }, (_, n) => {
        const installation = n % 2 === 0 ? 'crm' : 'other'
        return runRecord({ workspace, id: idAt(n), installation, items: [runItem({ eventId: 'e' })] })
      })
      const young = runRecord({ workspace, id: idAt(1_000), items: [runItem({ eventId: 'e' })] })
      await append(store, ...old, young)
      await store.purge(AT_MS + LIMITS.runsKeptMs)
      expect((await store.listRuns(workspace, { limit: 200 })).next).not.toBeNull()
      expect(await store.purge(AT_MS + 1_000 + LIMITS.runsKeptMs)).toBeGreaterThanOrEqual(old.length)
      expect(await idsOf(store, workspace)).toEqual([young.id])
      expect(await idsOf(store, workspace, { event: 'e' })).toEqual([young.id])
    })

    it('stays in its workspace', async () => {
      const { store, workspace } = shared()
      const run = runRecord({ workspace, items: [runItem({ eventId: 'e', deliveryId: 'd', responseId: 'r' })] })
      await append(store, run)
      const foreign = `${workspace}-other`
      expect(await store.getRun(foreign, run.id)).toBeUndefined()
      for (const query of [{}, { event: 'e' }, { delivery: 'd' }, { response: 'r' }, { installation: 'crm' }])
        expect(await idsOf(store, foreign, query)).toEqual([])
      await store.appendRuns({ runs: [], more: [{ workspace: foreign, id: run.id, by: 1 }] })
      expect(await store.getRun(workspace, run.id)).toEqual(run)
    })

    it('goes with its response, also when it is written after the deletion', async () => {
      const { store, workspace } = shared()
      const [gone, stays] = [submission({ workspace }), submission({ workspace })]
      await store.accept([gone, stays])
      const about = (responseId: string) => runItem({ responseId })
      const alone = runRecord({ workspace, items: [about(gone.responseId)] })
      const batch = runRecord({ workspace, items: [about(stays.responseId), about(gone.responseId)] })
      const kept = runRecord({ workspace, items: [about(stays.responseId)] })
      await append(store, alone, batch, kept)
      await store.deleteResponse(workspace, gone.responseId, event({ type: 'response.deleted' }))
      expect(await idsOf(store, workspace)).toEqual([kept.id])
      await append(store, { ...alone, id: newId('run') }, { ...batch, id: newId('run') })
      expect(await idsOf(store, workspace)).toEqual([kept.id])
    })

    it('goes with its form, whether a response took part or not', async () => {
      const { store, workspace } = shared()
      for (const id of ['contact', 'other'])
        await store.saveForm({
          workspace,
          id,
          definition: definition(),
          managedBy: 'api',
          at: AT,
          eventId: newId('event'),
          mode: 'create',
        })
      const answer = submission({ workspace })
      await store.accept([answer])
      const visit = event({ formId: 'contact' })
      const elsewhere = event({ formId: 'other' })
      await apply(store, workspace, { events: [visit, elsewhere] })
      const ofAnswer = runRecord({ workspace, items: [runItem({ responseId: answer.responseId, formId: 'contact' })] })
      const ofVisit = runRecord({ workspace, items: [runItem({ eventId: visit.id, formId: 'contact' })] })
      const kept = runRecord({ workspace, items: [runItem({ eventId: elsewhere.id, formId: 'other' })] })
      await append(store, ofAnswer, ofVisit, kept)
      expect(await idsOf(store, workspace)).toHaveLength(3)
      await store.deleteForm(workspace, 'contact', event({ type: 'form.deleted', formId: 'contact' }))
      expect(await idsOf(store, workspace)).toEqual([kept.id])
      await append(store, { ...ofVisit, id: newId('run') })
      expect(await idsOf(store, workspace)).toEqual([kept.id])
    })
  })
}
