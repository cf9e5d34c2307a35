/** The event log as it grows: newest first, with what happens from now on above it. */
import { pipeline, Readable, Transform } from 'node:stream'
import { html } from '../../html.ts'
import { jsonOr, segment, withQuery } from '../api.ts'
import type { Page } from '../api.ts'
import { formChoices } from '../choices.ts'
import { endOfLog, liveSource } from '../live-source.ts'
import { code, facts, mono, section } from '../parts/facts.ts'
import { TIME_FILTERS } from '../parts/filters.ts'
import type { Choice, Filter } from '../parts/filters.ts'
import { linked } from '../parts/link.ts'
import { list } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { time } from '../parts/time.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import { responsePath } from './responses.ts'

export const eventScreens: readonly Screen[] = [
  { method: 'GET', path: '/events', nav: 'events', answer: all },
  { method: 'GET', path: '/events/live', nav: 'events', answer: live },
  { method: 'GET', path: '/events/{id}', nav: 'events', answer: one },
]

interface EventItem {
  readonly seq: number
  readonly id: string
  readonly type: string
  readonly at: string
  readonly form_id: string | null
  readonly response_id: string | null
  readonly data: Readonly<Record<string, unknown>> | null
  readonly meta: Readonly<Record<string, unknown>>
}

/** Offered; more than one go with commas between them, and a star at the end stands for all that begin so. */
const TYPES = [
  'response.*',
  'response.submitted',
  'response.partial',
  'response.deleted',
  'form.*',
  'track.*',
  'track.page_view',
  'track.conversion',
  'delivery.dead',
  'alert.raised',
]

const filtersOf = (forms: readonly Choice[]): readonly Filter[] => [
  { name: 'type', label: 'Type', placeholder: 'any', suggestions: TYPES },
  { name: 'form', label: 'Form', options: forms },
  ...TIME_FILTERS,
]

const columns = (nowMs: number): readonly Column<EventItem>[] => [
  {
    label: 'At',
    cell: ({ id, at }) => html`<a href="/events/${segment(id)}">${time(at, nowMs)}</a>`,
    csv: ({ at }) => at,
  },
  { label: 'Place', align: 'end', cell: ({ seq }) => String(seq), csv: ({ seq }) => seq },
  { label: 'Type', cell: ({ type }) => html`<code class="name">${type}</code>`, csv: ({ type }) => type },
  {
    label: 'Form',
    cell: ({ form_id: form }) => form ?? html`<span class="none">–</span>`,
    csv: ({ form_id: form }) => form,
  },
  {
    label: 'Data',
    cell: (event) => html`<span class="clip soft">${brief(event)}</span>`,
    csv: ({ data }) => JSON.stringify(data),
  },
]

const BRIEF_CHARS = 200

/** What an event holds that its row does not say anyhow. */
function brief({ type, data }: Pick<EventItem, 'type' | 'data'>): string {
  if (data === null) return 'erased'
  const said: Readonly<Record<string, unknown>> = {
    schema_version: data['schema_version'],
    occurred_at: data['occurred_at'],
    form_id: data['form_id'],
    name: type.slice(type.indexOf('.') + 1),
    consent: 'granted',
  }
  const rest = Object.entries(data).filter(([key, value]) => !Object.hasOwn(said, key) || said[key] !== value)
  return JSON.stringify(Object.fromEntries(rest)).slice(0, BRIEF_CHARS)
}

/** The same row, for a script to fill in. */
const TEMPLATE = html`<template><table><tbody><tr><td data-label="At"><a href="/events"><span data-of="time"></span></a></td><td data-label="Place" class="end" data-of="seq"></td><td data-label="Type"><code class="name" data-of="type"></code></td><td data-label="Form" data-of="form_id"></td><td data-label="Data"><span class="clip soft" data-of="brief"></span></td></tr></tbody></table></template>`

/** `end`: so far the log is shown. */
interface EventPage extends Page<EventItem> {
  readonly end: number
}

async function all(visit: Visit): Promise<Answer> {
  const isFirst = visit.query('cursor') === undefined && visit.query('until') === undefined
  const [form, type] = [visit.query('form'), visit.query('type')]
  return list<EventItem, EventPage>(visit, {
    title: 'Events',
    name: 'events',
    columns: columns(Date.now()),
    filters: filtersOf(await formChoices(visit)),
    load: async (query) => {
      const end = isFirst ? await endOfLog(visit) : 0
      const page = await visit.api.get<Page<EventItem>>('/api/v2/events', { ...query, order: 'newest' })
      // Nothing that is shown comes again, and nothing behind it is left out; what the filters keep out needs not be read.
      return { ...page, end: Math.max(end, page.items[0]?.seq ?? 0) }
    },
    ...(isFirst ? { tail: { row: TEMPLATE, from: ({ end }) => liveSource(end, { type, form }) } } : {}),
    empty: (isFiltered) =>
      isFiltered
        ? html`<p>No event is like that.</p>`
        : html`<p>Nothing has happened yet.</p><p class="soft">Each response, visit and alert is an event: open a ${linked(visit, { scope: 'forms:read', href: '/forms' }, 'form')} and send it to see the first.</p>`,
  })
}

/** The stream of the API, for a browser that has no key to show: on from what it heard last, else from where its page ends. */
async function live(visit: Visit): Promise<Answer> {
  const lastSeen = visit.header('last-event-id') ?? visit.query('after')
  const stream = await visit.api.open(
    '/api/v2/stream',
    { form: visit.query('form'), type: visit.query('type') },
    lastSeen === undefined ? {} : { 'last-event-id': lastSeen },
  )
  const told = pipeline(stream.setEncoding('utf8'), forScripts(), () => undefined)
  return {
    response: new Response(Readable.toWeb(told) as ReadableStream, {
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
        'x-request-id': visit.requestId,
      },
    }),
  }
}

/** Each event goes by one name. */
const TOLD = 'event: told'

/**
 * For a script, which hears an event only by a name that it knows, and types of events are anybody's; what the type is stands in
 * the event. It hears no comments either, and has to know that the stream lives. What is cut off in a line waits for its rest.
 */
function forScripts(): Transform {
  let begun = ''
  return new Transform({
    decodeStrings: false,
    transform: (text: string, _encoding, done) => {
      const end = text.lastIndexOf('\n') + 1
      if (end === 0) {
        begun += text
        return done()
      }
      const whole = begun + text.slice(0, end)
      begun = text.slice(end)
      done(
        null,
        whole
          .replaceAll(/^event: .*$/gm, TOLD)
          .replaceAll(/^data: (\{.*)$/gm, (_line, event: string) => `data: ${withBrief(event)}`)
          .replaceAll(/^: heartbeat$/gm, 'event: heartbeat\ndata:'),
      )
    },
  })
}

/** For the row that a script makes of it. */
function withBrief(text: string): string {
  const event = jsonOr(text)
  return typeof event === 'object' ? JSON.stringify({ ...event, brief: brief(event as EventItem) }) : text
}

async function one(visit: Visit): Promise<Answer> {
  const event = await visit.api.get<EventItem>(`/api/v2/events/${segment(visit.param('id'))}`)
  return {
    view: {
      title: event.type,
      trail: [{ label: 'Events', href: '/events' }],
      actions: visit.may('deliveries:write')
        ? html`<a class="button quiet" href="${withQuery('/deliveries', { event: event.id })}">Deliveries</a><a class="button quiet" href="${withQuery('/runs', { event: event.id })}">Runs</a>`
        : null,
      body: html`${facts([
        ['At', time(event.at, Date.now())],
        ['Place in the log', String(event.seq)],
        ['Form', event.form_id],
        [
          'Response',
          event.response_id === null
            ? null
            : html`<a href="${responsePath(event.response_id)}">${mono(event.response_id)}</a>`,
        ],
        ['Id', mono(event.id)],
      ])}
${section('Data', event.data === null ? html`<p class="soft">Erased with its response.</p>` : code(JSON.stringify(event.data, null, 2)))}
${Object.keys(event.meta).length === 0 ? null : section('Beside it', code(JSON.stringify(event.meta, null, 2)))}`,
    },
  }
}
