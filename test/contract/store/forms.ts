/** Forms: saving, versions, lists. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { SharedStore } from '../store.ts'
import { AT, definition, later } from './fixtures.ts'

export function formsPart(shared: SharedStore): void {
  const save = (workspace: string, changes: object = {}) => ({
    workspace,
    id: 'contact',
    definition: definition(),
    managedBy: 'api' as const,
    at: AT,
    eventId: newId('event'),
    mode: 'upsert' as const,
    ...changes,
  })

  describe('forms', () => {
    it('creates version 1 and logs form.changed', async () => {
      const { store, workspace } = shared()
      const saved = await store.saveForm(save(workspace))
      expect(saved.changed).toBe(true)
      expect(saved.form).toEqual({
        ...definition(),
        id: 'contact',
        workspace,
        version: 1,
        managedBy: 'api',
        createdAt: AT,
        updatedAt: AT,
      })
      expect(saved.event).toMatchObject({ type: 'form.changed', formId: 'contact', responseId: null, workspace })
      expect(JSON.parse(saved.event?.data ?? '')).toEqual({ form_id: 'contact', version: 1, created: true })
      expect(await store.getForm(workspace, 'contact')).toEqual(saved.form)
      expect(await store.getEvent(workspace, saved.event?.id ?? '')).toEqual(saved.event)
    })

    it('changes nothing when nothing differs, whatever the order of keys', async () => {
      const { store, workspace } = shared()
      await store.saveForm(save(workspace))
      const { fields, ...rest } = definition()
      const again = await store.saveForm(save(workspace, { at: later(1), definition: { fields, ...rest } }))
      expect(again).toMatchObject({ changed: false, event: null, form: { version: 1, updatedAt: AT } })
      expect(await store.listFormVersions(workspace, 'contact')).toHaveLength(1)
    })

    it('counts versions and keeps the old ones', async () => {
      const { store, workspace } = shared()
      await store.saveForm(save(workspace))
      const changed = await store.saveForm(save(workspace, { at: later(1), definition: definition({ name: 'New' }) }))
      const late = save(workspace, { definition: definition({ name: 'Late' }), mode: 'update', basedOn: 1 })
      await expect(store.saveForm(late)).rejects.toMatchObject({ code: 'conflict' })
      expect(changed).toMatchObject({
        changed: true,
        form: { version: 2, name: 'New', createdAt: AT, updatedAt: later(1) },
      })
      const versions = await store.listFormVersions(workspace, 'contact')
      expect(versions.map(({ version, name }) => [version, name])).toEqual([
        [1, 'Contact'],
        [2, 'New'],
      ])
    })

    it('refuses to create what exists and to update what does not, and writes nothing then', async () => {
      const { store, workspace } = shared()
      await expect(store.saveForm(save(workspace, { mode: 'update' }))).rejects.toMatchObject({ code: 'not_found' })
      await store.saveForm(save(workspace, { mode: 'create' }))
      const head = await store.headSeq()
      const changed = definition({ name: 'Other' })
      await expect(store.saveForm(save(workspace, { mode: 'create', definition: changed }))).rejects.toMatchObject({
        code: 'conflict',
      })
      expect(await store.headSeq()).toBe(head)
      expect((await store.getForm(workspace, 'contact'))?.name).toBe('Contact')
    })

    it('pages forms by id', async () => {
      const { store, workspace } = shared()
      for (const id of ['b', 'd', 'a', 'c', 'e']) await store.saveForm(save(workspace, { id }))
      const first = await store.listForms(workspace, { limit: 2 })
      expect(first.items.map(({ id }) => id)).toEqual(['a', 'b'])
      const second = await store.listForms(workspace, { limit: 2, after: first.next ?? '' })
      expect(second.items.map(({ id }) => id)).toEqual(['c', 'd'])
      const third = await store.listForms(workspace, { limit: 2, after: second.next ?? '' })
      expect(third).toMatchObject({ items: [{ id: 'e' }], next: null })
      expect((await store.listForms(workspace, { limit: 5 })).next).toBeNull()
    })

    it('pages forms by when they were made, the newest first', async () => {
      const { store, workspace } = shared()
      for (const [n, id] of ['b', 'd', 'a', 'c'].entries())
        await store.saveForm(save(workspace, { id, at: later(Math.min(n, 2)) }))
      await store.saveForm(save(workspace, { id: 'b', name: 'Changed', at: later(9), mode: 'update' }))
      const idsAfter = async (after?: string) => {
        const { items, next } = await store.listForms(workspace, { limit: 2, order: 'newest', after })
        return [items.map(({ id }) => id), next] as const
      }
      const [first, next] = await idsAfter()
      expect([first, await idsAfter(next ?? '')]).toEqual([
        ['c', 'a'],
        [['d', 'b'], null],
      ])
      await expect(store.listForms(workspace, { limit: 2, order: 'newest', after: 'a' })).rejects.toMatchObject({
        code: 'invalid_query',
      })
    })
  })
}
