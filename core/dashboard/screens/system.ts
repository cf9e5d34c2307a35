/** System: how the hub itself is, which file it runs, and its processes. */
import { html } from '../../html.ts'
import { chip } from '../parts/chip.ts'
import { mono, section } from '../parts/facts.ts'
import { table } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { openPieces } from '../parts/pieces.ts'
import { readinessNotice, readinessOf } from '../parts/readiness.ts'
import { stoppedHooks } from '../parts/stopped-hooks.ts'
import { span } from '../parts/time.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { ConfigStatus, Readiness } from '../wire.ts'
import { configSummary } from './config.ts'
import { partsSection } from './system-parts.ts'
import type { SystemParts } from './system-parts.ts'

export const systemScreens: readonly Screen[] = [{ method: 'GET', path: '/system', nav: 'system', answer: system }]

interface ProcessItem {
  readonly id: string
  readonly role: string
  readonly version: string
  readonly url: string | null
  readonly asked: boolean
  readonly silent_ms: number
  readonly config: string
  readonly installations: readonly string[]
}

async function system(visit: Visit): Promise<Answer> {
  const nowMs = Date.now()
  const { api, may, me } = visit
  const pieces = openPieces()
  const seesAll = may('admin') && me.workspace === 'default'
  const [ready, config, processes, hooks, parts] = await Promise.all([
    pieces.take('Health', readinessOf(api)),
    pieces.take('Configuration', api.get<ConfigStatus>('/api/v2/config')),
    pieces.take('Processes', api.get<{ items: readonly ProcessItem[] }>('/api/v2/processes')),
    may('hooks:write') ? pieces.take('Hooks', stoppedHooks(api)) : null,
    seesAll ? pieces.take('This process', api.get<SystemParts>('/api/v2/system')) : null,
  ])
  return {
    view: {
      title: 'System',
      body: html`${pieces.missing()}${hooks}${ready === null ? null : section('Health', html`${readinessNotice(ready)}${table(CHECKS, ready.checks)}`)}
${config === null ? null : section('Configuration', configSummary(config, nowMs), html`<a href="/config">Setting by setting</a>`)}
${processes === null || processes.items.length === 0 ? null : section('Processes', table(processColumns(processes.items), processes.items))}
${parts === null ? null : partsSection(parts)}
${section('More', html`<ul><li><a href="/docs">API reference</a></li><li><a href="/readyz">Readiness</a> as JSON</li><li><code>manifold doctor</code> looks for what is wrong on the machine itself</li><li><code>manifold db backup</code> copies the database while it runs</li></ul>`)}`,
    },
  }
}

const CHECKS: readonly Column<Readiness['checks'][number]>[] = [
  { label: 'State', cell: ({ ok }) => chip(ok ? 'ok' : 'failed') },
  { label: 'Part', cell: ({ name }) => name },
  { label: 'Detail', cell: ({ detail }) => detail ?? html`<span class="none">–</span>` },
]

const processColumns = (all: readonly ProcessItem[]): readonly Column<ProcessItem>[] => {
  const config = all.find(({ asked }) => asked)?.config
  return [
    {
      label: 'Process',
      cell: ({ id, asked }) => html`${mono(id.slice(-6))}${asked ? html` <span class="soft">this one</span>` : null}`,
    },
    { label: 'Role', cell: ({ role }) => role },
    { label: 'At', cell: ({ url }) => url ?? '–' },
    { label: 'Version', cell: ({ version }) => version },
    { label: 'Heard of', cell: ({ silent_ms: ms }) => `${span(ms)} ago` },
    { label: 'Configuration', cell: (row) => (row.config === config ? 'the same' : chip('another', 'warn')) },
    { label: 'Runs', cell: ({ installations }) => html`<span class="clip">${installations.join(', ')}</span>` },
  ]
}
