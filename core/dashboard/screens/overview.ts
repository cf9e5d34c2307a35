/** The first page: how the hub is, what is in trouble, and what to do next. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { withQuery } from '../api.ts'
import type { Page } from '../api.ts'
import { endOfLog, liveSource } from '../live-source.ts'
import { chip } from '../parts/chip.ts'
import { figures, mono, section } from '../parts/facts.ts'
import type { Figure } from '../parts/facts.ts'
import { table } from '../parts/list.ts'
import { openPieces } from '../parts/pieces.ts'
import type { Pieces } from '../parts/pieces.ts'
import { readinessNotice, readinessOf } from '../parts/readiness.ts'
import { stoppedHooks } from '../parts/stopped-hooks.ts'
import { ago, counted, number } from '../parts/time.ts'
import { troubleOf } from '../parts/trouble.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type {
  ConfigStatus,
  DeadGroups,
  FormItem,
  InstallationItem,
  InstallationList,
  PluginItem,
  Readiness,
} from '../wire.ts'
import { configNotice, placeIn } from './config.ts'
import { installationColumns, installationPath } from './installations.ts'
import { pluginPath } from './plugins.ts'
import { trafficFigures, trafficLines } from './traffic.ts'
import type { Traffic } from './traffic.ts'

export const overviewScreen: Screen = { method: 'GET', path: '/', nav: 'overview', answer: overview }

/** What the page knows; null where the key may not ask, or the answer failed. */
interface Known {
  readonly ready: Readiness | null
  readonly config: ConfigStatus | null
  readonly installations: InstallationList | null
  readonly plugins: { readonly items: readonly PluginItem[] } | null
  readonly dead: DeadGroups | null
  readonly quarantined: number | null
  readonly traffic: Traffic | null
  readonly stoppedHooks: Html | null
  /** Whether there is any form. */
  readonly hasForms: boolean | null
}

async function known({ api, may, me: { workspace } }: Visit, pieces: Pieces): Promise<Known> {
  const when = <T>(scope: string, name: string, ask: () => Promise<T>): Promise<T | null> =>
    may(scope) ? pieces.take(name, ask()) : Promise.resolve(null)
  const [ready, config, installations, plugins, dead, quarantine, traffic, hooks, forms] = await Promise.all([
    pieces.take('Health', readinessOf(api)),
    when('admin', 'Configuration', () => api.get<ConfigStatus>('/api/v2/config')),
    when('deliveries:write', 'Installations', () => api.get<InstallationList>('/api/v2/installations')),
    when('deliveries:write', 'Plugins', () => api.get<{ items: PluginItem[] }>('/api/v2/plugins')),
    when('deliveries:write', 'Dead letters', () => api.recent<DeadGroups>(workspace, '/api/v2/dead-letters/groups')),
    when('responses:read', 'Quarantine', () => api.get<{ total: number }>('/api/v2/quarantine', { limit: 1 })),
    when('deliveries:write', 'Traffic', () => api.recent<Traffic>(workspace, '/api/v2/traffic')),
    when('hooks:write', 'Hooks', () => stoppedHooks(api)),
    // Whoever may make none is not told to.
    !may('forms:write')
      ? null
      : when('forms:read', 'Forms', () => api.get<Page<FormItem>>('/api/v2/forms', { limit: 1 })),
  ])
  return {
    ready,
    config,
    installations,
    plugins,
    dead,
    quarantined: quarantine?.total ?? null,
    traffic,
    stoppedHooks: hooks,
    hasForms: forms === null ? null : forms.items.length > 0,
  }
}

async function overview(visit: Visit): Promise<Answer> {
  const nowMs = Date.now()
  const pieces = openPieces()
  // Before all else: what happens from here on is told, if it is not on the page yet.
  const end = visit.may('responses:read') ? await pieces.take('Events', endOfLog(visit)) : null
  const all = await known(visit, pieces)
  const missing = pieces.missing()
  return {
    view: {
      title: 'Overview',
      refreshMs: REFRESH_MS,
      ...(end === null ? {} : { live: liveSource(end, { type: TOLD }) }),
      body: html`${warnings(all)}${missing}
${next(all, missing === null)}
${all.traffic === null && all.installations === null ? null : figures([...(all.traffic === null ? [] : trafficFigures(visit, all.traffic)), ...(all.installations === null ? [] : standing(all.installations.items, nowMs))])}
${all.traffic === null ? null : trafficLines(all.traffic)}
${all.installations === null || all.installations.items.length === 0 ? null : section('Installations', table(installationColumns(nowMs), inOrder(all.installations.items)))}
${visit.may('deliveries:write') ? null : html`<p>Your key shows no deliveries; ask for one with the scope <code>deliveries:write</code>.</p>`}`,
    },
  }
}

/** What must not be overlooked: the hub itself, and a file that does not run. */
function warnings({ ready, config, stoppedHooks: hooks }: Known): Html {
  return html`${ready === null ? null : readinessNotice(ready)}${config === null ? null : configNotice(config)}${hooks}`
}

function standing(items: readonly InstallationItem[], nowMs: number): readonly Figure[] {
  const sum = (of: (item: InstallationItem) => number): number => items.reduce((total, item) => total + of(item), 0)
  const dead = sum(({ deliveries }) => deliveries.dead)
  const waiting = sum(({ deliveries }) => deliveries.pending + deliveries.retrying)
  const retrying = sum(({ deliveries }) => deliveries.retrying)
  const oldest = items
    .map(({ oldest_waiting_at: at }) => at)
    .filter((at) => at !== null)
    .toSorted()
    .at(0)
  const lag = Math.max(0, ...items.map((item) => item.lag))
  const troubled = items.filter((item) => troubleOf(item) !== null)
  return [
    {
      label: 'Waiting',
      value: number(waiting),
      note:
        oldest === undefined
          ? 'nothing waits'
          : `oldest ${ago(Date.parse(oldest), nowMs)}, ${number(retrying)} retrying`,
      href: '/deliveries?state=pending',
    },
    {
      label: 'Dead letters',
      value: number(dead),
      note: dead === 0 ? 'none' : 'wait for somebody',
      href: '/dead-letters',
      ...(dead > 0 ? { tone: 'bad' as const } : {}),
    },
    { label: 'Behind', value: number(lag), note: lag === 0 ? 'every event was handled' : 'events, at the slowest' },
    {
      label: 'In trouble',
      value: number(troubled.length),
      note: `of ${counted(items.length, 'installation', 'installations')}`,
      href: '/installations',
      ...(troubled.length > 0 ? { tone: 'bad' as const } : {}),
    },
  ]
}

const REFRESH_MS = 5_000

/** Of what it is worth to look anew at once. */
const TOLD = 'response.submitted,response.partial,delivery.dead,alert.raised'

interface Todo {
  readonly what: Html
  readonly do: Html
}

/** What to do next, the gravest first. That nothing waits is said only where everything is known. */
function next(all: Known, isWhole: boolean): Html | null {
  const todos = [...refusedFile(all), ...approvals(all), ...troubled(all), ...dead(all), ...aside(all), ...first(all)]
  if (todos.length === 0 && !isWhole) return null
  if (todos.length === 0) return section('To do', html`<p class="soft">Nothing waits for you.</p>`)
  return section(
    'To do',
    html`<ul class="todos">${todos.map((todo) => html`<li><div>${todo.what}</div>${todo.do}</li>`)}</ul>`,
  )
}

const PLACES_SHOWN = 3

/** Somebody has just saved it and believes that it runs. */
function refusedFile({ config }: Known): readonly Todo[] {
  const problems = config?.problems ?? []
  const todos = problems.slice(0, PLACES_SHOWN).map((problem): Todo => {
    const { path, message, hint } = problem
    return {
      what: html`<strong>Mend ${mono(placeIn(problem))}</strong> ${path === '' ? null : html`<span class="soft">${path}</span>`} ${message}${hint === null ? null : html` <span class="soft">${hint}</span>`}`,
      do: html`<a class="button quiet" href="/config">Look</a>`,
    }
  })
  const more = problems.length - todos.length
  return more <= 0
    ? todos
    : [
        ...todos,
        {
          what: html`${counted(more, 'more place', 'more places')} to mend`,
          do: html`<a class="button quiet" href="/config">Look</a>`,
        },
      ]
}

const approvals = ({ plugins }: Known): readonly Todo[] =>
  (plugins?.items ?? [])
    .filter(({ needs_approval: waits }) => waits !== null && !waits.gone)
    .map(({ id, version, needs_approval: waits }) => ({
      what: html`<strong>${id} ${version ?? ''}</strong> asks for more than it was granted. <span class="soft">${waits?.running == null ? 'Its installations stand still.' : `${waits.running} runs on.`}</span>`,
      do: html`<a class="button quiet" href="${pluginPath(id)}">Look</a>`,
    }))

const troubled = ({ installations }: Known): readonly Todo[] =>
  (installations?.items ?? [])
    .filter(({ state }) => state !== 'needs-approval')
    .toSorted((one, other) => Number(other.state === 'invalid') - Number(one.state === 'invalid'))
    .flatMap((item) => {
      const trouble = troubleOf(item)
      if (trouble === null) return []
      const { id, state } = item
      return [
        {
          what: html`<strong>${id}</strong> ${chip(trouble.word ?? state, trouble.word === null ? undefined : trouble.tone)} <span class="clip" title="${trouble.says}">${trouble.says}</span>${state === 'invalid' ? html` <span class="soft">Mend it in ${mono('manifold.yaml')}; all else runs.</span>` : null}`,
          do: html`<a class="button quiet" href="${installationPath(id)}">Look</a>`,
        },
      ]
    })

const CAUSES_SHOWN = 3

const dead = ({ dead: groups }: Known): readonly Todo[] =>
  (groups?.items ?? []).slice(0, CAUSES_SHOWN).map(({ count, message, installation, cause, example }) => ({
    what: html`<strong>${counted(count, 'delivery', 'deliveries')}</strong> of ${installation} died: <span class="clip">${example.error ?? message}</span>`,
    do: html`<a class="button quiet" href="${withQuery('/deliveries', { state: 'dead', cause })}">Look</a>`,
  }))

const aside = ({ quarantined }: Known): readonly Todo[] =>
  quarantined === null || quarantined === 0
    ? []
    : [
        {
          what: html`<strong>${counted(quarantined, 'response', 'responses')}</strong> in quarantine`,
          do: html`<a class="button quiet" href="/quarantine">Look</a>`,
        },
      ]

/** A hub without forms or installations has nothing to show; this is how to begin. */
const first = ({ installations, hasForms }: Known): readonly Todo[] => [
  ...(hasForms !== false
    ? []
    : [
        {
          what: html`<strong>Let something come in.</strong> Make a form, put it on a page, or send it JSON.`,
          do: html`<a class="button quiet" href="/forms/new">New form</a>`,
        },
      ]),
  ...(installations === null || installations.items.length > 0
    ? []
    : [
        {
          what: html`<strong>Let something leave.</strong> Add an installation to <code>manifold.yaml</code>: a webhook, a spreadsheet, an e-mail.`,
          do: html`<a class="button quiet" href="/plugins">Plugins</a>`,
        },
      ]),
]

/** Those in trouble first. */
const inOrder = (items: readonly InstallationItem[]): readonly InstallationItem[] =>
  items.toSorted((one, other) => rank(one) - rank(other) || one.id.localeCompare(other.id))

const rank = (item: InstallationItem): number => (troubleOf(item) !== null ? 0 : item.deliveries.dead > 0 ? 1 : 2)
