/**
 * Composing an installation: a form made of its plugin's schema, the hub's own check, and the piece for the file at the end.
 * The file stays the one place where installations are; secrets are named, never typed.
 */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { segment } from '../api.ts'
import { formsOf } from '../form-items.ts'
import { code, mono, notice } from '../parts/facts.ts'
import { brokenJson, fieldsOf, schemaForm, typedInto, unshown } from '../parts/schema-form.ts'
import type { FieldProblem } from '../parts/schema-form.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { ConfigSettings, FormItem, InstallationItem, PluginItem } from '../wire.ts'
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
  const broken = isSent ? brokenJson(fields, visit.form) : []
  const problems = [...broken, ...(checked?.problems ?? [])]
  const place = checked === null || old !== null ? null : await placeFor(visit)
  const back = old === null ? pluginPath(plugin.id) : installationPath(old.id)
  return {
    view: {
      title: old === null ? `Install ${plugin.name}` : `Change ${old.id}`,
      trail: [{ label: old === null ? plugin.name : old.id, href: back }],
      status: problems.length === 0 ? 200 : 422,
      body: html`${checked === null ? null : result({ ...checked, problems }, { ...of, place, rest: unshown([...fields, ...OWN_FIELDS, ...MORE_FIELDS, ...whenFields(plugin)], problems) })}
<form method="post" class="edit settings">
${idField(of, piece.id, problems)}
${formsField(forms, piece, problems)}
${personalField(piece, problems)}
<section><h2>Settings of ${plugin.name}</h2>
${fields.length === 0 ? html`<p class="soft">It takes none.</p>` : schemaForm(fields, { values: piece.with ?? {}, problems })}</section>
${more(plugin, piece, problems)}
<div class="buttons"><button>${checked === null ? 'Check it' : 'Check again'}</button><a class="button quiet" href="${back}">Cancel</a></div>
</form>`,
    },
  }
}

/** Fields of every installation, for which there are inputs beside those of the plugin. */
const OWN_FIELDS = fieldsOf({ properties: { id: { type: 'string' }, pii: {} } }, '')

/** What of events it gets, beside their forms. */
const whenFields = ({ events }: PluginItem): Fields => {
  const properties = {
    event: {
      type: 'array',
      items: { type: 'string' },
      title: 'Only these events',
      description: `Left out: all that the plugin handles (${events.join(', ') || 'none'}).`,
    },
    filter: {
      title: 'Only what this condition matches',
      description: 'Such as {"data.budget": {"$gte": 1000}}. Left out: everything.',
    },
    form: { type: 'string' },
  }
  return fieldsOf({ properties }, '/when')
}

/** How deliveries go out. */
const MORE_FIELDS = fieldsOf(
  {
    properties: {
      retry: {
        title: 'When to try again',
        description:
          'default: after 1s, 5s, 30s, 5m and 30m; standard: over three days; or {"schedule": ["1s", "5m"]}. Left out: default.',
      },
      concurrency: { type: 'integer', description: 'Deliveries at the same time. Left out: as the hub has it.' },
      rate: { type: 'string', description: 'Attempts per time, such as 10/s, 600/m or 1000/h. Left out: no limit.' },
      order: {
        enum: ['none', 'fifo'],
        default: 'none',
        description: 'fifo: deliveries with one order key go one after the other.',
      },
    },
  },
  '',
)

type Fields = ReturnType<typeof fieldsOf>

const isShown = ({ name }: Fields[number]): boolean => name !== 'form'

/** Folded unless something in it is set or wrong. */
function more(plugin: PluginItem, piece: Piece, problems: readonly FieldProblem[]): Html {
  const when = whenFields(plugin)
  const fields = [...when, ...MORE_FIELDS]
  const isOpen =
    fields.some(
      ({ at, name }) =>
        isAmong(problems, at) || (name !== 'form' && at.startsWith('/when') && piece.when?.[name] !== undefined),
    ) || MORE_FIELDS.some(({ name }) => Object.hasOwn(piece, name))
  return html`<details class="more"${isOpen ? html` open` : null}><summary>More: events, condition, retries, pace</summary>${schemaForm(when.filter(isShown), { values: piece.when ?? {}, problems })}${schemaForm(MORE_FIELDS, { values: { ...piece }, problems })}</details>`
}

const isAmong = (problems: readonly FieldProblem[], at: string): boolean =>
  problems.some(({ pointer }) => pointer === at || pointer.startsWith(`${at}/`))

/** What was typed, in place of what was there; the rest of an old one stays. */
function pieceOf({ visit, plugin, old }: Composing, settings: Readonly<Record<string, unknown>>): Piece {
  const { with: _with, when: before, pii, ...rest } = old ?? { id: '', use: plugin.id }
  const chosen = visit.form.getAll('form').filter((id) => id !== '')
  const typed = without(before ?? {}, ['form', 'event', 'filter'])
  const others = { ...typed, ...typedInto(whenFields(plugin).filter(isShown), visit.form) }
  const when = chosen.length === 0 ? others : { ...others, form: chosen.length === 1 ? chosen[0] : chosen }
  return {
    ...(without(
      rest,
      MORE_FIELDS.filter(({ at }) => visit.form.has(at)).map(({ name }) => name),
    ) as typeof rest),
    ...typedInto(MORE_FIELDS, visit.form),
    id: old?.id ?? (visit.form.get('id') ?? '').trim(),
    ...(Object.keys(settings).length === 0 ? {} : { with: settings }),
    ...(Object.keys(when).length === 0 ? {} : { when }),
    ...personal(visit.form.get('pii'), pii),
  }
}

const without = (of: object, names: readonly string[]): object =>
  Object.fromEntries(Object.entries(of).filter(([name]) => !names.includes(name)))

/** Where in the file a new piece goes, and whether the line of its list goes with it. */
interface PieceSpot {
  readonly says: Html
  readonly isItem: boolean
}

async function placeFor(visit: Visit): Promise<PieceSpot> {
  const settings = await visit.api.get<ConfigSettings>('/api/v2/config/settings')
  const { file } = settings
  if (file === null)
    return {
      isItem: false,
      says: html`This hub runs without a file of its own, as the demo does: <code>manifold init</code> writes a <code>manifold.yaml</code> to put it into, and <code>manifold start --config manifold.yaml</code> runs that.`,
    }
  const mine = settings.items.filter(({ name, disk }) => disk !== null && /^installations(\.|\[|$)/.test(name))
  const last = mine.at(-1)
  const at = (line: number): Html => mono(`${file}:${line}`)
  if (last?.disk == null)
    return {
      isItem: false,
      says: html`Put this at the end of ${mono(file)}, which has no <code>installations:</code> yet.`,
    }
  return last.name === 'installations'
    ? {
        isItem: false,
        says: html`Put this in the place of the line <code>installations: []</code> (${at(last.disk.line)}).`,
      }
    : {
        isItem: true,
        says: html`Put this at the end of the list <code>installations:</code>, below what ends at ${at(last.disk.line)}, with its dash under the other dashes.`,
      }
}

/** A list of names stays as the file has it. */
function personal(chosen: string | null, before: Piece['pii']): Pick<Piece, 'pii'> {
  if (chosen === 'some' && before !== undefined) return { pii: before }
  return chosen === 'all' ? { pii: true } : {}
}

function result(
  { problems, warnings, yaml }: Checked,
  { line, rest, place }: Composing & { readonly rest: readonly FieldProblem[]; readonly place: PieceSpot | null },
): Html {
  if (problems.length > 0)
    return html`<div class="notice bad" role="alert"><p><strong>It would not run like this.</strong> What is wrong stands at its field.</p>${listed(rest)}</div>`
  return html`<div role="status">${notice('good', html`<p><strong>It fits.</strong> ${place !== null ? html`${place.says} The hub does not write its file: it runs as soon as you have saved it, and is then <a href="/installations">among the installations</a>.` : html`Put this in the place of what stands at ${line === null ? mono('manifold.yaml') : mono(line)}; it counts as soon as the file is saved.`}</p>`)}
${warnings.length === 0 ? null : notice('warn', html`<p><strong>Worth a look</strong></p>${listed(warnings)}`)}
${yaml.includes('***') ? html`<p class="soft">Where it says <code>***</code>, leave what the file has there.</p>` : null}${code(place?.isItem === false ? yaml : itemOf(yaml))}</div>`
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
    : html`<fieldset class="field-row"><legend>Only these forms</legend><p class="hint">None: every form.</p>${saidAt('/when/form', problems)}<div class="many">${all.map(({ id, name }) => html`<label><input type="checkbox" name="form" value="${id}"${chosen.includes(id) ? html` checked` : null}> ${name}</label>`)}</div></fieldset>`
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
