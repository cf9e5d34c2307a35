/** Deliveries: what left and what waits; one of them with every attempt, and sending it again. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { DEAD_REASONS, DELIVERY_STATES } from '../../model.ts'
import { segment } from '../api.ts'
import type { Page } from '../api.ts'
import { formChoices, installationChoices } from '../choices.ts'
import { attemptTimeline } from '../parts/attempts.ts'
import { chip } from '../parts/chip.ts'
import { act } from '../parts/confirm.ts'
import { code, facts, mono, notice, section } from '../parts/facts.ts'
import { choices, TIME_FILTERS } from '../parts/filters.ts'
import type { Filter } from '../parts/filters.ts'
import { linked } from '../parts/link.ts'
import { LIST_REFRESH_MS, list } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { ago, number, span, time } from '../parts/time.ts'
import { heldBack, waitOf } from '../parts/waits.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { DeliveryDetail, DeliveryRow } from '../wire.ts'

export const deliveryPath = (id: string): string => `/deliveries/${segment(id)}`

export const deliveryScreens: readonly Screen[] = [
  { method: 'GET', path: '/deliveries', nav: 'deliveries', answer: all },
  { method: 'GET', path: '/deliveries/{id}', nav: 'deliveries', answer: one },
  { method: 'POST', path: '/deliveries/{id}/replay', nav: 'deliveries', answer: replay },
  { method: 'POST', path: '/deliveries/{id}/resume', nav: 'deliveries', answer: resume },
]

async function filtersOf(visit: Visit): Promise<readonly Filter[]> {
  const [forms, installations] = await Promise.all([formChoices(visit), installationChoices(visit)])
  return [
    { name: 'text', label: 'Search', type: 'search', placeholder: 'id, error, host, answer' },
    { name: 'state', label: 'State', options: choices(DELIVERY_STATES) },
    { name: 'reason', label: 'Why dead', options: choices(DEAD_REASONS) },
    { name: 'installation', label: 'Installation', options: installations },
    { name: 'form', label: 'Form', options: forms },
    ...TIME_FILTERS,
    { name: 'response', label: 'Response', isQuiet: true },
    { name: 'event', label: 'Event', isQuiet: true },
    { name: 'code', label: 'Error code', isQuiet: true },
    { name: 'cause', label: 'Cause', isQuiet: true, chip: 'Died of the same cause' },
  ]
}

/** Columns of deliveries anywhere. */
export function deliveryColumns(nowMs: number): readonly Column<DeliveryRow>[] {
  return [
    { label: 'State', cell: (row) => chip(row.state), csv: (row) => row.state },
    {
      label: 'Delivery',
      cell: (row) => html`<a href="${deliveryPath(row.id)}"><strong>${row.installation}</strong> ${row.name}</a>`,
    },
    { label: 'Created', cell: (row) => time(row.created_at, nowMs), csv: (row) => row.created_at },
    { label: 'Tries', align: 'end', cell: (row) => number(row.attempts), csv: (row) => row.attempts },
    { label: 'What happened', cell: (row) => what(row, nowMs) },
  ]
}

const CSV_ONLY: readonly Column<DeliveryRow>[] = (
  [
    'id',
    'installation',
    'plugin',
    'kind',
    'name',
    'form_id',
    'response_id',
    'event_id',
    'finished_at',
    'due_at',
  ] as const
).map((name) => ({ label: name, cell: () => null, csv: (row) => row[name] }))

const CSV_WHY: readonly Column<DeliveryRow>[] = (['reason', 'error_code', 'error', 'host'] as const).map((name) => ({
  label: name,
  cell: () => null,
  csv: (row) => row[name],
}))

/** In a few words: where it went, or why not, and what comes next. */
export function what(row: DeliveryRow, nowMs: number): Html {
  const next = row.due_at === null ? null : html`<span class="soft">${nextTry(Date.parse(row.due_at), nowMs)}</span>`
  if (row.error !== null) return html`<span class="clip">${row.error}</span> ${row.state === 'delivered' ? null : next}`
  if (row.state === 'delivered')
    return html`<span class="soft">${row.host === null ? 'done' : `to ${row.host}`}${row.finished_at === null ? null : `, after ${span(Date.parse(row.finished_at) - Date.parse(row.created_at))}`}</span>`
  return html`${row.reason === null ? null : row.reason.replaceAll('_', ' ')} ${next}`
}

/** What is due waits for its turn. */
const nextTry = (dueMs: number, nowMs: number): string =>
  dueMs <= nowMs ? 'waits for its turn' : `next try ${ago(dueMs, nowMs)}`

async function all(visit: Visit): Promise<Answer> {
  const nowMs = Date.now()
  const isFile = visit.query('format') === 'csv'
  const filters = await filtersOf(visit)
  const isOfWaiting = ['pending', 'retrying'].includes(visit.query('state') ?? '')
  const held = isOfWaiting && !isFile ? await heldBack(visit, nowMs) : null
  return list<DeliveryRow>(visit, {
    title: 'Deliveries',
    name: 'deliveries',
    columns: isFile ? [...CSV_ONLY, ...deliveryColumns(nowMs), ...CSV_WHY] : deliveryColumns(nowMs),
    filters,
    refreshMs: LIST_REFRESH_MS,
    ...(held === null ? {} : { before: held }),
    follows: { type: 'response.*,delivery.*' },
    load: (query) => visit.api.get<Page<DeliveryRow>>('/api/v2/deliveries', query),
    empty: (isFiltered) =>
      isFiltered
        ? html`<p>No delivery is like that.</p>`
        : html`<p>Nothing has left yet.</p><p class="soft">A delivery is made when an installation acts on a response. Add one to <code>manifold.yaml</code>, then send a form.</p>`,
  })
}

async function one(visit: Visit): Promise<Answer> {
  const nowMs = Date.now()
  const delivery = await visit.api.get<DeliveryDetail>(`/api/v2/deliveries/${segment(visit.param('id'))}`)
  const ended = delivery.state === 'dead' || delivery.state === 'delivered'
  const wait = ended ? null : await waitOf(visit, delivery, nowMs)
  return {
    view: {
      title: `${delivery.installation} ${delivery.name}`,
      trail: [{ label: 'Deliveries', href: '/deliveries' }],
      actions: ended
        ? act(`${deliveryPath(delivery.id)}/replay`, delivery.state === 'dead' ? 'Replay' : 'Send again', {
            tone: delivery.state === 'dead' ? 'main' : 'quiet',
          })
        : wait?.isResumable === true && visit.may('admin')
          ? act(`${deliveryPath(delivery.id)}/resume`, 'Resume and try now', { tone: 'main' })
          : null,
      ...(ended ? {} : { refreshMs: WAITING_REFRESH_MS }),
      body: html`${lead(delivery)}${wait === null ? null : notice('warn', html`<p><strong>It waits.</strong> ${wait.says}</p>`)}
${facts([
  ['State', chip(delivery.state)],
  ['Id', mono(delivery.id)],
  [
    'Installation',
    html`<a href="/installations/${segment(delivery.installation)}">${delivery.installation}</a> <span class="soft">${delivery.plugin}</span>`,
  ],
  [
    'Form',
    delivery.form_id === null
      ? null
      : linked(visit, { scope: 'forms:read', href: `/forms/${segment(delivery.form_id)}` }, delivery.form_id),
  ],
  ['Runs', html`<a href="/runs?delivery=${encodeURIComponent(delivery.id)}">what its plugin did</a>`],
  [
    'Response',
    delivery.response_id === null
      ? null
      : linked(
          visit,
          { scope: 'responses:read', href: `/responses/${segment(delivery.response_id)}` },
          mono(delivery.response_id),
        ),
  ],
  [
    'Event',
    delivery.event_id === null
      ? null
      : linked(
          visit,
          { scope: 'responses:read', href: `/events/${segment(delivery.event_id)}` },
          mono(delivery.event_id),
        ),
  ],
  ['Created', time(delivery.created_at, nowMs)],
  ['Finished', delivery.finished_at === null ? null : time(delivery.finished_at, nowMs)],
  [
    'Next try',
    delivery.due_at === null
      ? null
      : html`${time(delivery.due_at, nowMs)} <span class="soft">${ago(Date.parse(delivery.due_at), nowMs)}</span>`,
  ],
])}
${section(`Attempts`, attemptTimeline(delivery, nowMs))}
${section('Input', input(delivery))}`,
    },
  }
}

/** Beside the event that caused it, which the plugin gets anyway. */
const input = ({ input: given, input_missing: missing }: DeliveryDetail): Html => {
  if (missing !== null) return html`<p class="soft">${missing}</p>`
  return given === null
    ? html`<p class="soft">None of its own: its plugin gets the event.</p>`
    : html`<p class="soft">What the plugin is given; a receiver sees what the plugin makes of it.</p>${code(JSON.stringify(given, null, 2))}`
}

/** Somebody who has just replayed it looks on. */
const WAITING_REFRESH_MS = 1_500

/** Why it is dead, and who has to do something about it. */
function lead(delivery: DeliveryDetail): Html | null {
  if (delivery.state === 'dead') {
    const reason = delivery.reason ?? 'internal_error'
    return notice(
      'bad',
      html`<p><strong>${WHY_DEAD[reason]}</strong></p>
${delivery.error === null ? null : html`<p>${delivery.error}</p>`}
<p class="soft">${TODO[reason]} Replay keeps its id, so the receiver can tell.</p>`,
    )
  }
  if (delivery.state === 'retrying' && delivery.error !== null)
    return notice('warn', html`<p><strong>It failed and will be tried again.</strong></p><p>${delivery.error}</p>`)
  return null
}

const WHY_DEAD = {
  receiver_failed: 'The receiver failed at every try.',
  permanent_reject: 'The receiver refused it for good.',
  config_error: 'Its configuration cannot work.',
  internal_error: 'Something inside went wrong.',
} as const

const TODO = {
  receiver_failed: 'See whether the receiver is well, then replay.',
  permanent_reject: 'See what the receiver answered below; mend the mapping or the receiver, then replay.',
  config_error: 'Mend the installation in manifold.yaml, then replay: it runs with the settings of today.',
  internal_error: 'See the log lines below; the plugin or the hub is to be mended, then replay.',
} as const

/** Its installation goes on, and hosts that were left alone are tried at once. */
async function resume(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const { installation } = await visit.api.get<DeliveryRow>(`/api/v2/deliveries/${segment(id)}`)
  await visit.api.send('POST', `/api/v2/installations/${segment(installation)}/resume`)
  return { redirect: deliveryPath(id), flash: `${installation} goes on, and what waits is tried at once.` }
}

async function replay(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  await visit.api.send('POST', `/api/v2/deliveries/${segment(id)}/replay`)
  return { redirect: deliveryPath(id), flash: 'It is due now.' }
}
