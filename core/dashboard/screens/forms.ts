/** Forms: what is asked, where it is sent, and how a page takes it in. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { segment, withQuery } from '../api.ts'
import type { Page } from '../api.ts'
import { formApi, formOf } from '../form-items.ts'
import { chip } from '../parts/chip.ts'
import { confirm } from '../parts/confirm.ts'
import { code, facts, mono, section } from '../parts/facts.ts'
import { LIST_REFRESH_MS, list, table } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { counted, number, time } from '../parts/time.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { FieldItem, FormItem } from '../wire.ts'
import { managedByFile, typedOf } from './config.ts'
import { previewFrame } from './form-preview.ts'

export const formPath = (id: string): string => `/forms/${segment(id)}`

export const formScreens: readonly Screen[] = [
  { method: 'GET', path: '/forms', nav: 'forms', answer: all },
  { method: 'GET', path: '/forms/{id}', nav: 'forms', answer: one },
  { method: 'GET', path: '/forms/{id}/delete', nav: 'forms', scope: 'forms:write', answer: askDelete },
  { method: 'POST', path: '/forms/{id}/delete', nav: 'forms', answer: remove },
]

const columns = (nowMs: number): readonly Column<FormItem>[] => [
  {
    label: 'Form',
    cell: (row) => html`<a href="${formPath(row.id)}"><strong>${row.name}</strong></a>`,
    csv: (row) => row.name,
  },
  { label: 'Id', cell: (row) => mono(row.id), csv: (row) => row.id },
  { label: 'Fields', align: 'end', cell: (row) => number(row.fields.length), csv: (row) => row.fields.length },
  { label: 'Who may send', cell: (row) => (row.access === 'public' ? 'everybody' : 'keys'), csv: (row) => row.access },
  {
    label: 'Managed in',
    cell: (row) => (row.managed_by === 'file' ? 'configuration' : 'here'),
    csv: (row) => row.managed_by,
  },
  { label: 'Version', align: 'end', cell: (row) => number(row.version), csv: (row) => row.version },
  { label: 'Changed', cell: (row) => time(row.updated_at, nowMs), csv: (row) => row.updated_at },
]

async function all(visit: Visit): Promise<Answer> {
  return list<FormItem>(visit, {
    title: 'Forms',
    name: 'forms',
    columns: columns(Date.now()),
    filters: [],
    follows: { type: 'form.*' },
    refreshMs: LIST_REFRESH_MS,
    load: (query) => visit.api.get<Page<FormItem>>('/api/v2/forms', query),
    actions: visit.may('forms:write') ? html`<a class="button" href="/forms/new">New form</a>` : null,
    empty: () =>
      html`<p>There is no form yet.</p><p class="soft">Make one here, or write it in <code>manifold.yaml</code>.</p>`,
  })
}

const choicesOf = ({ options = [], min, max }: FieldItem): string =>
  [
    ...options.map((option) => (typeof option === 'string' ? option : (option.label ?? option.value))),
    ...(min === undefined ? [] : [`at least ${min}`]),
    ...(max === undefined ? [] : [`at most ${max}`]),
  ].join(', ')

const FIELD_COLUMNS: readonly Column<FieldItem>[] = [
  { label: 'Key', cell: ({ key }) => mono(key) },
  { label: 'Label', cell: ({ label, key }) => label ?? key },
  { label: 'Type', cell: ({ type }) => type.replaceAll('_', ' ') },
  { label: 'Asked', cell: ({ required }) => (required ? 'required' : html`<span class="soft">optional</span>`) },
  { label: 'Personal', cell: ({ pii }) => (pii ? chip('personal') : html`<span class="none">–</span>`) },
  {
    label: 'Choices and bounds',
    cell: (field) => {
      const all = choicesOf(field)
      return html`<span class="clip" title="${all}">${all}</span>`
    },
  },
]

async function one(visit: Visit): Promise<Answer> {
  const nowMs = Date.now()
  const id = visit.param('id')
  const [form, versions] = await Promise.all([
    formOf(visit, id),
    visit.api.get<Page<FormItem>>(`${formApi(id)}/versions`),
  ])
  const typed = form.managed_by === 'file' ? await typedOf(visit, { form: id }) : null
  const isOurs = form.managed_by === 'api' && visit.may('forms:write')
  return {
    view: {
      title: form.name,
      trail: [{ label: 'Forms', href: '/forms' }],
      actions: html`${visit.may('responses:read') ? html`<a class="button quiet" href="${withQuery('/responses', { form: id })}">Responses</a>` : null}${visit.may('analytics:read') ? html`<a class="button quiet" href="/analytics/forms/${segment(id)}">Analytics</a>` : null}${isOurs ? html`<a class="button" href="${formPath(id)}/edit">Edit</a><a class="button plain" href="${formPath(id)}/delete">Delete…</a>` : null}`,
      body: html`${form.managed_by === 'file' ? managedByFile(typed) : null}
${facts([
  ['Id', mono(form.id)],
  ['Page', form.access === 'public' ? html`<a href="/f/${segment(id)}">/f/${id}</a>` : null],
  ['Who may send', form.access === 'public' ? 'everybody' : 'keys with responses:write'],
  ['Unknown fields', form.unknown_fields === 'keep' ? 'are kept' : 'are refused'],
  ['Afterwards', form.redirect_url === null ? 'a page of thanks' : mono(form.redirect_url)],
  ['Time zone', form.timezone ?? 'as Analytics is set'],
  ['Version', number(form.version)],
  ['Changed', time(form.updated_at, nowMs)],
])}
${section('As respondents see it', previewFrame(`${formPath(id)}/preview`))}
${section('Fields', form.fields.length === 0 ? html`<p class="soft">None: whatever is sent is kept.</p>` : table(FIELD_COLUMNS, form.fields))}
${form.access === 'public' ? section('Put it on a page', embed(form, visit)) : null}
${typed !== null ? null : section('As in manifold.yaml', html`<details><summary>Copy as YAML</summary>${code(asYaml(form))}</details>`)}
${versions.items.length < 2 ? null : section('Versions', html`<ul>${versions.items.toReversed().map((each) => html`<li>${number(each.version)} <span class="soft">${time(each.updated_at, nowMs)}, ${number(each.fields.length)} fields</span></li>`)}</ul>`)}`,
    },
  }
}

/** Plain HTML: it works anywhere, and without scripts. */
function embed(form: FormItem, visit: Visit): Html {
  const base = `${visit.header('x-forwarded-proto') === 'https' ? 'https' : 'http'}://${visit.header('host') ?? 'hub.example'}`
  const inputs = form.fields.filter(({ type }) => type !== 'hidden').map((field) => `  ${inputOf(field)}`)
  const snippet = [
    `<form method="post" action="${base}/f/${form.id}" accept-charset="utf-8">`,
    ...inputs,
    `  <div style="position:absolute;left:-9999px" aria-hidden="true"><input name="${form.honeypot_field}" tabindex="-1" autocomplete="off"></div>`,
    '  <button>Send</button>',
    '</form>',
    '<!-- Counts how the form is seen, begun and left, never what is typed: -->',
    `<script src="${base}/m.js" data-consent="minimal" defer></script>`,
  ].join('\n')
  const call = `curl -sS ${base}/api/v2/forms/${form.id}/responses -H 'content-type: application/json' \\\n  -d '${JSON.stringify({ data: Object.fromEntries(form.fields.map(({ key }) => [key, ''])) })}'`
  return html`<p class="soft">An HTML form for any site; the hidden field catches robots. The script is for completion and drop-off under Analytics, and may be left out.</p>${code(snippet)}<details class="more"><summary>Or as JSON</summary>${code(call)}</details>`
}

const INPUT_TYPES: Readonly<Record<string, string>> = {
  email: 'email',
  number: 'number',
  rating: 'number',
  date: 'date',
  datetime: 'datetime-local',
  boolean: 'checkbox',
  file: 'url',
}

/** As the hub's own page of the form has it: nothing is chosen for anybody, and a number may have decimals. */
function inputOf({ key, label = key, type, required, options = [], min, max }: FieldItem): string {
  const asked = required ? ' required' : ''
  const name = attribute(key)
  if (type === 'long_text') return `<label>${text(label)} <textarea name="${name}"${asked}></textarea></label>`
  if (options.length > 0) {
    const several = type === 'multi_select' ? ' multiple' : ''
    const none = several === '' ? '<option value=""></option>' : ''
    const choices = options.map((option) => {
      const { value, label: shown = value } = typeof option === 'string' ? { value: option } : option
      return `<option value="${attribute(value)}">${text(shown)}</option>`
    })
    return `<label>${text(label)} <select name="${name}"${several}${asked}>${none}${choices.join('')}</select></label>`
  }
  const bounds = [
    ...(min === undefined ? [] : [` min="${min}"`]),
    ...(max === undefined ? [] : [` max="${max}"`]),
  ].join('')
  const more: Readonly<Record<string, string>> = {
    boolean: ' value="true"',
    number: ` step="any"${bounds}`,
    rating: ` step="1"${bounds}`,
    datetime: ' step="any"',
    text: max === undefined ? '' : ` maxlength="${max}"`,
  }
  return `<label>${text(label)} <input type="${INPUT_TYPES[type] ?? 'text'}" name="${name}"${more[type] ?? ''}${asked}></label>`
}

const text = (of: string): string => of.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const attribute = (of: string): string => text(of).replaceAll('"', '&quot;')

/** JSON is YAML; this is the part that a form is in the file. */
function asYaml({
  id,
  name,
  fields,
  access,
  unknown_fields: unknown,
  redirect_url: redirect,
  timezone,
}: FormItem): string {
  const lines = fields.map((field) => `      - ${JSON.stringify(withoutDefaults(field))}`)
  return [
    'forms:',
    `  ${id}:`,
    `    name: ${JSON.stringify(name)}`,
    ...(access === 'public' ? [] : [`    access: ${access}`]),
    ...(unknown === 'keep' ? [] : [`    unknown_fields: ${unknown}`]),
    ...(redirect === null ? [] : [`    redirect_url: ${JSON.stringify(redirect)}`]),
    ...(timezone === undefined ? [] : [`    timezone: ${timezone}`]),
    ...(lines.length === 0 ? [] : ['    fields:', ...lines]),
  ].join('\n')
}

const withoutDefaults = (field: FieldItem): object =>
  Object.fromEntries(
    Object.entries(field).filter(([name, value]) => value !== false && !(name === 'label' && value === field.key)),
  )

async function askDelete(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const form = await formOf(visit, id)
  const { responses, hooks } = await visit.api.send<{ responses: number; hooks: number }>(
    'DELETE',
    `${formApi(id)}?dry_run=true`,
  )
  return {
    view: confirm({
      title: 'Delete a form',
      trail: [{ label: form.name, href: formPath(id) }],
      says: html`<p class="lead">The form <strong>${form.name}</strong> ${responses === 0 ? 'has no response; it' : html`and ${counted(responses, 'response', 'responses')} to it`} will be deleted for good.</p><p class="soft">Events and deliveries stay in the log, with the answers erased.</p>${hooks === 0 ? null : html`<p><strong>${counted(hooks, 'hook asks', 'hooks ask')} for this form and ${hooks === 1 ? 'stops' : 'stop'}</strong>: programs outside, such as Zaps, get nothing of it any more.</p>`}`,
      action: `${formPath(id)}/delete`,
      fields: {},
      button: 'Delete for good',
      isDanger: true,
      back: formPath(id),
    }),
  }
}

async function remove(visit: Visit): Promise<Answer> {
  await visit.api.send('DELETE', formApi(visit.param('id')))
  return { redirect: '/forms', flash: 'The form is deleted.' }
}
