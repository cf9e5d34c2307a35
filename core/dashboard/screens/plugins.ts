/** Plugins: what could run here, what each may do, and the yes to one that asks for more. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { segment, withQuery } from '../api.ts'
import type { Page } from '../api.ts'
import { chip } from '../parts/chip.ts'
import { hidden } from '../parts/confirm.ts'
import { code, facts, mono, notice, section } from '../parts/facts.ts'
import { grantList } from '../parts/grants.ts'
import { LIST_REFRESH_MS, list } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { time } from '../parts/time.ts'
import { usageSection } from '../parts/usage.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { PluginItem } from '../wire.ts'
import { pluginTabs } from './installations.ts'

export const pluginPath = (id: string): string => `/plugins/${segment(id)}`

export const pluginScreens: readonly Screen[] = [
  { method: 'GET', path: '/plugins', nav: 'plugins', answer: all },
  { method: 'GET', path: '/plugins/{id}', nav: 'plugins', answer: one },
  { method: 'POST', path: '/plugins/{id}/approve', nav: 'plugins', answer: approve },
]

const COLUMNS: readonly Column<PluginItem>[] = [
  { label: 'State', cell: ({ state }) => chip(state), csv: ({ state }) => state },
  {
    label: 'Plugin',
    cell: ({ id, name }) => html`<a href="${pluginPath(id)}"><strong>${name}</strong></a>`,
    csv: ({ id }) => id,
  },
  { label: 'Version', cell: ({ version }) => version ?? '–', csv: ({ version }) => version },
  {
    label: 'What it does',
    cell: ({ description, problems }) => html`<span class="clip">${problems[0] ?? description ?? '–'}</span>`,
    csv: ({ description }) => description,
  },
  {
    label: 'Events and actions',
    cell: ({ events, actions }) => html`<span class="clip soft">${[...events, ...actions].join(', ')}</span>`,
    csv: ({ events, actions }) => [...events, ...actions].join(' '),
  },
]

async function all(visit: Visit): Promise<Answer> {
  return list<PluginItem>(visit, {
    title: 'Plugins',
    name: 'plugins',
    before: pluginTabs('plugins'),
    columns: COLUMNS,
    filters: [],
    follows: { type: 'alert.*' },
    refreshMs: LIST_REFRESH_MS,
    load: async () => visit.api.get<Page<PluginItem>>('/api/v2/plugins'),
    empty: () => html`<p>There is no plugin.</p>`,
  })
}

async function one(visit: Visit): Promise<Answer> {
  const plugin = await visit.api.get<PluginItem>(`/api/v2/plugins/${segment(visit.param('id'))}`)
  const nowMs = Date.now()
  const words = (all: readonly string[]): Html | null =>
    all.length === 0 ? null : html`${all.map((word) => html`<code>${word}</code> `)}`
  return {
    view: {
      title: plugin.name,
      trail: [{ label: 'Plugins', href: '/plugins' }],
      actions: html`${visit.may('admin') && plugin.problems.length === 0 ? html`<a class="button" href="${pluginPath(plugin.id)}/install">Install…</a>` : null}<a class="button quiet" href="${withQuery('/installations', { plugin: plugin.id })}">Installations</a>`,
      body: html`${plugin.problems.length === 0 ? null : notice('bad', html`<p><strong>It cannot be loaded.</strong></p><ul>${plugin.problems.map((problem) => html`<li>${problem}</li>`)}</ul>`)}
${plugin.needs_approval === null ? null : waiting(plugin, visit)}
${plugin.description === null ? null : html`<p class="lead">${plugin.description}</p>`}
<section>${facts([
        ['State', chip(plugin.state)],
        ['Id', mono(plugin.id)],
        ['Version', plugin.version],
        ['From', plugin.origin === 'builtin' ? 'the hub itself' : 'elsewhere'],
        ['Events', words(plugin.events)],
        ['Actions', words(plugin.actions)],
        ['Schedules', words(plugin.schedules)],
        ['Routes', words(plugin.routes)],
        ['Granted', plugin.granted_at === null ? null : time(plugin.granted_at, nowMs)],
        ['Code', plugin.code === null ? null : mono(plugin.code.slice(0, 16))],
      ])}</section>
${section('What it may do', plugin.granted === null ? html`<p class="soft">It was never in use here. It asks to:</p>${grantList(plugin.asks)}` : grantList(plugin.granted))}
${plugin.usage === null ? null : section('Cost', usageSection(plugin.usage, nowMs))}
${section('Settings it takes', html`<details><summary>JSON Schema of <code>with</code></summary>${code(JSON.stringify(plugin.config, null, 2))}</details>`)}`,
    },
  }
}

/** What would change, and the button that grants exactly that. */
function waiting({ id, needs_approval: waits }: PluginItem, visit: Visit): Html {
  if (waits === null) return html``
  if (waits.gone)
    return notice(
      'bad',
      html`<p><strong>Its folder is gone.</strong> ${waits.running === null ? 'Its installations stand still.' : `${waits.running} runs on as it was granted.`}</p>`,
    )
  const { from, to, running, diff, sources } = waits
  return html`<div class="notice warn"><p><strong>Version ${to.version} waits for approval.</strong> ${running === null ? 'Its installations stand still meanwhile.' : `${running} runs on as it was granted.`}</p>
<ul class="diff">${diff.map((line) => html`<li class="${DIFF_TONES[line.slice(0, 1)] ?? ''}">${line}</li>`)}</ul>
${sources === null ? null : html`<details><summary>What changed in its sources: ${sources.files.length === 0 ? 'nothing but how they are bundled' : sources.files.map(({ path, added, removed }) => `${path} +${added} −${removed}`).join(', ')}</summary>${code(sources.diff)}${sources.whole ? null : html`<p>Files or lines were left out.</p>`}</details>`}
<p class="soft">Granted was ${from.version}. A yes is to exactly these files, <code>${(to.hash ?? 'which cannot be bundled').slice(0, 16)}</code>.</p>
${to.hash === null || !visit.may('admin') ? null : html`<form method="post" action="${pluginPath(id)}/approve">${hidden({ hash: to.hash })}<div class="buttons"><button>Approve ${to.version}</button></div></form>`}</div>`
}

const DIFF_TONES: Readonly<Record<string, string>> = { '+': 'added', '-': 'gone', '!': 'files' }

async function approve(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  await visit.api.send('POST', `/api/v2/plugins/${segment(id)}/approve`, { hash: visit.form.get('hash') ?? '' })
  return { redirect: pluginPath(id), flash: 'Approved: what was shown runs now.' }
}
