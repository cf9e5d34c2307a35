/** Installations: how each fares and why, and the operator's hand on it. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { INSTALLATION_STATES } from '../../model.ts'
import { segment, withQuery } from '../api.ts'
import type { Page } from '../api.ts'
import { chip } from '../parts/chip.ts'
import { act, confirm } from '../parts/confirm.ts'
import { code, facts, figures, notice, section } from '../parts/facts.ts'
import { choices } from '../parts/filters.ts'
import type { Filter } from '../parts/filters.ts'
import { LIST_REFRESH_MS, list, table } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { tabs } from '../parts/tabs.ts'
import { ago, counted, number, time } from '../parts/time.ts'
import { isResumable, troubleOf } from '../parts/trouble.ts'
import { usageSection } from '../parts/usage.ts'
import { leftAlone } from '../parts/waits.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { InstallationItem, RunItem } from '../wire.ts'
import { managedByFile, typedLines, typedOf } from './config.ts'
import { deliveryPath } from './deliveries.ts'
import { runColumns } from './runs.ts'

export const installationPath = (id: string): string => `/installations/${segment(id)}`
const apiPath = (id: string): string => `/api/v2/installations/${segment(id)}`

export const installationScreens: readonly Screen[] = [
  { method: 'GET', path: '/installations', nav: 'plugins', answer: all },
  { method: 'GET', path: '/installations/{id}', nav: 'plugins', answer: one },
  { method: 'POST', path: '/installations/{id}/pause', nav: 'plugins', answer: pause },
  { method: 'POST', path: '/installations/{id}/resume', nav: 'plugins', answer: resume },
  { method: 'POST', path: '/installations/{id}/check', nav: 'plugins', answer: check },
  { method: 'GET', path: '/installations/{id}/test', nav: 'plugins', answer: askTest },
  { method: 'POST', path: '/installations/{id}/test', nav: 'plugins', answer: test },
  { method: 'GET', path: '/installations/{id}/backfill', nav: 'plugins', answer: askBackfill },
  { method: 'POST', path: '/installations/{id}/backfill', nav: 'plugins', answer: backfill },
]

export const pluginTabs = (now: 'installations' | 'plugins'): Html =>
  tabs(now, [
    { id: 'installations', label: 'Installations', href: '/installations' },
    { id: 'plugins', label: 'Plugins', href: '/plugins' },
  ])

const FILTERS: readonly Filter[] = [
  { name: 'state', label: 'State', options: choices(INSTALLATION_STATES) },
  { name: 'plugin', label: 'Plugin' },
]

/** That it may run says nothing of whether it does what it should. */
function stateOf(item: InstallationItem): Html {
  const trouble = troubleOf(item)
  return trouble?.word == null
    ? chip(item.state)
    : html`${chip(item.state, 'calm')} ${chip(trouble.word, trouble.tone)}`
}

/** Columns of installations anywhere. */
export const installationColumns = (nowMs: number): readonly Column<InstallationItem>[] => [
  { label: 'State', cell: stateOf, csv: ({ state }) => state },
  {
    label: 'Installation',
    cell: ({ id, plugin, reason }) =>
      html`<a href="${installationPath(id)}"><strong>${id}</strong></a> <span class="soft">${plugin}</span>${reason === null ? null : html`<br><span class="clip soft">${reason}</span>`}`,
    csv: ({ id }) => id,
  },
  {
    label: 'Delivered',
    align: 'end',
    cell: ({ deliveries }) => number(deliveries.delivered),
    csv: ({ deliveries }) => deliveries.delivered,
  },
  {
    label: 'Waiting',
    align: 'end',
    cell: ({ deliveries }) => number(deliveries.pending + deliveries.retrying),
    csv: ({ deliveries }) => deliveries.pending + deliveries.retrying,
  },
  {
    label: 'Dead',
    align: 'end',
    cell: ({ deliveries }) => number(deliveries.dead),
    csv: ({ deliveries }) => deliveries.dead,
  },
  { label: 'Behind', align: 'end', cell: ({ lag }) => number(lag), csv: ({ lag }) => lag },
  {
    label: 'Last success',
    cell: ({ last_success_at: at }) => (at === null ? html`<span class="none">–</span>` : ago(Date.parse(at), nowMs)),
    csv: ({ last_success_at: at }) => at,
  },
]

async function all(visit: Visit): Promise<Answer> {
  return list<InstallationItem>(visit, {
    title: 'Plugins',
    name: 'installations',
    before: pluginTabs('installations'),
    columns: installationColumns(Date.now()),
    filters: FILTERS,
    follows: { type: 'response.*,delivery.*,alert.*' },
    refreshMs: LIST_REFRESH_MS,
    load: async ({ limit: _limit, cursor: _cursor, ...query }) =>
      visit.api.get<Page<InstallationItem>>('/api/v2/installations', query),
    empty: (isFiltered) =>
      isFiltered
        ? html`<p>No installation is like that.</p>`
        : html`<p>Nothing is installed yet.</p><p class="soft">Add one under <code>installations:</code> of <code>manifold.yaml</code>, for instance <code>{ id: crm, use: webhooks, with: { url: … } }</code>. Each of the <a href="/plugins">plugins</a> has a form that makes such a piece and checks it.</p>`,
  })
}

const RUNS_SHOWN = 10
const REFRESH_MS = 5_000

async function one(visit: Visit): Promise<Answer> {
  const nowMs = Date.now()
  const id = visit.param('id')
  const [item, runs, typed] = await Promise.all([
    visit.api.get<InstallationItem>(apiPath(id)),
    visit.api.get<Page<RunItem>>('/api/v2/runs', { installation: id, limit: RUNS_SHOWN }),
    typedOf(visit, { installation: id }),
  ])
  const { deliveries } = item
  const link = (state: string): string => withQuery('/deliveries', { installation: id, state })
  return {
    view: {
      title: item.id,
      trail: [{ label: 'Installations', href: '/installations' }],
      actions: actions(item, visit),
      refreshMs: REFRESH_MS,
      body: html`${trouble(item, nowMs)}
${figures([
  { label: 'Delivered', value: number(deliveries.delivered), href: link('delivered') },
  {
    label: 'Waiting',
    value: number(deliveries.pending + deliveries.retrying),
    href: link(deliveries.retrying > 0 ? 'retrying' : 'pending'),
    note:
      item.oldest_waiting_at === null ? 'nothing waits' : `oldest ${ago(Date.parse(item.oldest_waiting_at), nowMs)}`,
  },
  {
    label: 'Dead',
    value: number(deliveries.dead),
    href: withQuery('/dead-letters', { installation: id }),
    ...(deliveries.dead > 0 ? { tone: 'bad' as const } : {}),
  },
  { label: 'Behind', value: number(item.lag), note: item.lag === 0 ? 'every event was handled' : 'events' },
])}
<section>${facts([
        [
          'State',
          html`${chip(item.state)}${item.state_since === null ? null : html` <span class="soft">since ${time(item.state_since, nowMs)}</span>`}`,
        ],
        [
          'Plugin',
          html`<a href="/plugins/${segment(item.plugin)}">${item.plugin}</a> <span class="soft">${item.version ?? ''}</span>`,
        ],
        ['Credential', html`${chip(item.credential.state, item.credential.state === 'unknown' ? 'calm' : undefined)}`],
        ['Last success', time(item.last_success_at, nowMs)],
        [
          'Last failure',
          item.last_failure_at === null
            ? null
            : html`${time(item.last_failure_at, nowMs)}${item.failure_streak === 0 ? null : html` <span class="soft">${counted(item.failure_streak, 'attempt', 'attempts')} in a row</span>`}`,
        ],
        [
          'Gets',
          `${(item.when.events ?? ['its events']).join(', ')}${item.when.forms === null ? '' : ` of ${item.when.forms.join(', ')}`}`,
        ],
      ])}</section>
${item.check === null ? null : section('What its check found', findings(item.check, nowMs))}
${section('Settings', html`${managedByFile(typed)}${typed === null ? null : typedLines(typed, `installations.${id}.`)}<details class="more"><summary>With what is left out filled in</summary><p class="soft">Secrets are never shown.</p>${code(JSON.stringify(item.config, null, 2))}</details>`)}
${section('Latest runs', runs.items.length === 0 ? html`<p class="soft">None yet.</p>` : table(runColumns(nowMs), runs.items), html`<a href="${withQuery('/runs', { installation: id })}">All runs</a>`)}
${item.usage === null ? null : section('Cost', usageSection(item.usage, nowMs))}`,
    },
  }
}

function actions(item: InstallationItem, visit: Visit): Html {
  const path = installationPath(item.id)
  const stands = item.state === 'paused' || item.state === 'disabled'
  const resumes = isResumable(item) ? act(`${path}/resume`, 'Resume', { tone: 'main' }) : null
  return html`<a class="button quiet" href="${path}/test">Send a test…</a>${act(`${path}/check`, 'Check')}<a class="button quiet" href="${path}/backfill">Read again…</a>${visit.may('admin') ? html`<a class="button quiet" href="${path}/change">Change…</a>` : null}${visit.may('admin') ? html`${resumes}${stands ? null : act(`${path}/pause`, 'Pause')}` : null}`
}

/** Why it does not do what it should, each with what somebody can do. */
function trouble(item: InstallationItem, nowMs: number): Html {
  const { state, reason, credential, unattended, breakers, last_error: lastError, failure_streak: streak } = item
  return html`${state === 'ready' || (reason === null && state !== 'paused') ? null : notice(state === 'paused' || state === 'degraded' ? 'warn' : 'bad', html`<p><strong>${state.replaceAll('-', ' ')}</strong>: ${reason ?? 'paused by an operator'}</p>`)}
${credential.state === 'refused' ? notice('bad', html`<p><strong>The receiver refuses the credential.</strong> ${credential.message ?? ''}</p><p class="soft">It stands still until new settings or a resume; what waits goes out then.</p>`) : null}
${unattended ? notice('bad', html`<p><strong>No living process runs it.</strong> Its events wait.</p>`) : null}
${breakers.map((breaker) => notice('warn', html`<p>${leftAlone(breaker, nowMs)} Resume tries it at once.</p>`))}
${streak > 0 && lastError !== null ? notice('warn', html`<p><strong>${counted(streak, 'attempt', 'attempts')} failed in a row.</strong> ${lastError}</p>`) : null}`
}

const findings = ({ at, findings: found }: NonNullable<InstallationItem['check']>, nowMs: number): Html =>
  html`<p class="soft">${time(at, nowMs)}</p>${found.length === 0 ? html`<p>All is well.</p>` : html`<ul class="log">${found.map(({ level, message, at: setting }) => html`<li>${chip(level)} ${message}${setting === null ? null : html` <code>${setting}</code>`}</li>`)}</ul>`}`

async function pause(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  await visit.api.send('POST', `${apiPath(id)}/pause`, { reason: `paused by ${visit.me.key.name}`.slice(0, 500) })
  return { redirect: installationPath(id), flash: 'It is paused: events and deliveries wait, nothing is lost.' }
}

async function resume(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  await visit.api.send('POST', `${apiPath(id)}/resume`)
  return { redirect: installationPath(id), flash: 'It goes on where it stood.' }
}

async function check(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const { at, findings: found } = await visit.api.send<NonNullable<InstallationItem['check']> & { at: string | null }>(
    'POST',
    `${apiPath(id)}/check`,
  )
  const said =
    found.length === 0
      ? 'Checked: all is well.'
      : `Checked: ${counted(found.length, 'finding', 'findings')}, see below.`
  return { redirect: installationPath(id), flash: at === null ? 'Its plugin has no check.' : said }
}

interface Sent {
  readonly event_id: string
  readonly deliveries: readonly string[]
  readonly why_not: string | null
}

async function askTest(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const asked = { form: visit.query('form'), event_id: visit.query('event') }
  const dry = await visit.api.send<Sent>('POST', `${apiPath(id)}/test-send`, { ...asked, dry_run: true })
  return {
    view: confirm({
      title: 'Send a test',
      trail: [{ label: id, href: installationPath(id) }],
      says: html`<p class="lead">The event <code>${dry.event_id}</code> goes through <strong>${id}</strong> again, down the live path.</p>${dry.why_not === null ? null : notice('warn', html`<p>Its <code>when</code> keeps this event out, so nothing would run: ${dry.why_not}</p>`)}<p class="soft">What its plugin does then is real: deliveries go to their destination.</p>`,
      action: `${installationPath(id)}/test`,
      fields: { event: dry.event_id },
      button: 'Send',
      back: installationPath(id),
    }),
  }
}

async function test(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const sent = await visit.api.send<Sent>('POST', `${apiPath(id)}/test-send`, {
    event_id: visit.form.get('event') ?? undefined,
  })
  const [first] = sent.deliveries
  if (sent.why_not !== null) return { redirect: installationPath(id), flash: `Nothing ran: ${sent.why_not}` }
  return first === undefined
    ? { redirect: installationPath(id), flash: 'The test ran; it made no delivery.' }
    : { redirect: deliveryPath(first), flash: 'The test is on its way.' }
}

interface Filled {
  readonly events: number
}

async function askBackfill(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const from = visit.query('from')
  const path = installationPath(id)
  const trail = [{ label: id, href: path }]
  if (from === undefined)
    return {
      view: {
        title: 'Read the log again',
        trail,
        body: html`<div class="confirm"><p>From a point in the past, ${id} handles its events again: counters count again, and what has no delivery with the same key is sent.</p>
<form action="${path}/backfill" class="stack narrow"><div class="field"><label for="from">From</label><input id="from" name="from" required value="beginning" aria-describedby="from-hint"><p class="hint" id="from-hint">A time such as 2026-05-31T09:30Z, a date, or <code>beginning</code>.</p></div><div class="buttons"><button>Count first</button><a class="button quiet" href="${path}">Cancel</a></div></form></div>`,
      },
    }
  const { events } = await visit.api.send<Filled>('POST', `${apiPath(id)}/backfill`, { from, dry_run: true })
  return {
    view: confirm({
      title: 'Read the log again',
      trail,
      says: html`<p class="lead"><strong>${counted(events, 'event', 'events')}</strong> lie ahead of ${id} from ${from} on.</p>`,
      action: `${path}/backfill`,
      fields: { from },
      button: `Read again (${number(events)})`,
      back: path,
    }),
  }
}

async function backfill(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const { events } = await visit.api.send<Filled>('POST', `${apiPath(id)}/backfill`, { from: visit.form.get('from') })
  return { redirect: installationPath(id), flash: `${counted(events, 'event', 'events')} lie ahead of it now.` }
}
