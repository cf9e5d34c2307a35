/**
 * Composing an installation: a form made of its plugin's schema, the hub's own check, and the piece for the file at the end.
 * The file stays the one place where installations are; secrets are named, never typed.
 */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { segment } from '../api.ts'
import { formsOf } from '../form-items.ts'
import { code, mono, notice } from '../parts/facts.ts'
import { fieldsOf, schemaForm, typedInto, unshown } from '../parts/schema-form.ts'
import type { FieldProblem } from '../parts/schema-form.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { FormItem, InstallationItem, PluginItem } from '../wire.ts'
import { managedAt, typedOf } from './config.ts'
import { installationPath } from './installations.ts'
import { pluginPath } from './plugins.ts'

export const composeScreens: readonly Screen[] = [
  { method: 'GET', path: '/plugins/{plugin}/install', nav: 'plugins', answer: begun },
  { method: 'POST', path: '/plugins/{plugin}/install', nav: 'plugins', answer: begun },
  { method: 'GET', path: '/installations/{id}/change', nav: 'plugins', answer: changed },
  { method: 'POST', path: '/installations/{id}/change', nav: 'plugins', answer: changed },
]

/** As it stands, or will stand, below `installations:`. */
interface Piece {
  readonly id: string
  readonly use: string
  readonly with?: Readonly<Record<string, unknown>>
  readonly when?: Readonly<Record<string, unknown>>
  /** Which fields marked as personal it sees: all, or those named. */
  readonly pii?: boolean | readonly string[]
}

interface Checked {
  readonly problems: readonly FieldProblem[]
  readonly warnings: readonly FieldProblem[]
  readonly yaml: string
}

interface Composing {
  readonly visit: Visit
  readonly plugin: PluginItem
  /** What there is to change; null: it is a new one. */
  readonly old: Piece | null
  /** `manifold.yaml:12`, of an old one. */
  readonly line: string | null
}

async function begun(visit: Visit): Promise<Answer> {
  const plugin = await visit.api.get<PluginItem>(`/api/v2/plugins/${segment(visit.param('plugin'))}`)
  return composed({ visit, plugin, old: null, line: null })
}

async function changed(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const [{ plugin: use }, typed] = await Promise.all([
    visit.api.get<InstallationItem>(`/api/v2/installations/${segment(id)}`),
    typedOf(visit, { installation: id }),
  ])
  const plugin = await visit.api.get<PluginItem>(`/api/v2/plugins/${segment(use)}`)
  const old = (typed?.piece ?? { id, use }) as Piece
  return composed({ visit, plugin, old, line: typed === null ? null : managedAt(typed) })
}

async function composed(of: Composing): Promise<Answer> {
  const { visit, plugin, old } = of
  const fields = fieldsOf(plugin.config, '/with')
  const isSent = visit.form.has('id')
  const piece = isSent ? pieceOf(of, typedInto(fields, visit.form)) : (old ?? { id: plugin.id, use: plugin.id })
  const forms = await formsOf(visit)
  const checked = isSent
    ? await visit.api.send<Checked>('POST', '/api/v2/config/check', { installation: piece, replaces: old !== null })
    : null
  const problems = checked?.problems ?? []
  const back = old === null ? pluginPath(plugin.id) : installationPath(old.id)
  return {
    view: {
      title: old === null ? `Install ${plugin.name}` : `Change ${old.id}`,
      trail: [{ label: old === null ? plugin.name : old.id, href: back }],
      status: problems.length === 0 ? 200 : 422,
      body: html`${checked === null ? null : result(checked, of, unshown([...fields, ...OWN_FIELDS], problems))}
<form method="post" class="edit settings">
${idField(of, piece.id, problems)}
${formsField(forms, piece, problems)}
${personalField(piece, problems)}
<section><h2>Settings of ${plugin.name}</h2>
${fields.length === 0 ? html`<p class="soft">It takes none.</p>` : schemaForm(fields, { values: piece.with ?? {}, problems })}</section>
<div class="buttons"><button>${checked === null ? 'Check it' : 'Check again'}</button><a class="button quiet" href="${back}">Cancel</a></div>
</form>`,
    },
  }
}

/** Fields of every installation, for which there are inputs beside those of the plugin. */
const OWN_FIELDS = fieldsOf({ properties: { id: { type: 'string' }, when: {}, pii: {} } }, '')

/** What was typed, in place of what was there; the rest of an old one stays. */
function pieceOf({ visit, plugin, old }: Composing, settings: Readonly<Record<string, unknown>>): Piece {
  const { with: _with, when: before, pii, ...rest } = old ?? { id: '', use: plugin.id }
  const chosen = visit.form.getAll('form').filter((id) => id !== '')
  const { form: _form, ...others } = before ?? {}
  const when = chosen.length === 0 ? others : { ...others, form: chosen.length === 1 ? chosen[0] : chosen }
  return {
    ...rest,
    id: old?.id ?? (visit.form.get('id') ?? '').trim(),
    ...(Object.keys(settings).length === 0 ? {} : { with: settings }),
    ...(Object.keys(when).length === 0 ? {} : { when }),
    ...personal(visit.form.get('pii'), pii),
  }
}

/** A list of names stays as the file has it. */
function personal(chosen: string | null, before: Piece['pii']): Pick<Piece, 'pii'> {
  if (chosen === 'some' && before !== undefined) return { pii: before }
  return chosen === 'all' ? { pii: true } : {}
}

function result({ problems, warnings, yaml }: Checked, { old, line }: Composing, rest: readonly FieldProblem[]): Html {
  if (problems.length > 0)
    return html`<div class="notice bad" role="alert"><p><strong>It would not run like this.</strong> What is wrong stands at its field.</p>${listed(rest)}</div>`
  return html`<div role="status">${notice('good', html`<p><strong>It fits.</strong> ${old === null ? html`Put this into <code>manifold.yaml</code>, or below the <code>installations:</code> that it has; it runs as soon as the file is saved.` : html`Put this in the place of what stands at ${line === null ? mono('manifold.yaml') : mono(line)}; it counts as soon as the file is saved.`}</p>`)}
${warnings.length === 0 ? null : notice('warn', html`<p><strong>Worth a look</strong></p>${listed(warnings)}`)}
${yaml.includes('***') ? html`<p class="soft">Where it says <code>***</code>, leave what the file has there.</p>` : null}${code(old === null ? yaml : itemOf(yaml))}</div>`
}

/** Without the line of the list it stands in, which the file has. */
const itemOf = (yaml: string): string => yaml.slice(yaml.indexOf('\n') + 1)

const listed = (all: readonly FieldProblem[]): Html | null =>
  all.length === 0
    ? null
    : html`<ul>${all.map(({ pointer, message, hint }) => html`<li>${pointer === '' ? null : mono(pointer)} ${message}${hint === null ? null : html`<br><span class="soft">${hint}</span>`}</li>`)}</ul>`

const saidAt = (pointer: string, problems: readonly FieldProblem[]): Html =>
  html`${problems.filter((each) => each.pointer === pointer || each.pointer.startsWith(`${pointer}/`)).map(({ message, hint }) => html`<p class="error">${message} ${hint === null ? null : html`<span class="soft">${hint}</span>`}</p>`)}`

function idField({ old }: Composing, id: string, problems: readonly FieldProblem[]): Html {
  const hasProblem = problems.some(({ pointer }) => pointer === '/id')
  return html`<div class="field narrow"><label for="id">Id</label><input id="id" name="id" value="${id}" autocomplete="off" aria-describedby="id-about"${hasProblem ? html` aria-invalid="true"` : null}${old === null ? null : html` readonly`}><div id="id-about">${saidAt('/id', problems)}<p class="hint">Its name here, for good: what it has handled hangs on it.</p></div></div>`
}

function formsField(forms: readonly FormItem[], { when }: Piece, problems: readonly FieldProblem[]): Html | null {
  const chosen = [when?.['form'] ?? []].flat().map((id) => (typeof id === 'string' ? id : JSON.stringify(id)))
  const all = [
    ...forms.map(({ id, name }) => ({ id, name })),
    ...chosen.flatMap((id) => (forms.some((each) => each.id === id) ? [] : [{ id, name: id }])),
  ]
  return all.length === 0
    ? null
    : html`<fieldset class="field-row"><legend>Only these forms</legend><p class="hint">None: every form.</p>${saidAt('/when', problems)}<div class="many">${all.map(({ id, name }) => html`<label><input type="checkbox" name="form" value="${id}"${chosen.includes(id) ? html` checked` : null}> ${name}</label>`)}</div></fieldset>`
}

/** Without it a plugin gets neither e-mail address nor name, which whoever installs it should hear before it runs. */
function personalField({ pii = false }: Piece, problems: readonly FieldProblem[]): Html {
  const chosen = typeof pii === 'boolean' ? (pii ? 'all' : '') : 'some'
  const options: readonly (readonly [string, string])[] = [
    ['', 'kept from it'],
    ...(typeof pii === 'boolean' ? [] : [['some', `kept from it, but for ${pii.join(', ')}`] as const]),
    ['all', 'passed on to it'],
  ]
  return html`<div class="field narrow"><label for="pii">Personal fields are</label><select id="pii" name="pii" aria-describedby="pii-about">${options.map(([value, label]) => html`<option value="${value}"${value === chosen ? html` selected` : null}>${label}</option>`)}</select><div id="pii-about">${saidAt('/pii', problems)}<p class="hint">Those that their form marks as personal.</p></div></div>`
}
