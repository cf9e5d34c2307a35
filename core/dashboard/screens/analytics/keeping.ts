/** Around an answer: its name where the question is saved, and the way to save it where it is not. */
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { ApiProblem, segment } from '../../api.ts'
import { hidden } from '../../parts/confirm.ts'
import { notice, section } from '../../parts/facts.ts'
import type { Visit } from '../../visit.ts'
import { API } from './asking.ts'

/** Where each kind of question is put together. */
export const BUILDERS = {
  query: { path: '/analytics/question', label: 'question', nav: 'question' },
  funnels: { path: '/analytics/funnel', label: 'funnel', nav: 'funnel' },
  retention: { path: '/analytics/retention', label: 'retention', nav: 'retention' },
  journeys: { path: '/analytics/journeys', label: 'journeys', nav: 'journeys' },
} as const
export type Kind = keyof typeof BUILDERS

/** As `GET /api/v2/analytics/saved/{id}` answers it. */
export interface Saved {
  readonly id: string
  readonly name: string
  readonly kind: Kind | 'cohorts'
  readonly view: Readonly<Record<string, string>>
  readonly note: string
  readonly question: object
}

export const savedPath = (id: string): string => `/analytics/saved/${segment(id)}`

/** Undefined: it is gone. */
export async function savedById({ api }: Visit, id: string): Promise<Saved | undefined> {
  try {
    return await api.get<Saved>(`${API}/saved/${segment(id)}`)
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 404) return undefined
    throw error
  }
}

interface Keeping {
  readonly head: Html | null
  readonly foot: Html | null
}

/** The parameters of the address are what is needed to ask it again. */
export async function keeping(visit: Visit, kind: Kind, question: object): Promise<Keeping> {
  const id = visit.query('saved')
  const saved = id === undefined ? undefined : await savedById(visit, id)
  const mayWrite = visit.may('forms:write')
  const view = Object.fromEntries([...visit.url.searchParams].filter(([name, value]) => !OWN.has(name) && value !== ''))
  const fields = { kind, question: JSON.stringify(question), view: JSON.stringify(view) }
  if (saved === undefined) return { head: null, foot: mayWrite ? section('Keep it', saveForm(fields)) : null }
  const isAsSaved = Object.entries({ ...saved.view, ...view }).every(([name]) => saved.view[name] === view[name])
  return {
    head: notice(
      'info',
      html`<p><strong>${saved.name}</strong>${isAsSaved ? null : html` <span class="soft">changed, not saved</span>`}</p>
${saved.note === '' ? null : html`<p class="lines">${saved.note}</p>`}
<div class="buttons">${mayWrite ? html`<a href="${savedPath(saved.id)}/edit">Name, note and links</a>` : null}${mayWrite && !isAsSaved ? html`<form method="post" action="${savedPath(saved.id)}/question" class="act">${hidden(fields)}<button class="quiet">Save the change</button></form>` : null}</div>`,
    ),
    foot: mayWrite && !isAsSaved ? section('Keep it as another', saveForm(fields)) : null,
  }
}

/** Of the page, not of the question. */
const OWN: ReadonlySet<string> = new Set(['saved', 'csv'])

const saveForm = (fields: Readonly<Record<string, string>>): Html =>
  html`<form method="post" action="/analytics/saved" class="filters add">${hidden(fields)}
<div class="filter grow"><label for="save-name">Name</label><input id="save-name" name="name" required maxlength="100" autocomplete="off"></div>
<div class="buttons"><button class="quiet">Save</button></div></form>`
