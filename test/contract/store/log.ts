/** The log, installations and their cursors, and the commit of a handled batch. */
import { describe, expect, it } from 'vitest'
import type { NewDelivery } from '../../../core/model.ts'
import type { HandledBatch, Store } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, delivery, died, event, finished, later, NO_EFFECTS, submission } from './fixtures.ts'

export function logPart(shared: SharedStore): void {
  const install = async (store: Store, workspace: string, id = 'crm') =>
    (await store.syncInstallations([{ workspace, id, plugin: 'webhooks', cursor: 0, at: AT }])).find(
      (row) => row.workspace === workspace && row.id === id,
    )
  const batch = (workspace: string, changes: Partial<HandledBatch> = {}): HandledBatch => ({
    workspace,
    installation: 'crm',
    plugin: 'webhooks',
    fromCursor: 0,
    toCursor: 5,
    effects: NO_EFFECTS,
    ...changes,
  })

  describe('log', () => {
    it('gives sequences without a gap, in commit order', async () => {
      const { store, workspace } = shared()
      const before = await store.headSeq()
      const calls = Array.from({ length: 30 }, (_, n) =>
        n % 3 === 0 ? store.accept([submission({ workspace })]) : store.appendEvents(workspace, [event(), event()]),
      )
      await Promise.all(calls)
      const log = await store.readEvents({ afterSeq: before, limit: 100 })
      expect(log.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, n) => before + 1 + n))
      expect(await store.headSeq()).toBe(before + 50)
    })

    it('appends what it was given and reads it back after a sequence', async () => {
      const { store, workspace } = shared()
      const events = [
        event({ hops: 3, formId: 'contact', responseId: 'rsp_x', data: '{"a":1}' }),
        event({ type: 'plugin.x.y' }),
      ]
      const appended = await store.appendEvents(workspace, events)
      expect(appended[0]).toEqual({ ...events[0], seq: appended[0]?.seq, workspace, meta: '{}', response: null })
      expect(await store.readEvents({ workspace, afterSeq: (appended[0]?.seq ?? 0) - 1, limit: 1 })).toEqual([
        appended[0],
      ])
      expect(await store.readEvents({ workspace, afterSeq: appended[0]?.seq ?? 0, limit: 9 })).toEqual([appended[1]])
      expect(await store.appendEvents(workspace, [])).toEqual([])
    })

    it('refuses an event id that was used, and leaves no gap behind', async () => {
      const { store, workspace } = shared()
      const used = event()
      await store.appendEvents(workspace, [used])
      const head = await store.headSeq()
      await expect(store.appendEvents(workspace, [event(), used])).rejects.toMatchObject({ code: 'conflict' })
      const [next] = await store.appendEvents(workspace, [event()])
      expect(next?.seq).toBe(head + 1)
    })

    it('finds where a time begins', async () => {
      const { store, workspace } = shared()
      const [first, second, third] = await store.appendEvents(workspace, [
        event({ at: later(10) }),
        event({ at: later(30) }),
        event({ at: later(20) }),
      ])
      expect(await store.seqBefore(workspace, later(10))).toBe((first?.seq ?? 0) - 1)
      expect(await store.seqBefore(workspace, later(11))).toBe((second?.seq ?? 0) - 1)
      expect(await store.seqBefore(workspace, later(31))).toBe(await store.headSeq())
      expect(third?.seq).toBe(await store.headSeq())
    })
  })

  describe('installations', () => {
    it('makes rows for new ones and leaves the others alone', async () => {
      const { store, workspace } = shared()
      expect(await install(store, workspace)).toEqual({
        workspace,
        id: 'crm',
        plugin: 'webhooks',
        state: 'ready',
        reason: null,
        stateSince: AT,
        cursor: 0,
        lastSuccessAt: null,
        provenAt: null,
        lastFailureAt: null,
        lastError: null,
        lastErrorCode: null,
        failureStreak: 0,
        returnsAtMs: null,
        pausesAtMs: [],
        refusedHash: null,
        check: null,
      })
      await store.commitHandled(batch(workspace, { toCursor: 17 }))
      const paused = { workspace, id: 'crm', state: 'paused', reason: 'by hand', at: later(1), event: event() } as const
      await store.setInstallationState(paused)
      expect(await install(store, workspace)).toMatchObject({
        cursor: 17,
        state: 'paused',
        reason: 'by hand',
        stateSince: later(1),
      })
      expect(await store.getEvent(workspace, paused.event.id)).toMatchObject({ type: 'track.page' })
    })

    it('keeps when a pause ends and the pauses before it; any other state ends that', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      const pause = { workspace, id: 'crm', state: 'paused', reason: 'points', at: later(1), event: null } as const
      const pausesAtMs = [AT_MS - 500, AT_MS + 1]
      expect(await store.setInstallationState({ ...pause, returnsAtMs: 9, pausesAtMs })).toBe(true)
      expect(await install(store, workspace)).toMatchObject({ state: 'paused', returnsAtMs: 9, pausesAtMs })
      expect(await store.setInstallationState({ ...pause, reason: 'by hand' })).toBe(true)
      expect(await install(store, workspace)).toMatchObject({ reason: 'by hand', returnsAtMs: null, pausesAtMs })
    })

    it('ends no later pause by the time of one before it, whatever a program left there that does not know of it', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      const base = { workspace, id: 'crm', event: null } as const
      const pause = { ...base, state: 'paused', reason: 'points', at: later(1), pausesAtMs: [AT_MS + 1] } as const
      await store.setInstallationState({ ...pause, returnsAtMs: 9 })
      // As such a program writes: another pause a second later, and the two columns stay.
      await store.setInstallationState({ ...pause, reason: 'by hand', at: later(1_001), returnsAtMs: 9 })
      expect(await install(store, workspace)).toMatchObject({ reason: 'by hand', returnsAtMs: null })
      const back = { ...base, state: 'degraded', reason: null, at: later(2_000) } as const
      expect(await store.setInstallationState({ ...back, only: { state: 'paused', returnsAtMs: 9 } })).toBe(false)
      // It resumes it, too; what is judged of it then is judged of what stands there.
      await store.setInstallationState({ ...pause, state: 'ready', reason: null, at: later(1_002), returnsAtMs: 9 })
      expect(await install(store, workspace)).toMatchObject({ state: 'ready', returnsAtMs: null })
      expect(await store.setInstallationState({ ...back, only: { state: 'ready', returnsAtMs: null } })).toBe(true)
    })

    it('keeps which settings had their credential refused, until any other state', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      const refused = { workspace, id: 'crm', state: 'disabled', reason: 'credential: expired', at: later(1) } as const
      await store.setInstallationState({ ...refused, refusedHash: 'abc', event: null })
      expect(await install(store, workspace)).toMatchObject({ state: 'disabled', refusedHash: 'abc' })
      await store.setInstallationState({ ...refused, state: 'ready', reason: null, event: null })
      expect(await install(store, workspace)).toMatchObject({ state: 'ready', refusedHash: null })
    })

    it('keeps what a check found last', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      const check = {
        at: later(2),
        hash: 'abc',
        findings: [{ level: 'error', message: 'expired', at: '/token' }],
      } as const
      await store.saveCheck({ workspace, id: 'crm', ...check, findings: [] })
      await store.saveCheck({ workspace, id: 'crm', ...check })
      expect(await install(store, workspace)).toMatchObject({ check })
      await store.saveCheck({ workspace, id: 'none', ...check })
      // One that began before it and took longer.
      await store.saveCheck({ workspace, id: 'crm', at: later(1), hash: 'old', findings: [] })
      expect(await install(store, workspace)).toMatchObject({ check })
    })

    it('leaves a state only as long as it is the one that was to be left', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      const base = { workspace, id: 'crm', at: later(1) } as const
      const points = { state: 'paused', returnsAtMs: 9 } as const
      const pausesAtMs = [AT_MS + 1]
      await store.setInstallationState({ ...base, ...points, reason: 'points', pausesAtMs, event: null })
      const back = { ...base, state: 'degraded', reason: null } as const
      const other = event()
      expect(await store.setInstallationState({ ...back, only: { ...points, returnsAtMs: 8 }, event: other })).toBe(
        false,
      )
      const never = { state: 'paused', returnsAtMs: null } as const
      expect(await store.setInstallationState({ ...back, only: never, event: other })).toBe(false)
      expect(await install(store, workspace)).toMatchObject({ ...points, reason: 'points' })
      expect(await store.getEvent(workspace, other.id)).toBeUndefined()
      expect(await store.setInstallationState({ ...back, only: points, event: other })).toBe(true)
      expect(await install(store, workspace)).toMatchObject({ state: 'degraded', returnsAtMs: null })
      expect(await store.getEvent(workspace, other.id)).toMatchObject({ id: other.id })
    })

    it('refuses to speak of one that is not there', async () => {
      const { store, workspace } = shared()
      await expect(store.rewindCursor(workspace, 'none', 1)).rejects.toMatchObject({ code: 'not_found' })
      const state = { workspace, id: 'none', state: 'ready', reason: null, at: AT, event: event() } as const
      await expect(store.setInstallationState(state)).rejects.toMatchObject({ code: 'not_found' })
      expect(await store.getEvent(workspace, state.event.id)).toBeUndefined()
      await expect(store.commitHandled(batch(workspace))).rejects.toMatchObject({ code: 'not_found' })
    })
  })

  describe('commitHandled', () => {
    it('keeps when a handler last did what it was for; a batch without one leaves that as it was', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      await store.commitHandled(batch(workspace))
      expect(await install(store, workspace)).toMatchObject({ lastSuccessAt: null, provenAt: null })
      const { toCursor: at } = batch(workspace)
      await store.commitHandled(batch(workspace, { fromCursor: at, toCursor: at + 1, ranWell: true, hasProven: true }))
      const lastSuccessAt = (await install(store, workspace))?.lastSuccessAt
      expect(lastSuccessAt).toEqual(expect.stringMatching(/^\d{4}-/))
      await store.commitHandled(batch(workspace, { fromCursor: at + 1, toCursor: at + 2 }))
      expect(await install(store, workspace)).toMatchObject({ lastSuccessAt, provenAt: lastSuccessAt })
    })

    it('writes cursor and effects together', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      const wanted = delivery({
        eventSeq: 4,
        eventId: 'evt_x',
        formId: 'contact',
        responseId: 'rsp_x',
        orderKey: 'o',
        dueAtMs: AT_MS + 0.5,
      })
      const emitted = event({ type: 'plugin.webhooks.done' })
      const effects = {
        deliveries: [wanted],
        kv: [{ key: 'k', value: '1', expiresAtMs: null }],
        events: [emitted],
        tallies: [{ name: 'seen', by: 2 }],
      }
      const result = await store.commitHandled(batch(workspace, { effects }))
      if (result.kind !== 'committed') throw new Error(result.kind)
      const { key: _key, ...rest } = wanted
      expect(result.deliveries).toMatchObject([
        {
          ...rest,
          workspace,
          installation: 'crm',
          plugin: 'webhooks',
          state: 'pending',
          attempts: 0,
          scheduleStep: 0,
          dueAtMs: AT_MS + 1,
          finishedAt: null,
        },
      ])
      expect(await store.getDelivery(workspace, wanted.id)).toEqual(result.deliveries[0])
      expect(result.events).toEqual([{ ...emitted, seq: await store.headSeq(), workspace, meta: '{}', response: null }])
      expect(await store.kvGet({ workspace: workspace, installation: 'crm', key: 'k', nowMs: AT_MS })).toBe('1')
      expect(await store.tallies({ workspace, installation: 'crm', prefix: '', after: null, limit: 100 })).toEqual({
        seen: 2,
      })
      expect(await install(store, workspace)).toMatchObject({ cursor: 5 })
    })

    it('writes nothing when the cursor is another', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      await store.commitHandled(batch(workspace, { toCursor: 3 }))
      const wanted = delivery()
      const effects = { ...NO_EFFECTS, deliveries: [wanted], events: [event()] }
      const head = await store.headSeq()
      expect(await store.commitHandled(batch(workspace, { effects }))).toEqual({ kind: 'moved', cursor: 3 })
      expect(await store.getDelivery(workspace, wanted.id)).toBeUndefined()
      expect(await store.headSeq()).toBe(head)
    })

    it('lets one of two rivals win', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      const rivals = await Promise.all(
        [1, 2].map(() =>
          store.commitHandled(batch(workspace, { effects: { ...NO_EFFECTS, tallies: [{ name: 'n', by: 1 }] } })),
        ),
      )
      expect(rivals.map(({ kind }) => kind).toSorted()).toEqual(['committed', 'moved'])
      expect(await store.tallies({ workspace, installation: 'crm', prefix: '', after: null, limit: 100 })).toEqual({
        n: 1,
      })
    })

    it('drops a delivery whose key was there before, for ever', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      const first = delivery({ key: 'same' })
      const other = delivery({ key: 'other' })
      await store.commitHandled(batch(workspace, { effects: { ...NO_EFFECTS, deliveries: [first] } }))
      const again = batch(workspace, {
        fromCursor: 5,
        toCursor: 6,
        effects: { ...NO_EFFECTS, deliveries: [delivery({ key: 'same' }), other, delivery({ key: 'other' })] },
      })
      const result = await store.commitHandled(again)
      expect(result.kind === 'committed' && result.deliveries.map(({ id }) => id)).toEqual([other.id])
      expect(await store.countDeliveries(workspace, {})).toBe(2)
    })

    it('opens an ended handler delivery again when its event fails once more, and leaves a waiting one alone', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      const attempt = {
        at: AT,
        durationMs: 3,
        outcome: 'retry',
        errorCode: 'plugin_threw',
        error: 'again',
        exchanges: [],
        logs: [],
      } as const
      const keys = ['delivered', 'dead', 'waits', 'dies'].map((name) => `handler:${name}`)
      const before = keys.map((key) => delivery({ kind: 'handler', key }))
      const [delivered, dead, waits, dies] = before as [NewDelivery, NewDelivery, NewDelivery, NewDelivery]
      const first = await store.commitHandled(batch(workspace, { effects: { ...NO_EFFECTS, deliveries: before } }))
      if (first.kind !== 'committed') throw new Error(first.kind)
      await store.finishAttempts([
        finished({ workspace, deliveryId: delivered.id }),
        died(dead.id, { workspace }),
        finished({ workspace, deliveryId: dies.id }),
      ])
      const retrying = {
        state: 'retrying',
        reason: null,
        errorCode: 'plugin_threw',
        error: 'again',
        scheduleStep: 1,
        attempt,
      } as const
      const again = keys.map((key, i) =>
        delivery({
          kind: 'handler',
          key,
          dueAtMs: AT_MS + 1_000,
          failed: i === 3 ? { ...retrying, state: 'dead', reason: 'internal_error' } : retrying,
        }),
      )
      const result = await store.commitHandled(
        batch(workspace, { fromCursor: 5, toCursor: 6, effects: { ...NO_EFFECTS, deliveries: again } }),
      )
      if (result.kind !== 'committed') throw new Error(result.kind)
      expect(result.deliveries.map(({ id }) => id)).toEqual([delivered.id, dead.id, dies.id])
      for (const made of result.deliveries) expect(await store.getDelivery(workspace, made.id)).toEqual(made)
      const opened = { state: 'retrying', attempts: 2, scheduleStep: 1, finishedAt: null, reason: null, error: 'again' }
      expect(result.deliveries).toMatchObject([
        { ...opened, dueAtMs: AT_MS + 1_000 },
        opened,
        { state: 'dead', attempts: 2, reason: 'internal_error', errorCode: 'plugin_threw' },
      ])
      expect(result.deliveries[2]?.finishedAt).not.toBeNull()
      expect(await store.getDelivery(workspace, waits.id)).toMatchObject({ state: 'pending', attempts: 0 })
      expect(await store.listAttempts(workspace, dead.id)).toMatchObject([{ n: 1 }, { n: 2, error: 'again' }])
      expect(result.events).toMatchObject([{ type: 'delivery.dead' }])
      expect(JSON.parse(result.events[0]?.data ?? '')).toMatchObject({ delivery_id: dies.id })
      const lanes = (await store.laneCounts()).filter((lane) => lane.workspace === workspace)
      expect(lanes).toMatchObject([{ pending: 1, retrying: 2, dead: 1, delivered: 0 }])
    })

    it('writes deliveries that are born with a failed attempt', async () => {
      const { store, workspace } = shared()
      await install(store, workspace)
      const attempt = {
        at: AT,
        durationMs: 3,
        outcome: 'retry',
        errorCode: 'plugin_threw',
        error: 'boom',
        exchanges: [],
        logs: [{ level: 'error', message: 'x' }],
      } as const
      const retrying = delivery({
        kind: 'handler',
        failed: { state: 'retrying', reason: null, errorCode: 'plugin_threw', error: 'boom', scheduleStep: 0, attempt },
        dueAtMs: AT_MS + 1_000,
      })
      const dead = delivery({
        kind: 'handler',
        failed: {
          state: 'dead',
          reason: 'internal_error',
          errorCode: 'plugin_load',
          error: 'broken',
          scheduleStep: 1,
          attempt: { ...attempt, outcome: 'dead' },
        },
      })
      const plain = delivery()
      const result = await store.commitHandled(
        batch(workspace, { effects: { ...NO_EFFECTS, deliveries: [retrying, dead, plain], events: [event()] } }),
      )
      if (result.kind !== 'committed') throw new Error(result.kind)
      for (const made of result.deliveries) expect(await store.getDelivery(workspace, made.id)).toEqual(made)
      expect(result.deliveries).toMatchObject([
        { state: 'retrying', attempts: 1, scheduleStep: 0, finishedAt: null, errorCode: 'plugin_threw', error: 'boom' },
        { state: 'dead', attempts: 1, scheduleStep: 1, reason: 'internal_error' },
        { state: 'pending', attempts: 0, scheduleStep: 0 },
      ])
      expect(result.deliveries[1]?.finishedAt).not.toBeNull()
      expect(await store.listAttempts(workspace, retrying.id)).toEqual([{ ...attempt, deliveryId: retrying.id, n: 1 }])
      expect(result.events.map(({ type }) => type).toSorted()).toEqual(['delivery.dead', 'track.page'])
      const lanes = (await store.laneCounts()).filter((lane) => lane.workspace === workspace)
      expect(lanes).toMatchObject([{ pending: 1, retrying: 1, dead: 1, delivered: 0 }])
      expect(await install(store, workspace)).toMatchObject({ lastError: 'broken' })
    })
  })
}
