/**
 * The star of views that questions and people's own tools read: facts (`fact_events`, `fact_sessions`, `fact_conversions`,
 * `fact_responses`) and dimensions (`dim_users`, `dim_events`, `dim_time`). Views hold nothing: what comes late or is erased is
 * right in them at once.
 *
 * Whoever cannot be told from others has no session.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { sqlType } from './columns.ts'
import type { Kind } from './columns.ts'
import { EVENT_COLUMNS } from './event-columns.ts'
import { SESSION_GAP_MS } from './session.ts'
import { sqlText } from './sql-text.ts'
import { worthSql } from './worth.ts'

/** Of conversions. */
const WORTH = worthSql("type = 'conversion'")

/** First or last of a session by time, and by place in the log within a moment. */
const first = (column: string): string => `arg_min(${column}, (occurred_at, seq)) AS`
const last = (column: string): string => `arg_max(${column}, (occurred_at, seq)) AS`

const EVENTS = `CREATE OR REPLACE VIEW fact_events AS
  SELECT e.* EXCLUDE (is_first), CASE WHEN visitor IS NOT NULL THEN CAST(
      sum(is_first) OVER (PARTITION BY visitor ORDER BY occurred_at, seq ROWS UNBOUNDED PRECEDING) AS BIGINT) END AS session_number
  FROM (SELECT *, CASE WHEN lag(occurred_at) OVER (PARTITION BY visitor ORDER BY occurred_at, seq)
      >= occurred_at - INTERVAL ${SESSION_GAP_MS} MILLISECOND THEN 0 ELSE 1 END AS is_first FROM events) AS e`

const SESSIONS = `CREATE OR REPLACE VIEW fact_sessions AS
  SELECT concat(visitor, '/', session_number) AS session, visitor, session_number, max(user_id) AS user_id,
    min(occurred_at) AS started_at, max(occurred_at) AS ended_at,
    epoch_ms(max(occurred_at) - min(occurred_at)) / 1000 AS duration_s,
    CAST(count(*) AS DOUBLE) AS events,
    CAST(count(*) FILTER (WHERE type = 'page_view') AS DOUBLE) AS page_views,
    CAST(count(*) FILTER (WHERE type = 'conversion') AS DOUBLE) AS conversions,
    ${WORTH.value} AS value, ${WORTH.currency} AS currency, ${WORTH.isMixed} AS is_mixed,
    count(*) = 1 AS is_bounce,
    ${first('path')} entry_path, ${last('path')} exit_path,
    ${first('referrer_host')} referrer_host, ${first('source')} source, ${first('medium')} medium,
    ${first('campaign')} campaign, ${first('channel')} channel, ${first('device')} device, ${first('browser')} browser,
    ${first('os')} os, ${first('country')} country
  FROM fact_events WHERE visitor IS NOT NULL GROUP BY visitor, session_number`

const CONVERSIONS = `CREATE OR REPLACE VIEW fact_conversions AS
  SELECT seq, event_id, occurred_at, received_at, name, visitor, user_id, value, currency, path,
    referrer_host, source, medium, campaign, channel, device, browser, os, country, form_id, organizer, organizer_event, properties
  FROM events WHERE type = 'conversion'`

const USERS = `CREATE OR REPLACE VIEW dim_users AS
  SELECT visitor, max(user_id) AS user_id, min(occurred_at) AS first_seen, max(occurred_at) AS last_seen,
    CAST(count(*) AS DOUBLE) AS events, CAST(max(session_number) AS DOUBLE) AS sessions,
    CAST(count(*) FILTER (WHERE type = 'conversion') AS DOUBLE) AS conversions,
    ${WORTH.value} AS value, ${WORTH.currency} AS currency, ${WORTH.isMixed} AS is_mixed,
    ${first('source')} first_source, ${first('referrer_host')} first_referrer_host, ${first('path')} first_path,
    ${last('device')} device, ${last('browser')} browser, ${last('os')} os, ${last('country')} country
  FROM fact_events WHERE visitor IS NOT NULL GROUP BY visitor`

const KINDS = `CREATE OR REPLACE VIEW dim_events AS
  SELECT type, name, CAST(count(*) AS DOUBLE) AS events, min(occurred_at) AS first_seen, max(occurred_at) AS last_seen
  FROM events GROUP BY type, name`

const TIME = `CREATE OR REPLACE VIEW dim_time AS
  SELECT day, CAST(year(day) AS DOUBLE) AS year, CAST(quarter(day) AS DOUBLE) AS quarter, CAST(month(day) AS DOUBLE) AS month,
    CAST(isoyear(day) AS DOUBLE) AS iso_year, CAST(week(day) AS DOUBLE) AS iso_week, CAST(isodow(day) AS DOUBLE) AS weekday,
    isodow(day) > 5 AS is_weekend
  FROM (SELECT unnest(generate_series(min(occurred_at)::DATE::TIMESTAMP, max(occurred_at)::DATE::TIMESTAMP, INTERVAL 1 DAY)) AS day
    FROM events)`

/** All but those that depend on which forms there are. */
export const CREATE_STAR = [EVENTS, SESSIONS, CONVERSIONS, USERS, KINDS, TIME].join(';\n')

const RESPONSE_KINDS = {
  form_id: 'text',
  id: 'text',
  version: 'number',
  status: 'text',
  started_at: 'time',
  submitted_at: 'time',
  duration_s: 'number',
} as const satisfies Record<string, Kind>

/** Made again whenever a form comes or goes. */
export async function createFactResponses(
  writer: DuckDBConnection,
  tables: readonly { readonly id: string; readonly table: string }[],
): Promise<void> {
  const columns = Object.keys(RESPONSE_KINDS).filter((name) => name !== 'form_id')
  const none = `SELECT ${Object.entries(RESPONSE_KINDS)
    .map(([name, kind]) => `NULL::${sqlType(kind)} AS ${name}`)
    .join(', ')} WHERE false`
  const each = tables.map(({ id, table }) => `SELECT ${sqlText(id)} AS form_id, ${columns.join(', ')} FROM ${table}`)
  await writer.run(`CREATE OR REPLACE VIEW fact_responses AS ${[none, ...each].join(' UNION ALL ')}`)
}

const ORIGIN = {
  referrer_host: 'text',
  source: 'text',
  medium: 'text',
  campaign: 'text',
  channel: 'text',
  device: 'text',
  browser: 'text',
  os: 'text',
  country: 'text',
} as const
const ABOUT = { form_id: 'text', organizer: 'text', organizer_event: 'text' } as const

/** What questions may name as `data_set`: its view, when its rows happened, and the kind of each field. */
export const DATA_SETS = {
  events: {
    // Not the view: numbering sessions costs a sort of all rows.
    view: 'events',
    time: 'occurred_at',
    hasProperties: true,
    fields: {
      event_id: 'text',
      occurred_at: 'time',
      received_at: 'time',
      type: 'text',
      name: 'text',
      user_id: 'text',
      anonymous_id: 'text',
      visitor: 'text',
      session_id: 'text',
      path: 'text',
      url: 'text',
      title: 'text',
      ...ORIGIN,
      ...ABOUT,
      value: 'number',
      currency: 'text',
      subject: 'text',
      action: 'text',
      measure: 'number',
      consent: 'text',
    },
  },
  sessions: {
    view: 'fact_sessions',
    time: 'started_at',
    hasProperties: false,
    // How many came before is in them.
    historic: ['session', 'session_number'],
    fields: {
      session: 'text',
      visitor: 'text',
      session_number: 'number',
      user_id: 'text',
      started_at: 'time',
      ended_at: 'time',
      duration_s: 'number',
      events: 'number',
      page_views: 'number',
      conversions: 'number',
      value: 'number',
      currency: 'text',
      is_mixed: 'boolean',
      is_bounce: 'boolean',
      entry_path: 'text',
      exit_path: 'text',
      ...ORIGIN,
    },
  },
  conversions: {
    view: 'fact_conversions',
    time: 'occurred_at',
    hasProperties: true,
    fields: {
      event_id: 'text',
      occurred_at: 'time',
      received_at: 'time',
      name: 'text',
      visitor: 'text',
      user_id: 'text',
      value: 'number',
      currency: 'text',
      path: 'text',
      ...ORIGIN,
      ...ABOUT,
    },
  },
  responses: { view: 'fact_responses', time: 'submitted_at', hasProperties: false, fields: RESPONSE_KINDS },
  users: {
    view: 'dim_users',
    time: 'first_seen',
    hasProperties: false,
    fields: {
      visitor: 'text',
      user_id: 'text',
      first_seen: 'time',
      last_seen: 'time',
      events: 'number',
      sessions: 'number',
      conversions: 'number',
      value: 'number',
      currency: 'text',
      is_mixed: 'boolean',
      first_source: 'text',
      first_referrer_host: 'text',
      first_path: 'text',
      device: 'text',
      browser: 'text',
      os: 'text',
      country: 'text',
    },
  },
} as const satisfies Record<
  string,
  {
    view: string
    time: string
    hasProperties: boolean
    historic?: readonly string[]
    fields: Readonly<Record<string, Kind>>
  }
>
export type DataSetName = keyof typeof DATA_SETS

type Types = { readonly [column: string]: string }

const typesOf = (fields: Readonly<Record<string, Kind>>): Types =>
  Object.fromEntries(Object.entries(fields).map(([name, kind]) => [name, sqlType(kind)]))

/** The star as SQL may name it: what a row is, and the type of each column. */
export const STAR_VIEWS: { readonly [view: string]: { readonly about: string; readonly columns: Types } } = {
  fact_events: {
    about: 'Behaviour events, with the number of their session among those of the visitor.',
    columns: { ...EVENT_COLUMNS, session_number: 'BIGINT' },
  },
  fact_sessions: {
    about: 'What one visitor did without a pause of more than 30 minutes.',
    columns: typesOf(DATA_SETS.sessions.fields),
  },
  fact_conversions: {
    about: 'Behaviour events that are conversions.',
    columns: { seq: 'BIGINT', ...typesOf(DATA_SETS.conversions.fields), properties: 'JSON' },
  },
  fact_responses: { about: 'Responses of all forms, without their answers.', columns: typesOf(RESPONSE_KINDS) },
  dim_users: {
    about: 'Visitors, with when they came first and last and what they did.',
    columns: typesOf(DATA_SETS.users.fields),
  },
  dim_events: {
    about: 'Names of behaviour events by type.',
    columns: { type: 'VARCHAR', name: 'VARCHAR', events: 'DOUBLE', first_seen: 'TIMESTAMP', last_seen: 'TIMESTAMP' },
  },
  dim_time: {
    about: 'Days from the first behaviour event to the last.',
    columns: {
      day: 'TIMESTAMP',
      year: 'DOUBLE',
      quarter: 'DOUBLE',
      month: 'DOUBLE',
      iso_year: 'DOUBLE',
      iso_week: 'DOUBLE',
      weekday: 'DOUBLE',
      is_weekend: 'BOOLEAN',
    },
  },
}
