/** The forms of manifold.yaml in the store: saved as the file has them, and given to the API when the file lets them go. */
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { HubConfig } from '../config/config.ts'
import { newId } from '../ids.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { Form, LogEvent } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Store } from '../storage/store.ts'

export interface FileFormsDeps {
  readonly store: Pick<Store, 'saveForm' | 'listForms' | 'listKeys'>
  readonly clock: Clock
  readonly logger: Logger
  readonly published: (events: readonly LogEvent[]) => void
}

const PAGE_SIZE = 200

/** `before`: what was applied last; null at a start. */
export async function saveFileForms(deps: FileFormsDeps, config: HubConfig, before: HubConfig | null): Promise<void> {
  for (const { workspace, id, definition } of config.forms) await save(deps, { workspace, id, definition, to: 'file' })
  const listed = new Set(config.forms.map(({ workspace, id }) => `${workspace}/${id}`))
  for (const workspace of await workspacesOf(deps, [config, before])) {
    for await (const form of formsOf(deps, workspace)) {
      if (form.managedBy === 'file' && !listed.has(`${workspace}/${form.id}`)) await handOver(deps, form)
    }
  }
}

/** Its responses stay, and whoever may delete them is the API now. Nobody takes a removed form for one that is open to all. */
async function handOver(deps: FileFormsDeps, form: Form): Promise<void> {
  const { workspace, id } = form
  await save(deps, { workspace, id, definition: { ...form, access: 'key' }, to: 'api' })
  deps.logger.warn(
    { form: id, workspace },
    'a form is not in manifold.yaml any more: it takes responses only with a key now, keeps its data, and the API may change or delete it',
  )
}

interface Saving extends Pick<Parameters<Store['saveForm']>[0], 'workspace' | 'id' | 'definition'> {
  readonly to: Form['managedBy']
}

async function save({ store, clock, published }: FileFormsDeps, { to, ...form }: Saving): Promise<void> {
  const at = rfc3339(clock.nowMs())
  const { event } = await store.saveForm({ ...form, managedBy: to, at, eventId: newId('event'), mode: 'upsert' })
  if (event !== null) published([event])
}

/** Of the file, of the one before, and of every key: after a restart nothing else tells of a workspace the file left. */
async function workspacesOf(
  { store }: FileFormsDeps,
  configs: readonly (HubConfig | null)[],
): Promise<ReadonlySet<string>> {
  const named = configs.flatMap((config) =>
    config === null ? [] : [...config.forms, ...config.installations, ...config.quarantined],
  )
  return new Set([DEFAULT_WORKSPACE, ...[...named, ...(await store.listKeys(null))].map(({ workspace }) => workspace)])
}

async function* formsOf({ store }: FileFormsDeps, workspace: string): AsyncGenerator<Form> {
  let after: string | undefined
  do {
    const page = await store.listForms(workspace, { limit: PAGE_SIZE, after })
    yield* page.items
    after = page.next ?? undefined
  } while (after !== undefined)
}
