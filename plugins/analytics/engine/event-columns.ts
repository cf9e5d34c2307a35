/**
 * The table `events`: behaviour events (`track.*` of the log) as typed columns, a row each. What questions, funnels, cohorts,
 * sessions and journeys are written against:
 *
 * | column | type | what it holds |
 * | --- | --- | --- |
 * | `seq` | BIGINT, not null | place in the log: unique, grows in the order of receipt; the order of events of one moment |
 * | `event_id` | VARCHAR, not null | the sender's own id, else the hub's (`evt_…`); unique in the workspace |
 * | `occurred_at` | TIMESTAMP (UTC, ms), not null | when it happened by the sender's clock, never later than `received_at`. Not sorted: events come late. Order by `occurred_at, seq` |
 * | `received_at` | TIMESTAMP (UTC, ms), not null | when the hub took it |
 * | `type` | VARCHAR, not null | the family without `track.`: `page_view`, `click`, `conversion`, `custom`, `search`, ... |
 * | `name` | VARCHAR, not null | what happened in the sender's words; the family where they said none |
 * | `user_id`, `anonymous_id` | VARCHAR | whom the sender knows, which browser or device it was |
 * | `visitor` | VARCHAR | who counts as one: the `user_id`, else `anonymous:` and the `anonymous_id`, else `session:` and the `session_id`, else `address:` and the day's hash of the address (`core/contract/visitor.ts`). NULL: nobody can say; such rows belong to no visitor |
 * | `visitor_no` | INTEGER | the visitor as a number, from 0 on, which questions about order and return sort by. NULL as `visitor` is |
 * | `session_id` | VARCHAR | the sender's own session, where it has one |
 * | `path`, `url`, `title` | VARCHAR | the page; `url` without query and fragment |
 * | `referrer_host` | VARCHAR | host of the page before |
 * | `source`, `medium`, `campaign` | VARCHAR | the campaign (`utm_source`, `utm_medium`, `utm_campaign`, or as the sender says) |
 * | `channel` | VARCHAR, not null | `web`, `mobile` or `api` |
 * | `device`, `browser`, `os` | VARCHAR | of the user agent: `desktop`, `mobile`, `tablet`, `bot`, ...; `Firefox`; `Windows` |
 * | `country` | VARCHAR | two capitals (ISO 3166) |
 * | `form_id` | VARCHAR | the form it is about |
 * | `organizer`, `organizer_event` | VARCHAR | for whom, and for which of their events |
 * | `value`, `currency` | DOUBLE, VARCHAR | what it was worth |
 * | `subject`, `action`, `measure` | VARCHAR, VARCHAR, DOUBLE | what the family says it was about (a course, a field, a query), what was done, how much (`GET /api/v2/events/families`) |
 * | `properties` | JSON | an object as it was sent, `{}` when there was none: `properties->>'$.status'` |
 * | `consent` | VARCHAR, not null | `granted` or `minimal` |
 *
 * Rows are added at the end, and taken out with their form or by age; nothing in a row ever changes.
 */
import { visitorOf } from 'manifold/plugin'
import type { Json, LoggedEvent } from 'manifold/plugin'
import type { Column, Kind } from './columns.ts'

/** Columns in the table's order, with the engine's type of each. */
export const EVENT_COLUMNS = {
  seq: 'BIGINT',
  event_id: 'VARCHAR',
  occurred_at: 'TIMESTAMP',
  received_at: 'TIMESTAMP',
  type: 'VARCHAR',
  name: 'VARCHAR',
  user_id: 'VARCHAR',
  anonymous_id: 'VARCHAR',
  visitor: 'VARCHAR',
  visitor_no: 'INTEGER',
  session_id: 'VARCHAR',
  path: 'VARCHAR',
  url: 'VARCHAR',
  title: 'VARCHAR',
  referrer_host: 'VARCHAR',
  source: 'VARCHAR',
  medium: 'VARCHAR',
  campaign: 'VARCHAR',
  channel: 'VARCHAR',
  device: 'VARCHAR',
  browser: 'VARCHAR',
  os: 'VARCHAR',
  country: 'VARCHAR',
  form_id: 'VARCHAR',
  organizer: 'VARCHAR',
  organizer_event: 'VARCHAR',
  value: 'DOUBLE',
  currency: 'VARCHAR',
  subject: 'VARCHAR',
  action: 'VARCHAR',
  measure: 'DOUBLE',
  properties: 'JSON',
  consent: 'VARCHAR',
} as const
export type EventColumn = keyof typeof EVENT_COLUMNS

const COLUMN_LIST = Object.entries(EVENT_COLUMNS).map(([name, type]) => `${name} ${type}`)

/** Each visitor's number stands beside, for those that come again. */
export const CREATE_EVENTS = `CREATE TABLE IF NOT EXISTS events (${COLUMN_LIST.join(', ')});
  CREATE TABLE IF NOT EXISTS visitors (visitor_no INTEGER, visitor VARCHAR)`

const KINDS: { readonly [type: string]: Kind } = {
  BIGINT: 'number',
  INTEGER: 'number',
  DOUBLE: 'number',
  VARCHAR: 'text',
  TIMESTAMP: 'time',
}

/** Keys of properties that questions may name; dots lead into objects. */
const PROPERTY = /^properties((?:\.[\p{L}\p{N}_ :-]{1,100}){1,10})$/u

/** Of events, sessions, conversions, users and responses: what shows no single person. */
const OPEN: ReadonlySet<string> = new Set(
  `type name path url entry_path exit_path first_path referrer_host first_referrer_host source first_source medium campaign
   channel device browser os country form_id organizer organizer_event currency action consent is_bounce status version
   session_number events sessions page_views conversions`.split(/\s+/),
)
/** How rows of one visitor find each other: nobody's question. */
const INNER: ReadonlySet<string> = new Set(['seq', 'visitor_no'])

/** A field of one of the data sets. */
export const starColumn = (name: string, kind: Kind): Column => ({ path: name, kind, name, isOpen: OPEN.has(name) })

/** The column that a question means: `path`, `properties.plan`. Undefined: events have no such thing. */
export function eventColumn(path: string): Column | undefined {
  const keys = PROPERTY.exec(path)?.[1]
  if (keys !== undefined) {
    const steps = keys
      .slice(1)
      .split('.')
      .map((key) => `."${key}"`)
    return { path, kind: 'json', name: `json_extract(properties, '$${steps.join('')}')`, isOpen: false }
  }
  const type = Object.hasOwn(EVENT_COLUMNS, path) ? EVENT_COLUMNS[path as EventColumn] : 'JSON'
  const kind = KINDS[type]
  return kind === undefined || INNER.has(path) ? undefined : starColumn(path, kind)
}

/** What the types of behaviour events begin with in the log. */
const PREFIX = 'track.'

export const isTracked = ({ type }: Pick<LoggedEvent, 'type'>): boolean => type.startsWith(PREFIX)

type Part = { readonly [key: string]: Json }

/** One event as a row, but for the number of its visitor; times are texts that the engine reads. */
export function eventRow({
  seq,
  id,
  type,
  at,
  data = {},
  meta = {},
}: LoggedEvent): Readonly<Record<Exclude<EventColumn, 'visitor_no'>, Json>> {
  const family = type.slice(PREFIX.length)
  const part = (name: string): Part => (data[name] ?? {}) as Part
  const [page, context, campaign] = [part('page'), part('context'), part('campaign')]
  const of = (from: Part, key: string): Json => from[key] ?? null
  return {
    seq,
    event_id: data['event_id'] ?? id,
    occurred_at: data['occurred_at'] ?? at,
    received_at: at,
    type: family,
    name: data['name'] ?? family,
    user_id: of(data, 'user_id'),
    anonymous_id: of(data, 'anonymous_id'),
    visitor: visitorOf(data, meta),
    session_id: of(data, 'session_id'),
    path: of(page, 'path'),
    url: of(page, 'url'),
    title: of(page, 'title'),
    referrer_host: of(page, 'referrer_host'),
    source: of(campaign, 'source'),
    medium: of(campaign, 'medium'),
    campaign: of(campaign, 'name'),
    channel: context['channel'] ?? 'api',
    device: of(meta, 'device'),
    browser: of(meta, 'browser'),
    os: of(meta, 'os'),
    country: of(meta, 'country'),
    form_id: of(data, 'form_id'),
    organizer: of(context, 'organizer'),
    organizer_event: of(context, 'event'),
    value: of(data, 'value'),
    currency: of(data, 'currency'),
    subject: of(data, 'subject'),
    action: of(data, 'action'),
    measure: of(data, 'measure'),
    properties: data['properties'] ?? {},
    consent: data['consent'] ?? 'granted',
  }
}
