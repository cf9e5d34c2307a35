/** The store contract of hooks and of notes to responses. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { Hook } from '../../../core/model.ts'
import type { NewHook } from '../../../core/storage/store.ts'
import type { SharedStore } from '../store.ts'
import { AT, AT_MS, event, later, submission } from './fixtures.ts'

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
      expect(await store.countHooks(workspace, 'key_2')).toBe(1)
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
      const wanted = async (nowMs: number, formId: string | null = 'contact', after: string | null = null, limit = 9) =>
        store.hooksFor({ workspace, event: 'response.submitted', formId, after, limit, nowMs })
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
      expect(await store.removeHook('elsewhere', id, told)).toBe(false)
      expect(await store.removeHook(workspace, id, told)).toBe(true)
      expect(await store.removeHook(workspace, id, event())).toBe(false)
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
