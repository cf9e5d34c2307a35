/** Bodies of hooks as they were or would have been: of what happened last, or made up where nothing has happened yet. */
import { flatEvent, flatResponse } from '../contract/index.ts'
import type { Flat, HookEvent, HubEvent, Json } from '../contract/index.ts'
import { rfc3339 } from '../clock.ts'
import type { Field, Form, LogEvent, WorkspaceId } from '../model.ts'
import { eventJson, fieldInfo } from '../routing/event-json.ts'
import type { FormView, PiiGrant } from '../routing/event-json.ts'
import type { ToldEvent } from '../storage/store.ts'
import type { HttpDeps } from './deps.ts'

export interface SampleQuery {
  readonly workspace: WorkspaceId
  readonly event: HookEvent
  readonly form: Form | null
  readonly limit: number
  readonly hubUrl: string | null
  /** The installation that sends: what it may see of private fields; null: there is none. */
  readonly carrier: { readonly id: string; readonly pii: PiiGrant } | null
}

export interface Samples {
  readonly items: readonly Flat[]
  /** Nothing of the kind has happened: the one item is an example. */
  readonly madeUp: boolean
}

type SampleDeps = Pick<HttpDeps, 'store' | 'formViews' | 'clock'>

const isOfResponse = (event: HookEvent): event is Exclude<HookEvent, ToldEvent> => event.startsWith('response.')

/** Newest first. */
export async function samplesOf(deps: SampleDeps, query: SampleQuery): Promise<Samples> {
  const events = isOfResponse(query.event) ? await answered(deps, query) : await happened(deps, query, query.event)
  const items: Flat[] = []
  for (const event of events) {
    const item = await bodyOf(deps, event, query)
    if (item !== null) items.push(item)
    if (items.length === query.limit) break
  }
  if (items.length > 0) return { items, madeUp: false }
  return { items: [await madeUp(deps, query)], madeUp: true }
}

async function answered({ store }: SampleDeps, query: SampleQuery): Promise<readonly LogEvent[]> {
  const page = await store.listResponses(query.workspace, {
    limit: query.limit,
    status: query.event === 'response.partial' ? 'partial' : 'completed',
    ...(query.form === null ? {} : { form: query.form.id }),
  })
  const events = await Promise.all(page.items.map(({ id }) => store.eventOfResponse(query.workspace, id)))
  return events.filter((event) => event !== undefined)
}

/** But dead deliveries of the carrier itself, which it tells nobody of. */
const happened = ({ store }: SampleDeps, { workspace, form, limit, carrier }: SampleQuery, event: ToldEvent) =>
  store.newestTold({
    workspace,
    event,
    formId: form?.id ?? null,
    limit,
    ...(event === 'delivery.dead' && carrier !== null ? { notOf: carrier.id } : {}),
  })

async function bodyOf({ formViews }: SampleDeps, event: LogEvent, query: SampleQuery): Promise<Flat | null> {
  if (event.data === null) return null
  return flatEvent(
    hubEvent(event, await viewOf(formViews, event, query.event), query.carrier?.pii ?? false),
    query.event,
    {
      hubUrl: query.hubUrl,
      formVersion: event.response?.formVersion,
    },
  )
}

/** Of a response with the questions that there are by now, since the next one has those; of all else as it was sent. */
const viewOf = (formViews: SampleDeps['formViews'], event: LogEvent, wanted: HookEvent) => {
  if (event.formId === null) return undefined
  return isOfResponse(wanted) ? formViews.newest(event.workspace, event.formId) : formViews.of(event)
}

/** As a plugin that carries out hooks gets it. */
const hubEvent = (event: LogEvent, view: FormView | undefined, pii: PiiGrant): HubEvent =>
  JSON.parse(eventJson({ event, view, parts: ['data', 'form', 'response'], pii })) as HubEvent

async function madeUp({ clock }: SampleDeps, query: SampleQuery): Promise<Flat> {
  const at = rfc3339(clock.nowMs())
  const form = query.form ?? EXAMPLE_FORM
  const shape = { id: form.id, name: form.name, version: form.version, fields: form.fields.map(fieldInfo) }
  const options = { hubUrl: query.hubUrl }
  if (isOfResponse(query.event)) {
    const partial = query.event === 'response.partial'
    return flatResponse(
      {
        form: shape,
        response: {
          id: 'rsp_example',
          status: partial ? 'partial' : 'completed',
          startedAt: at,
          submittedAt: partial ? null : at,
        },
        data: Object.fromEntries(form.fields.map((field) => [field.key, exampleAnswer(field)])),
      },
      options,
    )
  }
  const told = EXAMPLES[query.event]
  const data = query.event === 'alert.raised' ? told : { ...told, form_id: form.id }
  const event = { id: 'evt_example', type: query.event, v: 1, at, data, form: shape } as const
  return flatEvent(event, query.event, options) as Flat
}

const EXAMPLE_FORM = { id: 'contact', name: 'Contact us', version: 1, fields: [] as readonly Field[] }

const FORM_CHANGED = { version: 1, created: true }

/** Of every event that is no response's, the data. */
const EXAMPLES: Readonly<Record<ToldEvent, Readonly<Record<string, Json>>>> = {
  'form.created': FORM_CHANGED,
  'form.changed': FORM_CHANGED,
  'delivery.dead': {
    delivery_id: 'dlv_example',
    installation: 'crm',
    plugin: 'webhooks',
    reason: 'receiver_failed',
    code: 'http_503',
    message: 'The receiver answered 503.',
  },
  // As an installation that no process runs is told of.
  'alert.raised': {
    kind: 'no_worker',
    installation: 'crm',
    plugin: 'webhooks',
    reason: 'no process of the hub runs it; its events and deliveries wait',
    todo: 'start a worker with its plugin, its settings and its secrets',
  },
}

function exampleAnswer({ type, options, label }: Field): Json {
  const [first] = options
  switch (type) {
    case 'email':
      return 'ada@example.com'
    case 'number':
      return 42
    case 'rating':
      return 4
    case 'boolean':
      return true
    case 'date':
      return '2026-03-01'
    case 'datetime':
      return '2026-03-01T12:00:00.000Z'
    case 'select':
    case 'radio':
      return first?.value ?? ''
    case 'multi_select':
      return first === undefined ? [] : [first.value]
    case 'file':
      return 'https://example.com/file.pdf'
    default:
      return `Answer to "${label}"`
  }
}
