/** Deliveries by what is said in them, dead ones by their cause, and the event of a response. */
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../core/limits.ts'
import type { NewDelivery, WorkspaceId } from '../../../core/model.ts'
import type { Store } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, delivery, died, event, finished, later, retried, submission } from './fixtures.ts'
import { apply } from './memory.ts'

const ids = (rows: readonly { readonly id: string }[]): string[] => rows.map(({ id }) => id).toSorted()

/** Dead ones with this error each. */
async function buried(
  store: Store,
  workspace: WorkspaceId,
  errors: readonly (readonly [code: string, error: string])[],
) {
  const rows = errors.map(() => delivery())
  await apply(store, workspace, { deliveries: rows })
  await store.finishAttempts(
    rows.map(({ id }, n) => {
      const [errorCode, error] = errors[n] as readonly [string, string]
      return died(id, { workspace, errorCode, error })
    }),
  )
  return rows
}

export function searchPart(shared: SharedStore): void {
  describe('search', () => {
    it('finds responses by one answer, looking through so many a page', async () => {
      const { store, workspace } = shared()
      const sent = async (data: object, more: object = {}) => {
        const one = submission({ workspace, data: JSON.stringify(data), ...more })
        await store.accept([one])
        return one.responseId
      }
      const found = async (field: string, value: string, more: object = {}) =>
        ids(
          (await store.listResponses(workspace, { form: 'contact', answer: { field, value }, limit: 10, ...more }))
            .items,
        )
      const ada = await sent({ email: 'Ada@Example.com', budget: 4.5, agreed: true, topics: ['a', 'b_c'], note: 'x"y' })
      const bob = await sent({ email: 'bob@example.com', note: 'ada@example.com', budget: 45 }, { status: 'partial' })
      await sent({ email: 'ada@example.com' }, { formId: 'other' })
      const file = await sent({ cv: { name: 'cv.pdf', url: 'https://files.example/1' }, budget: null })
      expect(await found('email', 'ada@example.com')).toEqual([ada])
      expect(await found('note', 'ada@example.com')).toEqual([bob])
      expect(await found('email', 'example.com')).toEqual([])
      expect(await found('budget', '4.50')).toEqual([ada])
      expect(await found('budget', 'null')).toEqual([])
      expect(await found('agreed', 'TRUE')).toEqual([ada])
      expect([await found('topics', 'b_c'), await found('topics', 'bxc')]).toEqual([[ada], []])
      expect(await found('note', 'x"y')).toEqual([ada])
      expect(await found('cv', 'cv.pdf')).toEqual([file])
      expect(await found('__proto__', 'ada@example.com')).toEqual([])
      expect(await found('email', 'bob@example.com', { status: 'completed' })).toEqual([])
    })

    it('finds responses by words of their answers, in any case, and by nothing else', async () => {
      const { store, workspace } = shared()
      const sent = async (data: object, more: object = {}) => {
        const one = submission({ workspace, data: JSON.stringify(data), ...more })
        await store.accept([one])
        return one.responseId
      }
      const found = async (text: string, more: object = {}) =>
        ids((await store.listResponses(workspace, { text, limit: 10, ...more })).items)
      const ada = await sent({ name: 'Ada Müller', town: 'ÖSTERSUND', budget: 4.5, topics: ['50% "off"', 'b_c'] })
      const bob = await sent(
        { name: 'Bob', note: 'saw\nAda in Östersund', file: { name: 'cv.pdf' } },
        { formId: 'other' },
      )
      const cid = await sent({ ada: 'name', note: 'OR NEAR(ada* -cid' }, { status: 'partial' })
      expect(await found('ada')).toEqual([ada, bob, cid].toSorted())
      expect(await found('  ADA   östersund ')).toEqual([ada, bob].toSorted())
      expect([await found('MÜLLER'), await found('müll')]).toEqual([[ada], [ada]])
      expect([await found('4.5'), await found('cv.pdf'), await found('saw ada')]).toEqual([[ada], [bob], [bob]])
      // Keys are not answers, and nothing in the words is more than a letter.
      expect([await found('topics'), await found('name')]).toEqual([[], [cid]])
      expect([
        await found('"off"'),
        await found('50%'),
        await found('5%'),
        await found('b_c'),
        await found('b%c'),
      ]).toEqual([[ada], [ada], [], [ada], []])
      expect([await found('near(ada*'), await found("' OR 1=1 --"), await found('"')]).toEqual([[cid], [], [ada]])
      expect([await found('ada', { form: 'other' }), await found('ada', { status: 'partial' })]).toEqual([[bob], [cid]])
      expect(ids((await store.listResponses(`${workspace}-2`, { text: 'ada', limit: 10 })).items)).toEqual([])
      await store.deleteResponse(workspace, bob, event({ type: 'response.deleted', responseId: bob }))
      expect(await found('östersund')).toEqual([ada])
    })

    it('lists responses from either end, each once, within a time', async () => {
      const { store, workspace } = shared()
      const sent = Array.from({ length: 9 }, (_, n) =>
        submission({ workspace, at: later(n), ...(n % 3 === 0 ? { status: 'partial' as const } : {}) }),
      )
      await store.accept(sent)
      const all = sent.map(({ responseId }) => responseId)
      const walked = async (query: object) => {
        const seen: string[] = []
        let after: string | null | undefined
        while (after !== null) {
          const page = await store.listResponses(workspace, { limit: 2, after, ...query })
          seen.push(...page.items.map(({ id }) => id))
          after = page.next
        }
        return seen
      }
      expect(await walked({})).toEqual(all.toReversed())
      expect(await walked({ order: 'oldest' })).toEqual(all)
      expect(await walked({ order: 'oldest', since: later(2), until: later(7) })).toEqual(all.slice(2, 7))
      expect(await walked({ since: later(2), until: later(7) })).toEqual(all.slice(2, 7).toReversed())
      expect(await walked({ status: 'partial' })).toEqual([all[6], all[3], all[0]])
      expect(await walked({ status: 'partial', form: 'contact', order: 'oldest' })).toEqual([all[0], all[3], all[6]])
      expect(await walked({ status: 'completed', since: later(3) })).toEqual([all[8], all[7], all[5], all[4]])
    })

    it('finds words in ids, error, code and host; in input and answers only where they may be read', async () => {
      const { store, workspace } = shared()
      const sent = submission({ workspace, data: '{"note":"50% \\"off\\" in Zürich"}' })
      await store.accept([sent])
      const { responseId } = sent
      const [a, b, c] = [
        delivery({ responseId, eventId: sent.eventId, input: '{"text":"Hello_World"}' }),
        delivery({ input: '{"text":"HelloXWorld"}' }),
        delivery({ input: '{"text":"Ärger"}' }),
      ] as [NewDelivery, NewDelivery, NewDelivery]
      await apply(store, workspace, { deliveries: [a, b, c] })
      await store.finishAttempts([
        retried(b.id, { workspace, host: 'hooks.example:8443', error: 'Quota of team 7 is used up.' }),
      ])
      const found = async (words: string, inAnswers = true) =>
        ids((await store.listDeliveries(workspace, { limit: 10, text: { words, inAnswers } })).items)
      expect(await found(a.id)).toEqual([a.id])
      expect(await found(responseId)).toEqual([a.id])
      expect(await found(sent.eventId)).toEqual([a.id])
      expect(await found('TEAM 7')).toEqual([b.id])
      expect(await found('hooks.example:8443')).toEqual([b.id])
      // What stands for any letter in SQL stands for itself here.
      expect(await found('hello_world')).toEqual([a.id])
      expect(await found('50% "off"')).toEqual([a.id])
      expect(await found('Zürich')).toEqual([a.id])
      // Of letters outside ASCII the case matters, whatever the database makes of them.
      expect(await found('50% "OFF" IN ZürICH')).toEqual([a.id])
      expect(await found('ZÜRICH')).toEqual([])
      expect(await found('ÄRGER')).toEqual([c.id])
      expect(await found('Ärger')).toEqual([c.id])
      expect(await found('ärger')).toEqual([])
      expect(await found('50% "off"', false)).toEqual([])
      expect(await found('hello_world', false)).toEqual([])
      expect(await found('team 7', false)).toEqual([b.id])
      expect(await found('51%')).toEqual([])
      const other = { limit: 10, text: { words: 'Zürich', inAnswers: true } }
      expect((await store.listDeliveries('elsewhere', other)).items).toEqual([])
      expect((await store.listDeliveries(workspace, { ...other, installation: 'none' })).items).toEqual([])
    })

    it('looks through so many rows a page, and goes on from there', async () => {
      const { store, workspace } = shared()
      const old = delivery({ input: '{"text":"needle"}', formId: 'rare' })
      await apply(store, workspace, { deliveries: [old] })
      await store.finishAttempts([finished({ workspace, deliveryId: old.id, host: 'old.example' })])
      const rows = Array.from({ length: LIMITS.deliverySearchRowsMax }, () => delivery())
      await apply(store, workspace, { deliveries: rows })
      const query = { limit: 5, text: { words: 'needle', inAnswers: true } }
      const first = await store.listDeliveries(workspace, query)
      expect(first.items).toEqual([])
      expect(first.next).not.toBeNull()
      const second = await store.listDeliveries(workspace, { ...query, after: first.next ?? '' })
      expect([ids(second.items), second.next]).toEqual([[old.id], null])
      // So it is with what else no index knows; a form has one of its own, and what is dead or waits is apart.
      const pages = async (filter: object) => {
        const { items, next } = await store.listDeliveries(workspace, { limit: 5, ...filter })
        if (next === null) return [ids(items)]
        const then = await store.listDeliveries(workspace, { limit: 5, ...filter, after: next })
        return [ids(items), ids(then.items), then.next]
      }
      for (const filter of [{ state: 'delivered' }, { installation: 'crm', form: 'rare' }])
        expect([filter, await pages(filter)]).toEqual([filter, [[], [old.id], null]])
      expect(await pages({ form: 'rare' })).toEqual([[old.id]])
      expect(await pages({ form: 'rare', state: 'delivered' })).toEqual([[old.id]])
      expect(await pages({ code: 'none' })).toEqual([[], [], null])
      expect(await pages({ state: 'dead', code: 'none' })).toEqual([[]])
      const few = await store.listDeliveries(workspace, { limit: 2, text: { words: 'hello', inAnswers: true } })
      expect(few.items).toHaveLength(2)
      const next = await store.listDeliveries(workspace, {
        limit: 2,
        text: { words: 'hello', inAnswers: true },
        after: few.next ?? '',
      })
      expect(new Set(ids([...few.items, ...next.items])).size).toBe(4)
    })
  })

  describe('dead letters by cause', () => {
    it('the same words of one installation are one cause, whatever ids, numbers and addresses stand in them', async () => {
      const { store, workspace } = shared()
      const rows = await buried(store, workspace, [
        ['http_404', 'There is no contact 17 (ada@example.com).'],
        ['http_404', 'There is no contact 18 (bob@example.com).'],
        ['http_400', 'There is no contact 18 (bob@example.com).'],
        ['http_404', 'dlv_0192f0c4-0000-7000-8000-000000000000 was refused'],
      ])
      const { groups, whole } = await store.groupDead(workspace, {})
      expect(whole).toBe(true)
      expect(groups.map(({ code, message, count }) => [code, message, count])).toContainEqual([
        'http_404',
        'There is no contact # (…).',
        2,
      ])
      expect(groups.map(({ count }) => count)).toEqual([2, 1, 1])
      const [largest] = groups
      expect(largest).toMatchObject({ installation: 'crm', reason: 'receiver_failed', exampleId: rows[1]?.id })
      const { items } = await store.listDeliveries(workspace, { limit: 10, state: 'dead', cause: largest?.cause })
      expect(ids(items)).toEqual(ids(rows.slice(0, 2)))
      expect((await store.groupDead(workspace, { code: 'http_400' })).groups).toHaveLength(1)
      expect((await store.groupDead(workspace, { installation: 'other' })).groups).toEqual([])
      expect((await store.groupDead('elsewhere', {})).groups).toEqual([])
      expect(await store.countReplay({ workspace, states: ['dead'], code: 'http_400' })).toBe(1)
    })

    it('groups the newest, and says when there were more', async () => {
      const { workspace } = shared()
      const { READS } = await import('../../../core/storage/verbs.ts')
      // The whole number takes a minute to fill: what is bounded is the statement.
      const steps = READS.groupDead({ workspace, query: {}, rowsMax: LIMITS.deadGroupRowsMax, groupsMax: 3 })
      const { value } = steps.next()
      expect(value).toMatchObject({ params: [workspace, LIMITS.deadGroupRowsMax - 1] })
      const end = { created_at: AT, id: 'dlv_last' }
      expect(steps.next({ rows: [end, { created_at: AT, id: 'dlv_more' }], changes: 0 })).toMatchObject({
        value: { params: [workspace, AT, 'dlv_last', LIMITS.deadGroupRowsMax, 5] },
      })
      expect(steps.next({ rows: [], changes: 0 })).toEqual({ done: true, value: { groups: [], whole: false } })
    })

    it('shows the largest groups, and says when there were more', async () => {
      const { store, workspace } = shared()
      const word = (n: number): string => String.fromCodePoint(0x4e_00 + n)
      const errors = Array.from({ length: LIMITS.deadGroupsMax }, (_, n) => ['http_400', word(n)] as const)
      await buried(store, workspace, [...errors, ['http_400', word(7)]])
      const all = await store.groupDead(workspace, {})
      expect([all.groups.length, all.whole, all.groups[0]]).toMatchObject([200, true, { message: word(7), count: 2 }])
      await buried(store, workspace, [['http_400', 'one more']])
      const { groups, whole } = await store.groupDead(workspace, {})
      expect([groups.length, whole, groups[0]?.count]).toEqual([LIMITS.deadGroupsMax, false, 2])
    })

    it('a cause is kept with what died, as long as it is dead', async () => {
      const { store, workspace } = shared()
      const handler = delivery({
        kind: 'handler',
        failed: {
          state: 'dead',
          reason: 'internal_error',
          errorCode: 'http_404',
          error: 'There is no contact 17.',
          scheduleStep: 1,
          attempt: { ...died('').attempt },
        },
      })
      await apply(store, workspace, { deliveries: [handler] })
      const [row] = await buried(store, workspace, [['http_404', 'There is no contact 18.']])
      const [group] = (await store.groupDead(workspace, {})).groups
      expect(group).toMatchObject({ count: 2, message: 'There is no contact #.' })
      const listed = async () => ids((await store.listDeliveries(workspace, { limit: 9, cause: group?.cause })).items)
      expect(await listed()).toEqual(ids([handler, row as NewDelivery]))
      expect(await store.countDeliveries(workspace, { cause: group?.cause })).toBe(2)
      await store.replay({ workspace, deliveryIds: [handler.id], states: ['dead'], limit: 1, nowMs: AT_MS })
      expect(await listed()).toEqual(ids([row as NewDelivery]))
      await store.finishAttempts([retried(handler.id, { workspace, error: 'There is no contact 19.' })])
      expect(await listed()).toEqual(ids([row as NewDelivery]))
      await store.finishAttempts([
        died(handler.id, { workspace, errorCode: 'http_404', error: 'There is no contact 20.' }),
      ])
      expect(await listed()).toEqual(ids([handler, row as NewDelivery]))
    })

    it('of a response that was deleted only the code is left', async () => {
      const { store, workspace } = shared()
      const sent = submission({ workspace })
      await store.accept([sent])
      const { responseId } = sent
      const [dead, waiting] = [delivery({ responseId }), delivery({ responseId })] as [NewDelivery, NewDelivery]
      await apply(store, workspace, { deliveries: [dead, waiting] })
      await store.finishAttempts([died(dead.id, { workspace, errorCode: 'http_422', error: 'Ada is no number' })])
      const deletion = event({ type: 'response.deleted', responseId })
      await store.deleteResponse(workspace, responseId, deletion)
      const { groups, whole } = await store.groupDead(workspace, {})
      expect(whole).toBe(true)
      expect(groups.map(({ code, message, count }) => [code, message, count]).toSorted()).toEqual([
        ['event_erased', 'The response was deleted before this was delivered.', 1],
        ['http_422', '', 1],
      ])
    })
  })

  describe('the event of a response', () => {
    it('is the newest that has its answers', async () => {
      const { store, workspace } = shared()
      const sent = submission({ workspace })
      await store.accept([sent])
      expect(await store.eventOfResponse(workspace, sent.responseId)).toMatchObject({
        id: sent.eventId,
        type: 'response.submitted',
        data: '{"email":"ada@example.com"}',
      })
      expect(await store.eventOfResponse(workspace, 'rsp_none')).toBeUndefined()
      expect(await store.eventOfResponse('elsewhere', sent.responseId)).toBeUndefined()
    })
  })
}
