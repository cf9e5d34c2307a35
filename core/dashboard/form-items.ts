/** Forms as the API has them: all that a key may see, or one. */
import { segment } from './api.ts'
import type { Page } from './api.ts'
import type { Visit } from './visit.ts'
import type { FormItem } from './wire.ts'

/** As many as are offered to choose from. */
const FORMS_MAX = 200

/** Where the API has a form. */
export const formApi = (id: string): string => `/api/v2/forms/${segment(id)}`

/** The first of them; none where the key may not see forms. */
export const formsOf = async ({ api, may }: Pick<Visit, 'api' | 'may'>): Promise<readonly FormItem[]> =>
  may('forms:read') ? (await api.get<Page<FormItem>>('/api/v2/forms', { limit: FORMS_MAX })).items : []

/** Rejects with the API's refusal where there is none, or the key may not see it. */
export const formOf = ({ api }: Pick<Visit, 'api'>, id: string): Promise<FormItem> => api.get<FormItem>(formApi(id))

/** What each is called among these: its name, with its id where another one has the same. */
export function calledOf(forms: readonly Pick<FormItem, 'id' | 'name'>[]): ReadonlyMap<string, string> {
  const bearers = Map.groupBy(forms, ({ name }) => name)
  return new Map(forms.map(({ id, name }) => [id, (bearers.get(name)?.length ?? 0) > 1 ? `${name} (${id})` : name]))
}
