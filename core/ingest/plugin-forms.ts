/** Forms as routes of plugins see and extend them: new fields and options are added, what is there stays as it is. */
import { rfc3339 } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { FormInfo, Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Limits } from '../limits.ts'
import type { Form, FormDefinition, LogEvent, WorkspaceId } from '../model.ts'
import type { Store } from '../storage/store.ts'
import type { FormCache } from './form-cache.ts'
import { formToWire, parseForm } from './form-definition.ts'

export interface PluginFormsDeps {
  readonly store: Pick<Store, 'getForm' | 'saveForm' | 'listForms'>
  readonly forms: Pick<FormCache, 'invalidate'>
  readonly clock: Clock
  readonly limits: Pick<Limits, 'formsPerWorkspaceMax' | 'pageItemsMax'>
  readonly published: (events: readonly LogEvent[]) => void
}

/** `fields` come from a guest. */
export interface FormWish {
  readonly id: string
  readonly name: string
  readonly fields: readonly Json[]
}

export interface PluginForms {
  get(workspace: WorkspaceId, id: string): Promise<FormInfo | undefined>
  /** Throws `managed_by_file` for a form of the file that lacks some, `invalid_form`, and `conflict` where there is no room. */
  ensure(workspace: WorkspaceId, wish: FormWish): Promise<FormInfo>
}

/** Opens them. Wishes for one form follow each other here; what somebody else changes meanwhile is looked at again. */
export function openPluginForms(deps: PluginFormsDeps): PluginForms {
  const last = new Map<string, Promise<unknown>>()
  const inTurn = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const before = last.get(key) ?? Promise.resolve()
    const mine = before.then(work, work)
    last.set(key, mine)
    try {
      return await mine
    } finally {
      if (last.get(key) === mine) last.delete(key)
    }
  }
  return {
    get: async (workspace, id) => {
      const form = await deps.store.getForm(workspace, id)
      return form === undefined ? undefined : shown(form)
    },
    ensure: (workspace, wish) => inTurn(`${workspace}\0${wish.id}`, () => ensure(deps, workspace, wish)),
  }
}

async function ensure(deps: PluginFormsDeps, workspace: WorkspaceId, wish: FormWish): Promise<FormInfo> {
  const wanted = read({ name: wish.name, fields: wish.fields, access: 'key' })
  let form = await deps.store.getForm(workspace, wish.id)
  for (;;) {
    try {
      return await widen(deps, { workspace, id: wish.id, form, wanted })
    } catch (error) {
      const before = form?.version
      if (!(error instanceof HubError) || error.code !== 'conflict') throw error
      form = await deps.store.getForm(workspace, wish.id)
      if (form === undefined || form.version === before) throw error
    }
  }
}

interface Widening {
  readonly workspace: WorkspaceId
  readonly id: string
  /** As it was read; undefined: there is none. */
  readonly form: Form | undefined
  readonly wanted: FormDefinition
}

/** Fails with `conflict` where somebody changed or made the form meanwhile. */
async function widen(deps: PluginFormsDeps, { workspace, id, form, wanted }: Widening): Promise<FormInfo> {
  if (form === undefined) {
    await room(deps, workspace)
    return shown(await save(deps, { workspace, id, definition: wanted, mode: 'create' }))
  }
  const definition = extended(form, wanted)
  if (definition === null) return shown(form)
  if (form.managedBy === 'file')
    throw new HubError('managed_by_file', `The form "${form.id}" is defined in manifold.yaml; no plugin changes it.`)
  return shown(await save(deps, { workspace, id, definition, mode: 'update', basedOn: form.version }))
}

/** Every mistake in one sentence: a plugin shows nothing else. */
function read(wire: unknown): FormDefinition {
  const parsed = parseForm(wire)
  if (parsed.ok) return parsed.definition
  const told = parsed.problems.slice(0, 3).map(({ pointer, detail }) => `${pointer} ${detail}`)
  throw new HubError('invalid_form', `The form cannot be made: ${told.join('; ')}.`, { problems: parsed.problems })
}

/** Null: nothing is missing. Types, labels and `pii` of what is there are the admin's. */
function extended(form: Form, wanted: FormDefinition): FormDefinition | null {
  const known = new Map(form.fields.map((field) => [field.key, field]))
  let isWider = false
  const fields = form.fields.map((field) => {
    const wish = wanted.fields.find(({ key }) => key === field.key)
    if (wish === undefined || field.options.length === 0) return field
    const values = new Set(field.options.map(({ value }) => value))
    const more = wish.options.filter(({ value }) => !values.has(value))
    if (more.length === 0) return field
    isWider = true
    return { ...field, options: [...field.options, ...more] }
  })
  const more = wanted.fields.filter(({ key }) => !known.has(key))
  if (more.length === 0 && !isWider) return null
  return read(formToWire({ ...form, fields: [...fields, ...more] }))
}

async function save(
  { store, forms, clock, published }: PluginFormsDeps,
  form: Pick<Parameters<Store['saveForm']>[0], 'workspace' | 'id' | 'definition' | 'mode' | 'basedOn'>,
): Promise<Form> {
  const at = rfc3339(clock.nowMs())
  const saved = await store.saveForm({ ...form, managedBy: 'api', at, eventId: newId('event') })
  forms.invalidate(form.workspace, form.id)
  if (saved.event !== null) published([saved.event])
  return saved.form
}

/** Counted each time: plugins make forms seldom. */
async function room({ store, limits }: PluginFormsDeps, workspace: WorkspaceId): Promise<void> {
  let count = 0
  let after: string | undefined
  do {
    const page = await store.listForms(workspace, { limit: limits.pageItemsMax, after })
    count += page.items.length
    after = page.next ?? undefined
  } while (after !== undefined)
  if (count >= limits.formsPerWorkspaceMax)
    throw new HubError(
      'conflict',
      `This workspace has ${limits.formsPerWorkspaceMax} forms, which is the limit. Delete some first.`,
    )
}

const shown = ({ id, name, version, managedBy, unknownFields, fields }: Form): FormInfo => ({
  id,
  name,
  version,
  managedBy,
  unknownFields,
  fields: fields.map(({ key, label, type, required, pii, options }) => ({
    key,
    label,
    type,
    required,
    pii,
    ...(options.length === 0 ? {} : { options }),
  })),
})
