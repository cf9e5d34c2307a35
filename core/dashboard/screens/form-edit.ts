/** Making and changing a form. Rows are added, moved and taken away by buttons of the form itself, so no script is needed. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { ApiProblem, segment } from '../api.ts'
import { formOf } from '../form-items.ts'
import { notice } from '../parts/facts.ts'
import type { Answer, Screen, View, Visit } from '../visit.ts'
import type { FormItem } from '../wire.ts'
import { managedByFile, typedOf } from './config.ts'
import { bodyOf, draftOf, EMPTY, typedIn } from './form-draft.ts'
import type { Draft } from './form-draft.ts'
import { named } from './form-names.ts'
import { draftAnswer, previewFrame, previewOf } from './form-preview.ts'
import { choice, input, moved, row } from './form-rows.ts'
import { formPath } from './forms.ts'

export const formEditScreens: readonly Screen[] = [
  {
    method: 'GET',
    path: '/forms/new',
    nav: 'forms',
    scope: 'forms:write',
    answer: (visit) => page(visit, { draft: EMPTY, problem: null }),
  },
  { method: 'POST', path: '/forms/new', nav: 'forms', answer: taken },
  { method: 'POST', path: '/forms/preview', nav: 'forms', answer: preview },
  { method: 'POST', path: '/forms/draft', nav: 'forms', answer: drafted },
  { method: 'GET', path: '/forms/{id}/edit', nav: 'forms', scope: 'forms:write', answer: opened },
  { method: 'POST', path: '/forms/{id}/edit', nav: 'forms', answer: taken },
]

async function opened(visit: Visit): Promise<Answer> {
  const form = await formOf(visit, visit.param('id'))
  if (form.managed_by === 'file')
    return {
      view: {
        title: form.name,
        trail: formTrail(form.id),
        body: managedByFile(await typedOf(visit, { form: form.id })),
      },
    }
  return page(visit, { draft: draftOf(form), problem: null })
}

/** What is typed so far, as respondents would see it. */
async function preview(visit: Visit): Promise<Answer> {
  const { definition, place } = begunOf((await named(visit, typedIn(visit.form))).draft)
  return previewOf(visit, definition, place)
}

/** For a script, while somebody types: what is missing before it can be shown, and the names that were made for what has none. */
async function drafted(visit: Visit): Promise<Answer> {
  const { draft, made } = await named(visit, typedIn(visit.form))
  return draftAnswer(visit, { ...begunOf(draft), made })
}

/** Without the rows that nobody has typed in yet: they are no reason to show nothing. */
function begunOf(draft: Draft): { readonly definition: object; readonly place: (pointer: string) => Html } {
  const rows = [...draft.fields.keys()].filter((at) => draft.fields[at]?.key !== '')
  const fields = rows.flatMap((at) => draft.fields[at] ?? [])
  return {
    definition: bodyOf({ ...draft, fields }),
    place: (pointer) =>
      placeOf(
        pointer.replace(/^\/fields\/(\d+)/, (_all, at) => `/fields/${rows[Number(at)]}`),
        draft,
      ),
  }
}

/** A button of a row, or the one that saves. */
async function taken(visit: Visit): Promise<Answer> {
  const { draft } = await named(visit, typedIn(visit.form))
  const [verb = 'save', at = ''] = (visit.form.get('do') ?? 'save').split(':')
  if (verb !== 'save') {
    const { fields, at: focus } = moved(draft.fields, verb, Number(at))
    return page(visit, { draft: { ...draft, fields }, problem: null, focus })
  }
  try {
    return { redirect: formPath((await save(visit, draft)).id), flash: 'The form is saved.' }
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.status >= 500) throw error
    if (error.code !== 'conflict' || visit.param('id') === '') return page(visit, { draft, problem: error })
    const { version } = await formOf(visit, visit.param('id'))
    return page(visit, { draft: { ...draft, version: String(version) }, problem: error, overtakenBy: version })
  }
}

function save(visit: Visit, draft: Draft): Promise<FormItem> {
  const body = bodyOf(draft)
  const id = visit.param('id')
  const version = Number(draft.version)
  if (id !== '') return visit.api.send('PUT', `/api/v2/forms/${segment(id)}`, { ...body, version })
  return visit.api.send('POST', '/api/v2/forms', draft.id === '' ? body : { ...body, id: draft.id })
}

const formTrail = (...ids: readonly string[]): NonNullable<View['trail']> => [
  { label: 'Forms', href: '/forms' },
  ...ids.map((id) => ({ label: id, href: formPath(id) })),
]

interface Shown {
  readonly draft: Draft
  readonly problem: ApiProblem | null
  /** The version that somebody else saved while this was typed. */
  readonly overtakenBy?: number
  /** The field that somebody is at; null: where one is added. */
  readonly focus?: number | null
}

async function page(visit: Visit, { draft, problem, overtakenBy, focus }: Shown): Promise<Answer> {
  const id = visit.param('id')
  const isNew = id === ''
  const said = (pointer: string): string | null =>
    problem?.problems.find((each) => each.pointer === pointer || each.pointer.startsWith(`${pointer}/`))?.detail ?? null
  const view = {
    title: isNew ? 'New form' : `Edit ${draft.name}`,
    trail: isNew ? formTrail() : formTrail(id),
    status: overtakenBy !== undefined ? 409 : problem === null ? 200 : 422,
    body: html`${problem === null ? null : overtakenBy !== undefined ? overtaken(id, overtakenBy) : html`<div class="notice bad" role="alert"><p><strong>Not saved yet.</strong> ${problem.message}</p>${problem.problems.length === 0 ? null : html`<ul>${problem.problems.map(({ pointer, detail }) => html`<li>${placeOf(pointer, draft)} ${detail}</li>`)}</ul>`}</div>`}
<div class="beside"><form method="post" class="edit" id="edit"><input type="hidden" name="count" value="${draft.fields.length}"><input type="hidden" name="version" value="${draft.version}">
<button name="do" value="save" class="away" tabindex="-1" aria-hidden="true">Save</button>
<div class="grid">
${input({ name: 'name', label: 'Name', value: draft.name, problem: said('/name') })}
${isNew ? input({ name: 'id', label: 'Id', value: draft.id, problem: said('/id'), hint: 'In addresses and code, for good. Empty: made of the name.' }) : null}
${choice({
  name: 'access',
  label: 'Who may send',
  value: draft.access,
  options: [
    ['public', 'everybody'],
    ['key', 'keys alone'],
  ],
})}
${choice({
  name: 'unknown',
  label: 'Unknown fields',
  value: draft.unknown,
  options: [
    ['keep', 'are kept'],
    ['refuse', 'are refused'],
  ],
})}
${input({ name: 'redirect', label: 'Afterwards go to', value: draft.redirect, problem: said('/redirect_url'), hint: 'An address. Empty: a page of thanks.' })}
${input({ name: 'timezone', label: 'Time zone', value: draft.timezone, problem: said('/timezone'), hint: 'Such as Europe/Berlin: where its days begin in Analytics. Empty: as Analytics is set.' })}
<input type="hidden" name="honeypot" value="${draft.honeypot}">
</div>
<section><h2>Fields</h2>
${draft.fields.map((field, at) => row(field, { at, last: draft.fields.length - 1, isFirst: at === focus, said: (part) => said(`/fields/${at}${part}`) }))}
<p><button name="do" value="add" class="quiet"${focus === null ? html` autofocus` : null}>Add a field</button></p>
</section>
<div class="buttons"><button name="do" value="save">Save</button><a class="button quiet" href="${isNew ? '/forms' : formPath(id)}">Cancel</a></div>
</form>
<section class="shown" aria-label="Preview"><div class="section-head"><h2>Preview</h2><button form="edit" formaction="/forms/preview" formtarget="preview" formnovalidate class="quiet" data-preview="/forms/draft">Show what is typed</button></div>
<div data-missing role="status" hidden></div>
${previewFrame(isNew ? null : `${formPath(id)}/preview`)}</section></div>`,
  }
  return { view }
}

const overtaken = (id: string, version: number): Html =>
  notice(
    'warn',
    html`<p><strong>Not saved: somebody else saved version ${version} meanwhile.</strong> What you typed is below. <a href="${formPath(id)}">See what they saved</a>; to replace it with what is below, save again.</p>`,
  )

/** `/fields/2/key` as a person counts. */
function placeOf(pointer: string, draft: Draft): Html {
  const [, at, part] = /^\/fields\/(\d+)(?:\/(.+))?$/.exec(pointer) ?? []
  if (at === undefined) return html`<code>${pointer.slice(1) || 'the form'}</code>`
  const key = draft.fields[Number(at)]?.key ?? ''
  return html`<strong>Field ${Number(at) + 1}${key === '' ? '' : ` (${key})`}</strong>${part === undefined ? null : html` <code>${part}</code>`}`
}
