/** What plugins ask of forms while somebody else changes them. */
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import { newId } from '../../core/ids.ts'
import { openPluginForms } from '../../core/ingest/plugin-forms.ts'
import { LIMITS } from '../../core/limits.ts'
import type { FormDefinition } from '../../core/model.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import { CONTACT } from '../delivery/world.ts'
import { tempDir } from '../support/temp.ts'

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }
const ADMINS: FormDefinition = { ...CONTACT, name: 'By hand' }

const saving = (definition: FormDefinition, mode: 'create' | 'update') => ({
  workspace: 'default',
  id: 'contact',
  definition,
  managedBy: 'api' as const,
  at: new Date().toISOString(),
  eventId: newId('event'),
  mode,
})

async function opened(between: (store: Store) => Promise<unknown>) {
  const temp = await tempDir('plugin-forms')
  const store = await openSqliteStore({ dir: temp.path, limits: LIMITS, logger: quiet, onFatal: () => {} })
  let isFirst = true
  const getForm: Store['getForm'] = async (workspace, id) => {
    const form = await store.getForm(workspace, id)
    // The admin is a moment quicker.
    if (isFirst) await between(store)
    isFirst = false
    return form
  }
  const forms = openPluginForms({
    store: { getForm, saveForm: store.saveForm, listForms: store.listForms },
    forms: { invalidate: () => {} },
    clock: systemClock,
    limits: LIMITS,
    published: () => {},
  })
  return {
    store,
    forms,
    [Symbol.asyncDispose]: async () => {
      await store.close()
      await temp[Symbol.asyncDispose]()
    },
  }
}

const WISH = { id: 'contact', name: 'Wanted', fields: [{ key: 'source', type: 'text' }] }

test('what an admin changed while a plugin looked is not undone', async () => {
  await using world = await opened((store) => store.saveForm(saving(ADMINS, 'update')))
  await world.store.saveForm(saving(CONTACT, 'create'))
  const info = await world.forms.ensure('default', WISH)
  expect(info).toMatchObject({ name: 'By hand', version: 3 })
  expect(info.fields.map(({ key }) => key)).toEqual(['email', 'budget', 'source'])
})

test('a form that was made while a plugin looked gets what it lacks', async () => {
  await using world = await opened((store) => store.saveForm(saving(ADMINS, 'create')))
  const info = await world.forms.ensure('default', WISH)
  expect(info).toMatchObject({ name: 'By hand', version: 2 })
  expect(info.fields.map(({ key }) => key)).toEqual(['email', 'budget', 'source'])
})
