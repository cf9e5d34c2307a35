/** What routes ask of the inlet: answers in, forms read and extended. The installation's grants are checked here. */
import type { Json } from '../contract/index.ts'
import type { RouteScope } from '../delivery/ports.ts'
import { HubError } from '../errors.ts'
import { utcTime } from '../ingest/times.ts'
import type { Installation } from '../registry/installation.ts'
import type { Args } from './arguments.ts'

const ID_CHARS_MAX = 1_000
const FORM_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/

/** `ctx.submit`. Throws `capability_denied`, `capability_input`, and what stands for a store that cannot take it now. */
export async function submitAnswers(args: Args, installation: Installation, route: RouteScope): Promise<Json> {
  if (!installation.plugin.manifest.permissions.submit)
    throw new HubError('capability_denied', 'The manifest does not ask for permissions.submit.')
  const form = formId(args, 'form')
  const { forms } = installation.when
  if (forms !== null && !forms.includes(form))
    throw new HubError('capability_denied', `The installation's when.form does not name the form "${form}".`)
  const id = args.text('id', ID_CHARS_MAX)
  if (id === '') throw args.wrong('id is empty')
  const status = args.optionalText('status') ?? 'completed'
  if (status !== 'partial' && status !== 'completed') throw args.wrong('status has to be partial or completed')
  const unknown = args.optionalText('unknown')
  if (unknown !== undefined && unknown !== 'refuse') throw args.wrong('unknown has to be refuse, or left out')
  const submitted = await route.submit({
    installation,
    form,
    id,
    status,
    data: args.object('data'),
    refusesUnknown: unknown === 'refuse',
    meta: args.optionalObject('meta') ?? {},
    startedAt: time(args, 'startedAt'),
    submittedAt: time(args, 'submittedAt'),
  })
  return { ...submitted }
}

/** `ctx.forms.get`. */
export async function getForm(args: Args, installation: Installation, route: RouteScope): Promise<Json | undefined> {
  allowForms(installation)
  return (await route.forms.get(installation.workspace, formId(args, 'id'))) as Json | undefined
}

/** `ctx.forms.ensure`. Throws `managed_by_file`, `invalid_form`, `conflict`. */
export async function ensureForm(args: Args, installation: Installation, route: RouteScope): Promise<Json> {
  allowForms(installation)
  const fields = args.all['fields']
  if (!Array.isArray(fields)) throw args.wrong('fields has to be a list')
  const wish = { id: formId(args, 'id'), name: args.text('name'), fields: fields as readonly Json[] }
  return (await route.forms.ensure(installation.workspace, wish)) as unknown as Json
}

function allowForms(installation: Installation): void {
  if (!installation.plugin.manifest.permissions.forms)
    throw new HubError('capability_denied', 'The manifest does not ask for permissions.forms.')
}

function formId(args: Args, name: string): string {
  const id = args.text(name)
  if (FORM_ID.test(id)) return id
  throw args.wrong(`${name} is no id of a form: letters, digits, "_" and "-", at most 100`)
}

function time(args: Args, name: string): string | null {
  const text = args.optionalText(name)
  if (text === undefined) return null
  const at = utcTime(text)
  if (at === null) throw args.wrong(`${name} has to be a time with its offset (RFC 3339)`)
  return at
}
