/** The store contract of hooks and of notes to responses. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { Hook } from '../../../core/model.ts'
import type { NewHook } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, definition, event, later, submission } from './fixtures.ts'

export function hooksPart(shared: SharedStore): void {
  const hook = (workspace: string, changes: Partial<NewHook> = {}): NewHook => ({
    id: newId('hook'),
    workspace,
    keyId: 'key_1',
    source: 'zapier',
    zapId: null,
    targetUrl: 'https://hooks.example/1',
    hubUrl: null,
    event: 'response.submitted',
    formId: 'contact',
    expiresAtMs: null,
    at: AT,
    ofAnyKey: false,
    ...changes,
  })
  const idsOf = ({ items }: { items: readonly Hook[] }) => items.map(({ id }) => id)

  describe('hooks', () => {
    it('makes one, and changes the one that stands for the same: by its own name, or by address, event and form', async () => {
      const { store, workspace } = shared()
      const first = await store.saveHook(hook(workspace))
      expect(first.created).toBe(true)
      expect(await store.getHook(workspace, first.hook.id)).toEqual({
        ...first.hook,
        createdAt: AT,
        updatedAt: AT,
        lastSuccessAt: null,
        lastFailureAt: null,
        lastReason: null,
      })
      const same = await store.saveHook(hook(workspace, { keyId: 'key_2', at: later(5) }))
      expect(same).toEqual({ created: false, hook: { ...first.hook, keyId: 'key_2', updatedAt: later(5) } })
      expect((await store.saveHook(hook(workspace, { formId: null }))).created).toBe(true)
      expect((await store.saveHook(hook(workspace, { formId: null }))).created).toBe(false)
      const named = await store.saveHook(hook(workspace, { zapId: 'zap-1' }))
      expect(named.created).toBe(true)
      const moved = await store.saveHook(
        hook(workspace, { zapId: 'zap-1', targetUrl: 'https://hooks.example/2', event: 'response.partial' }),
      )
      expect([moved.created, moved.hook.id]).toEqual([false, named.hook.id])
      expect((await store.saveHook(hook(workspace, { zapId: 'zap-1', source: 'make' }))).created).toBe(true)
      expect(await store.countHooks(workspace)).toBe(4)
      expect(await store.countHooks(workspace, { key: 'key_2', inForceMs: AT_MS })).toBe(1)
      await store.saveHook(hook(workspace, { keyId: 'key_2', at: later(6), expiresAtMs: AT_MS + 9 }))
      expect(await store.countHooks(workspace, { key: 'key_2', inForceMs: AT_MS + 9 })).toBe(0)
      expect(await store.countHooks('elsewhere')).toBe(0)
    })

    it('lists newest first by every filter, in pages', async () => {
      const { store, workspace } = shared()
      const made: Hook[] = []
      for (const changes of [{}, { event: 'alert.raised', formId: null }, { source: 'n8n', zapId: 'z' }] as const)
        made.unshift((await store.saveHook(hook(workspace, changes))).hook)
      const page = await store.listHooks(workspace, { limit: 2 })
      expect(idsOf(page)).toEqual(made.slice(0, 2).map(({ id }) => id))
      expect(idsOf(await store.listHooks(workspace, { limit: 2, after: page.next as string }))).toEqual([made[2]?.id])
      const counts = [
        { event: 'alert.raised' },
        { form: 'contact' },
        { source: 'n8n' },
        { zapId: 'z' },
        { key: 'key_1' },
        { targetUrl: 'https://hooks.example/1' },
        { targetUrl: 'https://hooks.example/3' },
      ].map(async (query) => (await store.listHooks(workspace, { limit: 9, ...query })).items.length)
      expect(await Promise.all(counts)).toEqual([1, 2, 1, 1, 3, 3, 0])
      expect((await store.listHooks('elsewhere', { limit: 9 })).items).toEqual([])
    })

    it('answers who wants an event of a form: not what has expired, nor what a key in force does not stand behind', async () => {
      const { store, workspace } = shared()
      const key = {
        workspace,
        name: 'k',
        prefix: 'mfk',
        scopes: ['hooks:write'],
        createdAt: AT,
        expiresAt: null as string | null,
      }
      const keys = [
        { ...key, id: newId('key'), hash: newId('key') },
        { ...key, id: newId('key'), hash: newId('key'), expiresAt: later(100) },
      ] as const
      for (const each of keys) await store.createKey(each)
      const save = async (n: number, changes: Partial<NewHook> = {}) =>
        (await store.saveHook(hook(workspace, { targetUrl: `https://hooks.example/${n}`, ...changes }))).hook.id
      const all = await save(1, { formId: null })
      const one = await save(2, { keyId: keys[0].id })
      await save(3, { formId: 'other' })
      await save(4, { event: 'response.partial' })
      await save(5, { expiresAtMs: AT_MS + 50 })
      await save(6, { keyId: keys[1].id })
      const sent = submission({ workspace })
      await store.accept([sent])
      const { eventId } = sent
      const wanted = async (nowMs: number, formId: string | null = 'contact', after: string | null = null, limit = 9) =>
        store.hooksFor({ workspace, event: 'response.submitted', eventId, formId, after, limit, nowMs })
      expect(idsOf(await wanted(AT_MS))).toHaveLength(4)
      expect(idsOf(await wanted(AT_MS + 100))).toEqual([all, one])
      expect(idsOf(await wanted(AT_MS, null))).toEqual([all])
      const page = await wanted(AT_MS + 100, 'contact', null, 1)
      expect([idsOf(page), page.next]).toEqual([[all], all])
      expect(idsOf(await wanted(AT_MS + 100, 'contact', all))).toEqual([one])
      await store.revokeKey(workspace, keys[0].id, later(1))
      expect(idsOf(await wanted(AT_MS + 100))).toEqual([all])
      expect(await store.getHook(workspace, one, AT_MS)).toBeUndefined()
      expect((await store.getHook(workspace, one))?.id).toBe(one)
    })

    it('is another one for another key that names no more than the Zap, until its own key or it has ended', async () => {
      const { store, workspace } = shared()
      const key = { id: newId('key'), workspace, name: 'k', prefix: 'mfk', hash: newId('key') }
      await store.createKey({ ...key, scopes: ['hooks:write'], createdAt: AT, expiresAt: null })
      const wish = { keyId: key.id, zapId: 'zap' }
      const { id } = (await store.saveHook(hook(workspace, wish))).hook
      const ask = async (changes: Partial<NewHook>) =>
        (await store.saveHook(hook(workspace, { ...wish, targetUrl: 'https://hooks.example/9', ...changes }))).hook.id
      const stranger = await ask({ keyId: 'key_2' })
      expect(stranger).not.toBe(id)
      expect((await store.getHook(workspace, id))?.keyId).toBe(key.id)
      expect(await ask({ keyId: 'key_2' })).toBe(stranger)
      expect(await ask({})).toBe(id)
      expect(await ask({ keyId: 'key_3', targetUrl: 'https://hooks.example/9' })).toBe(id)
      expect(await ask({ keyId: key.id, targetUrl: 'https://hooks.example/5', ofAnyKey: true })).toBe(id)
      await store.removeHook({ workspace, id: stranger, event: event(), if: {} })
      await store.revokeKey(workspace, key.id, later(1))
      expect(await ask({ keyId: 'key_4', targetUrl: 'https://hooks.example/6', at: later(2) })).toBe(id)
      expect((await store.getHook(workspace, id))?.keyId).toBe('key_4')
    })

    it('asks for what comes from then on: when it is made, when it comes back, and when it asks for something else', async () => {
      const { store, workspace } = shared()
      const sent = async () => {
        const { eventId, ...one } = submission({ workspace })
        await store.accept([{ ...one, eventId }])
        return eventId
      }
      const wanted = async (eventId: string, nowMs = AT_MS, name = 'response.submitted') =>
        (await store.hooksFor({ workspace, event: name, eventId, formId: 'contact', after: null, limit: 9, nowMs }))
          .items.length
      const before = await sent()
      await store.saveHook(hook(workspace, { expiresAtMs: AT_MS + 50 }))
      const first = await sent()
      expect([await wanted(before), await wanted(first), await wanted('evt_none')]).toEqual([0, 1, 0])
      await store.saveHook(hook(workspace, { at: later(10), expiresAtMs: AT_MS + 50 }))
      expect(await wanted(first)).toBe(1)
      const missed = await sent()
      await store.saveHook(hook(workspace, { at: later(60), expiresAtMs: null }))
      const next = await sent()
      const nowMs = AT_MS + 60
      expect([await wanted(first, nowMs), await wanted(missed, nowMs), await wanted(next, nowMs)]).toEqual([0, 0, 1])
      const zap = { zapId: 'zap', targetUrl: 'https://hooks.example/2' }
      await store.saveHook(hook(workspace, { ...zap, event: 'response.partial' }))
      const older = await sent()
      await store.saveHook(hook(workspace, zap))
      expect([await wanted(older, nowMs), await wanted(await sent(), nowMs)]).toEqual([1, 2])
    })

    it('made twice at once is one', async () => {
      const { store, workspace } = shared()
      const both = await Promise.all([1, 2, 3, 4].map(() => store.saveHook(hook(workspace, { zapId: 'zap' }))))
      expect(both.filter(({ created }) => created)).toHaveLength(1)
      expect(await store.countHooks(workspace)).toBe(1)
    })

    it('those that have ended are told apart, the longest untouched first', async () => {
      const { store, workspace } = shared()
      const key = { id: newId('key'), workspace, name: 'k', prefix: 'mfk', hash: newId('key') }
      await store.createKey({ ...key, scopes: ['hooks:write'], createdAt: AT, expiresAt: null })
      const save = async (n: number, changes: Partial<NewHook>) =>
        (await store.saveHook(hook(workspace, { targetUrl: `https://hooks.example/${n}`, ...changes }))).hook.id
      await save(1, {})
      const ofKey = await save(2, { keyId: key.id, at: later(20) })
      const expired = await save(3, { expiresAtMs: AT_MS + 30, at: later(10) })
      const ended = async (endedByMs: number, of: string | null = workspace) =>
        (await store.endedHooks({ workspace: of, endedByMs, limit: 9 })).map(({ id }) => id)
      await store.revokeKey(workspace, key.id, later(25))
      expect([await ended(AT_MS + 24), await ended(AT_MS + 25), await ended(AT_MS + 30)]).toEqual([
        [],
        [ofKey],
        [expired, ofKey],
      ])
      expect(await ended(AT_MS + 30, null)).toEqual(expect.arrayContaining([expired, ofKey]))
      expect(await ended(AT_MS + 30, 'elsewhere')).toEqual([])
      const remove = (id: string, condition: object) =>
        store.removeHook({ workspace, id, event: event({ type: 'hook.removed' }), if: condition })
      expect(await remove(expired, { endedByMs: AT_MS + 29 })).toBe(false)
      expect(await remove(expired, { endedByMs: AT_MS + 30 })).toBe(true)
      expect(await remove(ofKey, { targetUrl: 'https://hooks.example/before' })).toBe(false)
      expect(await remove(ofKey, { targetUrl: 'https://hooks.example/2' })).toBe(true)
    })

    it('those that have ended are told of once, whoever looks, and again when they ended again', async () => {
      const { store, workspace } = shared()
      const key = { id: newId('key'), workspace, name: 'k', prefix: 'mfk', hash: newId('key') }
      await store.createKey({ ...key, scopes: ['hooks:write'], createdAt: AT, expiresAt: null })
      const save = async (n: number, changes: Partial<NewHook>) =>
        (await store.saveHook(hook(workspace, { targetUrl: `https://hooks.example/${n}`, ...changes }))).hook.id
      const [active, ofKey, brief] = [
        await save(1, {}),
        await save(2, { keyId: key.id }),
        await save(3, { expiresAtMs: AT_MS + 30 }),
      ]
      await store.revokeKey(workspace, key.id, later(25))
      const untold = async (nowMs: number) =>
        (await store.untoldHooks({ nowMs, limit: 1_000 })).flatMap((each) =>
          each.workspace === workspace ? [each.id] : [],
        )
      expect([await untold(AT_MS + 24), await untold(AT_MS + 25)]).toEqual([[], [ofKey]])
      const stopped = { limit: 9, endedMs: AT_MS + 30 }
      expect(idsOf(await store.listHooks(workspace, stopped))).toEqual([brief, ofKey])
      expect(idsOf(await store.listHooks(workspace, { limit: 9, inForceMs: AT_MS + 30 }))).toEqual([active])
      const tell = (ids: string[], nowMs: number, told = event({ type: 'alert.raised' })) =>
        store.tellStopped({ workspace, ids, nowMs, event: told })
      expect(await tell([ofKey, brief], AT_MS + 29)).toBe(false)
      const told = event({ type: 'alert.raised' })
      expect([await tell([ofKey, brief], AT_MS + 30, told), await tell([brief], AT_MS + 31)]).toEqual([true, false])
      expect((await store.getEvent(workspace, told.id))?.type).toBe('alert.raised')
      expect(await untold(AT_MS + 99)).toEqual([])
      expect(idsOf(await store.listHooks(workspace, stopped))).toEqual([brief, ofKey])
      expect(await save(3, { expiresAtMs: AT_MS + 60, at: later(40) })).toBe(brief)
      expect([await untold(AT_MS + 59), await untold(AT_MS + 60)]).toEqual([[], [brief]])
      expect(await tell([brief], AT_MS + 60)).toBe(true)
    })

    it('ends those of admin keys that hubs are not given any more, once, until they are given again', async () => {
      const { store, workspace } = shared()
      const save = async (n: number, keyId: string) =>
        (await store.saveHook(hook(workspace, { targetUrl: `https://hooks.example/${n}`, keyId }))).hook.id
      const [old, now, keyed] = [
        await save(1, 'operator:1'),
        await save(2, `operator:2-${workspace}`),
        await save(3, 'key_1'),
      ]
      const inForce = `operator:2-${workspace}`
      expect(await store.strayOperators(workspace, inForce)).toEqual([{ key: 'operator:1', hooks: 1 }])
      expect(await store.strayOperators('elsewhere', inForce)).toEqual([])
      const settle = (of: string | null, ended: string[], told = event({ type: 'alert.raised' })) =>
        store.settleOperators({ workspace, inForce: of, ended, reason: 'gone', at: later(1), event: told })
      const active = async () => {
        const found = await Promise.all([old, now, keyed].map((id) => store.getHook(workspace, id, AT_MS + 2)))
        return found.map((each) => each !== undefined)
      }
      expect([await settle(inForce, ['operator:1']), await settle(inForce, ['operator:1'])]).toEqual([true, false])
      expect(await store.strayOperators(workspace, inForce)).toEqual([])
      expect(await active()).toEqual([false, true, true])
      expect(await store.getHook(workspace, old)).toMatchObject({
        lastReason: 'gone',
        key: { isOperator: true, revokedAt: later(1) },
      })
      await expect(save(1, 'operator:1')).rejects.toMatchObject({ code: 'forbidden' })
      const untold = async () =>
        (await store.untoldHooks({ nowMs: AT_MS + 2, limit: 1_000 })).filter(({ id }) => id === old)
      expect(await untold()).toEqual([])
      expect(await store.listKeys(workspace)).toEqual([])
      expect((await store.strayOperators(workspace, null)).map(({ key }) => key)).toEqual([inForce])
      expect(await settle('operator:1', [inForce])).toBe(true)
      expect(await active()).toEqual([true, false, true])
      await settle(inForce, ['operator:1'])
    })

    it('ends those of a form that is deleted, also where a form gets its id again, until each is asked for again', async () => {
      const { store, workspace } = shared()
      const form = () =>
        store.saveForm({
          workspace,
          id: 'jobs',
          definition: definition(),
          managedBy: 'api',
          at: AT,
          eventId: newId('event'),
          mode: 'create',
          basedOn: undefined,
        })
      await form()
      const save = async (n: number, changes: Partial<NewHook>) =>
        (await store.saveHook(hook(workspace, { targetUrl: `https://hooks.example/${n}`, ...changes }))).hook.id
      const [jobs, every] = [await save(1, { formId: 'jobs' }), await save(2, { formId: null })]
      expect(await store.countHooks(workspace, { form: 'jobs', inForceMs: AT_MS })).toBe(1)
      await store.deleteForm(workspace, 'jobs', event({ type: 'form.deleted', formId: 'jobs' }))
      await form()
      const sent = submission({ workspace, formId: 'jobs' })
      await store.accept([sent])
      const wanted = { workspace, event: 'response.submitted', formId: 'jobs', after: null, limit: 9, nowMs: AT_MS }
      expect(idsOf(await store.hooksFor({ ...wanted, eventId: sent.eventId }))).toEqual([every])
      expect(idsOf(await store.listHooks(workspace, { limit: 9, endedMs: AT_MS }))).toEqual([jobs])
      expect(await store.countHooks(workspace, { form: 'jobs', inForceMs: AT_MS })).toBe(0)
      expect((await store.getHook(workspace, jobs))?.formGoneAt).toBe(AT)
      const untold = async () =>
        (await store.untoldHooks({ nowMs: AT_MS, limit: 1_000 })).flatMap(({ id }) => (id === jobs ? [id] : []))
      expect(await untold()).toEqual([jobs])
      expect(await save(1, { formId: 'jobs' })).toBe(jobs)
      expect([await untold(), (await store.getHook(workspace, jobs, AT_MS))?.formGoneAt]).toEqual([[], null])
    })

    it('finds the newest that hooks are told besides responses, of all forms or of one', async () => {
      const { store, workspace } = shared()
      const dead = (formId: string | null) => event({ type: 'delivery.dead', formId })
      const changed = (created: boolean) =>
        event({ type: 'form.changed', formId: 'rare', data: JSON.stringify({ form_id: 'rare', version: 1, created }) })
      const told = [dead('rare'), changed(true), dead('often'), dead(null), changed(false), event({ formId: 'rare' })]
      await store.appendEvents(workspace, told)
      const found = async (query: Partial<Parameters<typeof store.newestTold>[0]>) =>
        (await store.newestTold({ workspace, event: 'delivery.dead', formId: null, limit: 9, ...query })).map(
          ({ id }) => told.findIndex((each) => each.id === id),
        )
      expect([await found({}), await found({ limit: 1 }), await found({ formId: 'rare' })]).toEqual([
        [3, 2, 0],
        [3],
        [0],
      ])
      expect(await found({ event: 'form.changed' })).toEqual([4, 1])
      expect(await found({ event: 'form.created', formId: 'rare' })).toEqual([1])
      expect(await found({ event: 'alert.raised' })).toEqual([])
      expect(await found({ workspace: 'elsewhere' })).toEqual([])
      const deadOf = (installation: string) =>
        event({ type: 'delivery.dead', data: JSON.stringify({ installation, message: `"installation":"a_b"` }) })
      told.push(deadOf('axb'), deadOf('a_b'))
      await store.appendEvents(workspace, told.slice(-2))
      expect(await found({ notOf: 'a_b', limit: 1 })).toEqual([6])
    })

    it('notes how sending went, the latest of each kind', async () => {
      const { store, workspace } = shared()
      const { id } = (await store.saveHook(hook(workspace))).hook
      await store.noteHooks([
        { workspace, id, at: later(5), reason: null },
        { workspace, id, at: later(6), reason: 'The receiver answered 500.' },
        { workspace: 'elsewhere', id, at: later(9), reason: null },
      ])
      await store.noteHooks([
        { workspace, id, at: later(3), reason: null },
        { workspace, id, at: later(3), reason: 'older' },
      ])
      await store.noteHooks([])
      expect(await store.getHook(workspace, id)).toMatchObject({
        lastSuccessAt: later(5),
        lastFailureAt: later(6),
        lastReason: 'The receiver answered 500.',
      })
    })

    it('removes one once, and says so in the log', async () => {
      const { store, workspace } = shared()
      const { id } = (await store.saveHook(hook(workspace))).hook
      const told = event({ type: 'hook.removed' })
      expect(await store.removeHook({ workspace: 'elsewhere', id, event: told, if: {} })).toBe(false)
      expect(await store.removeHook({ workspace, id, event: told, if: {} })).toBe(true)
      expect(await store.removeHook({ workspace, id, event: event(), if: {} })).toBe(false)
      expect((await store.getEvent(workspace, told.id))?.type).toBe('hook.removed')
      expect(await store.getHook(workspace, id)).toBeUndefined()
    })
  })

  describe('notes to responses', () => {
    it('are kept in order, for responses that are there, and go with them', async () => {
      const { store, workspace } = shared()
      const sent = submission({ workspace })
      await store.accept([sent])
      const { responseId } = sent
      const note = (text: string) => ({ id: newId('note'), author: 'desk', at: AT, text })
      const [first, second] = [note('called'), note('called again')]
      expect(await store.addNote({ ...first, workspace, responseId })).toBe(true)
      expect(await store.addNote({ ...second, workspace, responseId })).toBe(true)
      expect(await store.addNote({ ...first, id: newId('note'), workspace: 'elsewhere', responseId })).toBe(false)
      expect(await store.listNotes(workspace, responseId)).toEqual([first, second])
      expect(await store.listNotes('elsewhere', responseId)).toEqual([])
      await store.deleteResponse(workspace, responseId, event({ type: 'response.deleted', responseId }))
      expect(await store.listNotes(workspace, responseId)).toEqual([])
    })
  })
}
