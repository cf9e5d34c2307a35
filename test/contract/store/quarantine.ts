/** Responses that were put aside: apart from the stored ones, known again, released once, deleted for good. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { Aside, Submission } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, definition, event, later, submission } from './fixtures.ts'

/** The word of a transform. */
export const aside = (changes: Partial<Aside> = {}): Aside => ({
  verdict: 'flagged',
  code: 'flagged',
  message: 'links',
  installation: 'spam',
  plugin: 'spam-filter',
  eventId: newId('event'),
  ...changes,
})
/** A submission that is put aside. */
export const held = (changes: Partial<Submission> = {}): Submission => submission({ aside: aside(), ...changes })
const refused = (changes: Partial<Submission> = {}): Submission =>
  held({ aside: aside({ verdict: 'rejected', code: 'blocked', message: 'Not from there.' }), ...changes })
/** The event of a discard. */
export const discarded = (responseId: string) =>
  event({ type: 'response.discarded', formId: 'contact', responseId, at: later(50), data: '{"why":"asked"}' })
/** For a release. */
export const EVERYTHING = { filter: {}, limit: 100, at: later(60_000) }

export function quarantinePart(shared: SharedStore): void {
  describe('quarantine', () => {
    it('holds it apart from the responses, with an event that has no answers', async () => {
      const { store, workspace } = shared()
      const sent = held({ workspace, received: '{"email":"ADA@example.com"}' })
      const [result] = await store.accept([sent])
      if (result?.kind !== 'quarantined') throw new Error(result?.kind)
      expect(result).toMatchObject({ responseId: sent.responseId, completes: false })
      expect(await store.getEvent(workspace, sent.aside?.eventId ?? '')).toEqual(result.event)
      expect(result.event).toMatchObject({ type: 'response.quarantined', responseId: sent.responseId, response: null })
      expect(JSON.parse(result.event.data ?? '')).toEqual({
        id: sent.responseId,
        form_id: 'contact',
        status: 'completed',
        verdict: 'flagged',
        reason: 'flagged',
        installation: 'spam',
      })
      expect(await store.getResponse(workspace, sent.responseId)).toBeUndefined()
      expect(await store.getQuarantined(workspace, sent.responseId)).toEqual({
        id: sent.responseId,
        workspace,
        formId: 'contact',
        formVersion: 1,
        status: 'completed',
        verdict: 'flagged',
        code: 'flagged',
        message: 'links',
        installation: 'spam',
        plugin: 'spam-filter',
        received: { email: 'ADA@example.com' },
        data: { email: 'ada@example.com' },
        meta: { ip: '192.0.2.1' },
        clientId: null,
        startedAt: null,
        submittedAt: null,
        receivedAt: AT,
      })
    })

    it('takes what a form did not take once it fits, or comes with other answers, in its own place', async () => {
      const { store, workspace } = shared()
      const clientId = 'k:i:typeform:1'
      const misfit = (changes: Partial<Submission> = {}): Submission =>
        refused({
          workspace,
          clientId,
          aside: aside({ verdict: 'rejected', code: 'form-mismatch', message: 'Too many.' }),
          ...changes,
        })
      const first = misfit({ data: '{"n":9}' })
      await store.accept([first])
      const id = first.responseId
      // The sender's retry is the same one, and a late partial one mends nothing.
      const [again] = await store.accept([misfit({ data: '{"n":9}' })])
      expect(again).toMatchObject({ kind: 'duplicate', responseId: id, rejection: { code: 'form-mismatch' } })
      const [late] = await store.accept([submission({ workspace, clientId, status: 'partial', data: '{"n":1}' })])
      expect(late).toMatchObject({ kind: 'duplicate', responseId: id })
      // Other answers that do not fit either are newer ones of the same response.
      const [newer] = await store.accept([misfit({ data: '{"n":8}' })])
      expect(newer).toMatchObject({ kind: 'quarantined', responseId: id })
      expect((await store.listQuarantine(workspace, { reason: 'form-mismatch', limit: 10 })).items).toMatchObject([
        { id, data: { n: 8 } },
      ])
      // Nobody lets it pass unchecked.
      expect(await store.release({ workspace, ...EVERYTHING })).toEqual([])
      expect(await store.countQuarantine(workspace, {})).toBe(1)
      const [stored] = await store.accept([submission({ workspace, clientId, data: '{"n":8}' })])
      expect(stored).toMatchObject({ kind: 'completed', responseId: id })
      expect(await store.countQuarantine(workspace, {})).toBe(0)
      expect(await store.getResponse(workspace, id)).toMatchObject({ data: { n: 8 }, status: 'completed' })
    })

    it('lists by form, installation, verdict and time, newest first, page by page; counts the same', async () => {
      const { store, workspace } = shared()
      const rows = Array.from({ length: 5 }, (_, n) => held({ workspace, at: later(n * 1_000) }))
      const other = refused({ workspace, formId: 'other', at: later(9_000) })
      await store.accept([...rows, other])
      const ids = rows.map(({ responseId }) => responseId).toReversed()
      const first = await store.listQuarantine(workspace, { form: 'contact', limit: 3 })
      const rest = await store.listQuarantine(workspace, { form: 'contact', limit: 3, after: first.next ?? '' })
      expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(ids)
      expect(rest.next).toBeNull()
      for (const [filter, count] of [
        [{}, 6],
        [{ verdict: 'rejected' }, 1],
        [{ installation: 'nobody' }, 0],
        [{ since: later(1_000), until: later(3_000) }, 2],
      ] as const) {
        expect(await store.countQuarantine(workspace, filter)).toBe(count)
        expect((await store.listQuarantine(workspace, { ...filter, limit: 10 })).items).toHaveLength(count)
      }
      expect((await store.quarantineCounts()).rejected).toBeGreaterThan(0)
    })

    it('an Idempotency-Key finds what was put aside under it, and what a refused sender was told', async () => {
      const { store, workspace } = shared()
      const idempotency = { key: newId('request'), bodyHash: 'a' }
      const [first, second] = [held({ workspace, idempotency }), submission({ workspace, idempotency })]
      await store.accept([first])
      expect(await store.accept([second])).toEqual([
        { kind: 'duplicate', responseId: first.responseId, status: 'completed', at: AT, eventId: first.eventId },
      ])
      expect(await store.accept([{ ...second, idempotency: { ...idempotency, bodyHash: 'b' } }])).toEqual([
        { kind: 'mismatch' },
      ])
      const refusal = { key: newId('request'), bodyHash: 'a' }
      await store.accept([refused({ workspace, idempotency: refusal })])
      const [again] = await store.accept([submission({ workspace, idempotency: refusal })])
      expect(again).toMatchObject({ rejection: { code: 'blocked', message: 'Not from there.' } })
      expect(await store.countQuarantine(workspace, {})).toBe(2)
      expect(await store.countResponses(workspace)).toBe(0)
      await store.release({ workspace, ...EVERYTHING })
      const [after] = await store.accept([submission({ workspace, idempotency: refusal })])
      expect(after).toMatchObject({ kind: 'duplicate' })
      expect(after).not.toHaveProperty('rejection')
    })

    it("a client's id finds it by what was received, whatever transforms made of it", async () => {
      const { store, workspace } = shared()
      const received = '{"email":"ADA@example.com","b":{"y":1,"x":2}}'
      const same = '{"b":{"x":2,"y":1},"email":"ADA@example.com"}'
      const first = held({ workspace, clientId: 'one', received })
      await store.accept([first])
      const [repeat] = await store.accept([submission({ workspace, clientId: 'one', received: same })])
      expect(repeat).toEqual({
        kind: 'duplicate',
        responseId: first.responseId,
        status: 'completed',
        at: AT,
        eventId: first.eventId,
      })
      const [other] = await store.accept([submission({ workspace, clientId: 'one' })])
      expect(other).toMatchObject({ kind: 'duplicate', differs: true })
      // The same of one that is stored.
      await store.accept([submission({ workspace, clientId: 'two', received })])
      expect(await store.accept([submission({ workspace, clientId: 'two', received: same })])).toMatchObject([
        { kind: 'duplicate' },
      ])
      expect(await store.accept([submission({ workspace, clientId: 'two' })])).toMatchObject([{ differs: true }])
      await store.release({ workspace, ...EVERYTHING })
      const [released] = await store.accept([submission({ workspace, clientId: 'one', received: same })])
      expect(released).toMatchObject({ kind: 'duplicate', responseId: first.responseId, eventId: first.eventId })
      expect(released).not.toHaveProperty('differs')
      const [good] = await store.accept([held({ workspace, clientId: 'two', received: same })])
      expect(good).toMatchObject({ kind: 'duplicate' })
      expect(good).not.toHaveProperty('differs')
    })

    it('what was refused may come again with other answers, and stays refused with the same', async () => {
      const { store, workspace } = shared()
      await store.accept([refused({ workspace, clientId: 'c' })])
      expect(await store.accept([submission({ workspace, clientId: 'c' })])).toMatchObject([
        { kind: 'duplicate', rejection: { code: 'blocked' } },
      ])
      const better = submission({ workspace, clientId: 'c', data: '{"email":"eve@example.com"}' })
      expect(await store.accept([better])).toMatchObject([{ kind: 'stored', responseId: better.responseId }])
      // Releasing the refused one afterwards changes nothing: its client has completed the response.
      expect(await store.release({ workspace, ...EVERYTHING })).toEqual([
        { kind: 'duplicate', responseId: better.responseId, status: 'completed', at: AT },
      ])
      expect((await store.getResponse(workspace, better.responseId))?.data).toEqual({ email: 'eve@example.com' })
      expect(await store.countQuarantine(workspace, {})).toBe(0)
    })

    it('newer answers take the place of partial ones that were put aside, and keep their id', async () => {
      const { store, workspace } = shared()
      const partial = held({ workspace, clientId: 'p', status: 'partial' })
      await store.accept([partial])
      const next = held({ workspace, clientId: 'p', status: 'partial', data: '{"email":"b@example.com"}' })
      expect(await store.accept([next])).toMatchObject([{ kind: 'quarantined', responseId: partial.responseId }])
      expect(await store.countQuarantine(workspace, {})).toBe(1)
      const last = submission({ workspace, clientId: 'p', data: '{"email":"c@example.com"}' })
      expect(await store.accept([last])).toMatchObject([{ kind: 'completed', responseId: partial.responseId }])
      expect(await store.countQuarantine(workspace, {})).toBe(0)
      expect((await store.getResponse(workspace, partial.responseId))?.data).toEqual({ email: 'c@example.com' })
    })

    it('what completes a stored partial one and is put aside completes it when it is released', async () => {
      const { store, workspace } = shared()
      const partial = submission({ workspace, clientId: 'q', status: 'partial' })
      await store.accept([partial])
      const last = held({ workspace, clientId: 'q', data: '{"email":"z@example.com"}' })
      expect(await store.accept([last])).toMatchObject([
        { kind: 'quarantined', responseId: partial.responseId, completes: true },
      ])
      expect((await store.getResponse(workspace, partial.responseId))?.status).toBe('partial')
      expect(await store.release({ workspace, ...EVERYTHING })).toMatchObject([
        { kind: 'completed', responseId: partial.responseId },
      ])
      expect(await store.getResponse(workspace, partial.responseId)).toMatchObject({
        status: 'completed',
        data: { email: 'z@example.com' },
        submittedAt: AT,
      })
    })

    it.each(['partial', 'completed'] as const)(
      'a %s one does not overwrite what its client sent after it was refused; of several each newer one counts',
      async (status) => {
        const { store, workspace } = shared()
        const answers = (text: string) => ({ workspace, clientId: 'n', data: JSON.stringify({ email: text }) })
        const older = refused({ ...answers('older'), status })
        const newer = submission({ ...answers('newer'), status: 'partial', at: later(10) })
        const later1 = refused({ ...answers('later 1'), status: 'partial', at: later(20) })
        const later2 = refused({ ...answers('later 2'), status, at: later(30) })
        for (const sent of [older, newer]) await store.accept([sent])
        expect(await store.release({ workspace, ...EVERYTHING })).toEqual([
          { kind: 'duplicate', responseId: newer.responseId, status: 'partial', at: later(10) },
        ])
        expect((await store.getResponse(workspace, newer.responseId))?.data).toEqual({ email: 'newer' })
        for (const sent of [later1, later2]) await store.accept([sent])
        const end = status === 'completed' ? 'completed' : 'stored'
        expect(await store.release({ workspace, ...EVERYTHING })).toMatchObject([{ kind: 'stored' }, { kind: end }])
        const stored = await store.getResponse(workspace, newer.responseId)
        expect(stored).toMatchObject({ status, data: { email: 'later 2' } })
        expect(await store.countQuarantine(workspace, {})).toBe(0)
      },
    )

    it('keeps the time that its sender says it was submitted at, also over its release', async () => {
      const { store, workspace } = shared()
      const long = '2021-05-05T10:00:00.000Z'
      const named = { workspace, clientId: 'long ago', submittedAt: long }
      const sent = held(named)
      await store.accept([sent])
      expect(await store.getQuarantined(workspace, sent.responseId)).toMatchObject({
        submittedAt: long,
        receivedAt: AT,
      })
      expect(await store.accept([held(named)])).toMatchObject([{ kind: 'duplicate', at: long }])
      const [result] = await store.release({ workspace, filter: {}, limit: 1, at: later(60_000) })
      expect(result).toMatchObject({ event: { at: later(60_000), response: { submittedAt: long } } })
      expect(await store.getResponse(workspace, sent.responseId)).toMatchObject({ submittedAt: long })
    })

    it('a release stores it under its id and with its event, once, however many ask', async () => {
      const { store, workspace } = shared()
      const sent = held({ workspace, startedAt: later(-5_000) })
      await store.accept([sent])
      const ask = () => store.release({ workspace, filter: { id: sent.responseId }, limit: 1, at: later(60_000) })
      const results = (await Promise.all([ask(), ask(), ask()])).flat()
      expect(results).toHaveLength(1)
      const [result] = results
      if (result?.kind !== 'stored') throw new Error(result?.kind)
      expect(result.event).toEqual({
        seq: await store.headSeq(),
        id: sent.eventId,
        workspace,
        type: 'response.submitted',
        at: later(60_000),
        formId: 'contact',
        responseId: sent.responseId,
        hops: 0,
        data: sent.data,
        meta: sent.meta,
        response: { status: 'completed', formVersion: 1, startedAt: later(-5_000), submittedAt: AT },
      })
      expect(await store.getEvent(workspace, sent.eventId)).toEqual(result.event)
      expect(await store.getResponse(workspace, sent.responseId)).toMatchObject({
        submittedAt: AT,
        createdAt: later(60_000),
      })
      expect(await store.getQuarantined(workspace, sent.responseId)).toBeUndefined()
    })

    it('a release takes so many of what it is asked for, oldest first', async () => {
      const { store, workspace } = shared()
      const rows = Array.from({ length: 4 }, (_, n) => held({ workspace, at: later(n) }))
      await store.accept([...rows, refused({ workspace })])
      const input = { workspace, filter: { verdict: 'flagged' }, limit: 3, at: later(60_000) } as const
      const first = await store.release(input)
      expect(first.map((result) => 'responseId' in result && result.responseId)).toEqual(
        rows.slice(0, 3).map(({ responseId }) => responseId),
      )
      expect(await store.release(input)).toHaveLength(1)
      expect(await store.release(input)).toEqual([])
      expect(await store.countQuarantine(workspace, {})).toBe(1)
    })

    it('is deleted for good, by id, with its form, and by age', async () => {
      const { store, workspace } = shared()
      const saved = {
        workspace,
        id: 'contact',
        definition: definition(),
        managedBy: 'api',
        at: AT,
        eventId: newId('event'),
        mode: 'upsert',
      } as const
      await store.saveForm(saved)
      const [one, old, young] = [
        held({ workspace }),
        held({ workspace, at: '2001-01-01T00:00:00.000Z' }),
        held({ workspace }),
      ]
      await store.accept([one, old, young])
      const told = discarded(one.responseId)
      expect(await store.discard(workspace, one.responseId, told)).toBe(true)
      expect(await store.discard(workspace, one.responseId, discarded(one.responseId))).toBe(false)
      expect(await store.getEvent(workspace, told.id)).toMatchObject({ type: 'response.discarded', data: told.data })
      expect(await store.purgeQuarantine('2001-01-02T00:00:00.000Z')).toBe(1)
      expect((await store.listQuarantine(workspace, { limit: 9 })).items.map(({ id }) => id)).toEqual([
        young.responseId,
      ])
      expect(await store.deleteForm(workspace, 'contact', event({ type: 'form.deleted', formId: 'contact' }))).toBe(
        true,
      )
      expect(await store.countQuarantine(workspace, {})).toBe(0)
    })

    it('goes with the response that its sender was told of, when both came under one client id', async () => {
      const { store, workspace } = shared()
      const partial = submission({ workspace, clientId: 'me', status: 'partial' })
      const [stored] = await store.accept([partial])
      expect(stored?.kind).toBe('stored')
      await store.accept([held({ workspace, clientId: 'me' }), held({ workspace, clientId: 'somebody-else' })])
      expect(await store.countQuarantine(workspace, {})).toBe(2)
      const gone = event({ type: 'response.deleted', formId: 'contact', responseId: partial.responseId })
      expect(await store.deleteResponse(workspace, partial.responseId, gone)).toBe(true)
      const left = (await store.listQuarantine(workspace, { limit: 9 })).items
      expect(left.map(({ clientId }) => clientId)).toEqual(['somebody-else'])
    })

    it('of one workspace is nothing to another', async () => {
      const { store, workspace } = shared()
      const other = `${workspace}-other`
      const sent = held({ workspace, clientId: 'x' })
      await store.accept([sent])
      expect(await store.getQuarantined(other, sent.responseId)).toBeUndefined()
      expect((await store.listQuarantine(other, { limit: 9 })).items).toEqual([])
      expect(await store.countQuarantine(other, {})).toBe(0)
      expect(await store.discard(other, sent.responseId, discarded(sent.responseId))).toBe(false)
      expect(await store.release({ workspace: other, ...EVERYTHING })).toEqual([])
      expect(await store.accept([submission({ workspace: other, clientId: 'x' })])).toMatchObject([{ kind: 'stored' }])
      expect(await store.countQuarantine(workspace, {})).toBe(1)
    })

    it('a batch may hold stored and held ones; each has its own place', async () => {
      const { store, workspace } = shared()
      const rows = [submission({ workspace }), held({ workspace }), submission({ workspace }), refused({ workspace })]
      const kinds = (await store.accept(rows)).map(({ kind }) => kind)
      expect(kinds).toEqual(['stored', 'quarantined', 'stored', 'quarantined'])
      expect(await store.countResponses(workspace)).toBe(2)
      expect(await store.countQuarantine(workspace, {})).toBe(2)
    })
  })
}
