/** A form as its respondents see it, in a frame of its own beside what is edited. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { ApiProblem } from '../api.ts'
import { formOf } from '../form-items.ts'
import { framedAnswer } from '../layout.ts'
import type { Answer, Screen, Visit } from '../visit.ts'

/** Shown in the frame where a definition is not whole yet. */
export interface NotYet {
  readonly place: (pointer: string) => Html
}

export const previewScreens: readonly Screen[] = [
  { method: 'GET', path: '/forms/{id}/preview', nav: 'forms', answer: stored },
]

async function stored(visit: Visit): Promise<Answer> {
  const form = await formOf(visit, visit.param('id'))
  const { name, fields, access, unknown_fields, redirect_url, honeypot_field } = form
  return previewOf(
    visit,
    { name, fields, access, unknown_fields, redirect_url, honeypot_field },
    (pointer) => html`<code>${pointer}</code>`,
  )
}

/** What the API makes of the definition, or what it lacks. */
export async function previewOf(visit: Visit, definition: object, place: NotYet['place']): Promise<Answer> {
  try {
    return { response: await visit.api.relay('POST', '/api/v2/forms/preview', definition) }
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.status !== 422) throw error
    return {
      response: framedAnswer(visit, {
        title: 'Not yet',
        body: html`<p>This cannot be shown yet:</p><ul>${error.problems.map(({ pointer, detail }) => html`<li>${place(pointer)} ${detail}</li>`)}</ul>`,
      }),
    }
  }
}

/** The frame. `from`: what it shows first; null: nothing until it is asked for. */
export const previewFrame = (from: string | null): Html =>
  html`<iframe name="preview" title="Preview of the form" sandbox class="preview"${from === null ? null : html` src="${from}"`}></iframe>`
