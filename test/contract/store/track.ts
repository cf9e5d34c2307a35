/** Behaviour events: each once under its sender's id, in the order of the log, gone with their form. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { AsideEvent, TrackedEvent } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, definition, event, later, submission } from './fixtures.ts'
import { LADDER } from './ladder.ts'

const tracked = (workspace: string, changes: Partial<TrackedEvent> = {}): TrackedEvent => ({
  workspace,
  id: newId('event'),
  type: 'track.click',
  at: AT,
  formId: null,
  clientId: null,
  data: '{"name":"click"}',
  meta: '{"device":"desktop"}',
  ...changes,
})

const COUNTING = {
  ladder: LADDER,
  nowMs: AT_MS,
  valuesMax: 100,
  keepMs: 0,
  freshSalt: 'salt',
}

export function trackPart(shared: SharedStore): void {
  describe('behaviour events', () => {
    it('are entries of the log, in order, with what the connection said', async () => {
      const { store, workspace } = shared()
      const before = await store.headSeq()
      const events = [tracked(workspace), tracked(workspace, { type: 'track.page_view', formId: 'contact' })]
      const results = await store.track(events)
      const expected = events.map(({ clientId: _, ...each }, i) => ({
        ...each,
        seq: before + 1 + i,
        responseId: null,
        hops: 0,
        response: null,
      }))
      expect(results).toEqual(expected.map((each) => ({ kind: 'stored', event: each })))
      expect(await store.readEvents({ workspace, afterSeq: before, limit: 9 })).toEqual(expected)
      expect(await store.track([])).toEqual([])
    })

    it('are written once under the id of their sender, in one call, in many at once, and later', async () => {
      const { store, workspace } = shared()
      const { workspace: other } = shared()
      const before = await store.headSeq()
      const first = tracked(workspace, { clientId: 'e-1' })
      const results = await store.track([
        first,
        tracked(workspace, { clientId: 'e-1', at: later(1) }),
        tracked(workspace),
      ])
      const repeat = { kind: 'duplicate', id: first.id, type: 'track.click', at: AT }
      expect(results.map(({ kind }) => kind)).toEqual(['stored', 'duplicate', 'stored'])
      expect(results[1]).toEqual(repeat)
      expect(await store.track([tracked(workspace, { clientId: 'e-1', type: 'track.custom' })])).toEqual([repeat])
      const many = await Promise.all(
        Array.from({ length: 8 }, () => store.track([tracked(workspace, { clientId: 'e-2' })])),
      )
      expect(many.flat().filter(({ kind }) => kind === 'stored')).toHaveLength(1)
      // The same id elsewhere is another event.
      expect((await store.track([tracked(other, { clientId: 'e-1' })]))[0]?.kind).toBe('stored')
      expect(await store.readEvents({ workspace, afterSeq: before, limit: 99 })).toHaveLength(3)
      expect(await store.headSeq()).toBe(before + 4)
    })

    it('share commits with responses, without a gap', async () => {
      const { store, workspace } = shared()
      const before = await store.headSeq()
      await Promise.all(
        Array.from({ length: 20 }, async (_, n): Promise<unknown> =>
          n % 2 === 0
            ? store.accept([submission({ workspace })])
            : store.track([tracked(workspace), tracked(workspace)]),
        ),
      )
      const log = await store.readEvents({ afterSeq: before, limit: 100 })
      expect(log.map(({ seq }) => seq)).toEqual(Array.from({ length: 30 }, (_, n) => before + 1 + n))
    })

    it('are forgotten by age, and their id with them', async () => {
      const { store, workspace } = shared()
      const [old, young] = [
        tracked(workspace, { clientId: 'e-1', at: later(-2) }),
        tracked(workspace, { at: later(5) }),
      ]
      await store.track([old, young])
      await store.accept([submission({ workspace, at: later(-2) })])
      const expired = await store.expireTracked({ before: later(0), at: later(1), counting: COUNTING })
      const news = expired.events.filter((event) => event.workspace === workspace)
      expect([news.length, expired.dropped >= 1]).toEqual([1, true])
      const log = await store.readEvents({ workspace, afterSeq: 0, limit: 9 })
      expect(log.map(({ data, meta }) => [data === null, meta === '{}'])).toEqual([
        [true, true],
        [false, false],
        [false, false],
        [false, true],
      ])
      expect([log.at(-1), log.at(-1)?.type]).toEqual([news[0], 'events.expired'])
      expect((await store.track([tracked(workspace, { clientId: 'e-1' })]))[0]?.kind).toBe('stored')
    })

    it('are forgotten in slices that end between two moments, and each says so in its transaction', async () => {
      const { store, workspace } = shared()
      const before = await store.headSeq()
      await store.track(Array.from({ length: 1_001 }, () => tracked(workspace, { at: later(-2) })))
      const { events } = await store.expireTracked({ before: later(0), at: later(1), counting: COUNTING })
      // All are of one moment.
      expect(events.filter((event) => event.workspace === workspace)).toHaveLength(1)
      const log = await store.readEvents({ workspace, afterSeq: before, limit: 2_000 })
      expect(log.filter(({ data }) => data !== null).map(({ type, data }) => [type, data])).toEqual([
        ['events.expired', JSON.stringify({ before: later(-1), counted: true })],
      ])
    })

    it('are put aside once under the id of their sender, listed, dropped, and go by age', async () => {
      const { store, workspace } = shared()
      const { workspace: other } = shared()
      const aside = (clientId: string, changes: Partial<AsideEvent> = {}): AsideEvent => ({
        id: newId('event'),
        receivedAt: later(0),
        formId: null,
        type: 'video',
        code: 'invalid',
        problems: '[]',
        event: '{}',
        clientId,
        ...changes,
      })
      const [one, two, three] = [aside('e-1'), aside('e-2', { receivedAt: later(9) }), aside('e-3')]
      const repeat = aside('e-1')
      expect(await store.putAsideEvents(workspace, [one, repeat, two], 3)).toEqual([one.id, one.id, two.id])
      expect(await store.putAsideEvents(workspace, [aside('e-2'), three, aside('e-4')], 3)).toEqual([
        two.id,
        null,
        null,
      ])
      expect(await store.putAsideEvents(workspace, [], 3)).toEqual([])
      const first = await store.listAsideEvents(workspace, { limit: 1 })
      expect(first.items).toEqual([one])
      const rest = await store.listAsideEvents(workspace, { limit: 9, after: first.next ?? '' })
      expect([rest.items, rest.next]).toEqual([[two], null])
      expect((await store.listAsideEvents(other, { limit: 9 })).items).toEqual([])
      expect([
        await store.dropAsideEvents(other, [one.id]),
        await store.dropAsideEvents(workspace, [two.id, 'evt_0']),
      ]).toEqual([0, 1])
      await store.expireTracked({ before: later(1), at: later(1), counting: COUNTING })
      expect((await store.listAsideEvents(workspace, { limit: 9 })).items).toEqual([])
    })

    it('are salted alike by all for a day', async () => {
      const { store, workspace: day } = shared()
      const salts = ['one', 'two', 'three'].map((fresh) => store.daySalt({ day, fresh, expiresAtMs: 5 }))
      expect(new Set(await Promise.all(salts)).size).toBe(1)
      await store.purge(6)
      expect(await store.daySalt({ day, fresh: 'four', expiresAtMs: 5 })).toBe('four')
    })

    it('lose all they say with the form they are about', async () => {
      const { store, workspace } = shared()
      await store.saveForm({
        workspace,
        id: 'contact',
        definition: definition(),
        managedBy: 'api',
        at: AT,
        eventId: newId('event'),
        mode: 'create',
      })
      const [about, apart] = [tracked(workspace, { formId: 'contact', clientId: 'e-1' }), tracked(workspace)]
      await store.track([about, apart])
      expect(await store.deleteForm(workspace, 'contact', event({ type: 'form.deleted', formId: 'contact' }))).toBe(
        true,
      )
      expect(await store.getEvent(workspace, about.id)).toMatchObject({ data: null, meta: '{}' })
      expect(await store.getEvent(workspace, apart.id)).toMatchObject({ data: apart.data })
    })
  })
}
