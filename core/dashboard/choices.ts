/** What lists are narrowed down by: the forms and installations there are, by name, as choices of a filter. */
import { calledOf, formsOf } from './form-items.ts'
import type { Choice } from './parts/filters.ts'
import type { Visit } from './visit.ts'
import type { InstallationList } from './wire.ts'

/** None where the key may not see forms. */
export async function formChoices(visit: Visit): Promise<readonly Choice[]> {
  return [...calledOf(await formsOf(visit))].map(([value, label]) => ({ value, label }))
}

/** Those that are gone and left deliveries among them; none where the key may not see installations. */
export async function installationChoices({ api, may, me }: Visit): Promise<readonly Choice[]> {
  if (!may('deliveries:write')) return []
  const { items, gone } = await api.recent<InstallationList>(me.workspace, '/api/v2/installations')
  return [
    ...items.map(({ id }) => ({ value: id, label: id })),
    ...gone.map(({ id }) => ({ value: id, label: `${id} (gone)` })),
  ]
}
