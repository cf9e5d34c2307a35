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
        body: html`<p>This cannot be shown yet:</p>${problemList(error, place)}`,
      }),
    }
  }
}

interface Draft extends NotYet {
  readonly definition: object
  /** Names by the input that would have taken them. */
  readonly made: ReadonlyMap<string, string>
}

/** What a script asks while somebody types: what is still missing, where something is, and what was made of the rest. */
export async function draftAnswer(visit: Visit, { definition, made, place }: Draft): Promise<Answer> {
  const missing = await missingOf(visit, definition, place)
  const says = html`<!doctype html><title>Draft</title>
${[...made].map(([name, value]) => html`<data data-for="${name}" value="${value}"></data>`)}${missing === null ? null : html`<div data-missing role="status" class="notice info">${missing}</div>`}
`
  return {
    response: new Response(says.text, {
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
        'x-request-id': visit.requestId,
      },
    }),
  }
}

async function missingOf(visit: Visit, definition: object, place: NotYet['place']): Promise<Html | null> {
  try {
    await visit.api.relay('POST', '/api/v2/forms/preview', definition)
    return null
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.status !== 422) throw error
    return html`<div><p>Before this can be shown:</p>${problemList(error, place)}</div>`
  }
}

const problemList = ({ problems }: ApiProblem, place: NotYet['place']): Html =>
  html`<ul>${problems.map(({ pointer, detail }) => html`<li>${place(pointer)} ${detail}</li>`)}</ul>`

/** The frame. `from`: what it shows first; null: nothing until it is asked for. */
export const previewFrame = (from: string | null): Html =>
  html`<iframe name="preview" title="Preview of the form" sandbox class="preview"${from === null ? null : html` src="${from}"`}></iframe>`
