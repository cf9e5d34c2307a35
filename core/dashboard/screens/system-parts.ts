/** The part of System that tells of one process: its memory, what waits in it, and the processes plugins run in. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { chip } from '../parts/chip.ts'
import { facts, mono, section } from '../parts/facts.ts'
import { table } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { counted, number, span } from '../parts/time.ts'
import { megabytes } from '../parts/usage.ts'

/** As `GET /api/v2/system` tells it. */
export interface SystemParts {
  readonly version: string
  readonly node: string
  readonly pid: number
  readonly uptime_seconds: number
  readonly rss_bytes: number
  readonly storage: {
    readonly bytes: number
    readonly wal_bytes: number
    readonly responses: number
    readonly events: number
  }
  readonly queue: readonly { readonly kind: string; readonly waiting: number }[]
  readonly behind: readonly { readonly installation: string; readonly events: number }[]
  readonly sandboxes: readonly {
    readonly for: string
    readonly children: readonly Child[]
    readonly restarts: number
    readonly kills: number
  }[]
}
interface Child {
  readonly group: string
  readonly pid: number
  readonly hardened: boolean
  readonly rss_bytes: number
  readonly isolates: number
}

/** What the process that answers is made of. */
export function partsSection(parts: SystemParts): Html {
  const children = parts.sandboxes.flatMap((sandbox) =>
    sandbox.children.map((child) => ({ ...child, use: sandbox.for })),
  )
  return html`${section(
    'This process',
    facts([
      ['Version', `${parts.version}, Node ${parts.node}, process ${parts.pid}`],
      ['Runs for', span(parts.uptime_seconds * 1_000)],
      ['Memory', html`${megabytes(parts.rss_bytes)} <span class="soft">without the processes below</span>`],
      ['Storage', `${megabytes(parts.storage.bytes)}, of that ${megabytes(parts.storage.wal_bytes)} in its journal`],
      [
        'Holds',
        `${counted(parts.storage.responses, 'response', 'responses')}, ${counted(parts.storage.events, 'event', 'events')}`,
      ],
    ]),
  )}
${section('Queues', html`${table(QUEUE, parts.queue)}${parts.behind.length === 0 ? html`<p class="soft">Every installation has read the whole log.</p>` : table(BEHIND, parts.behind)}`)}
${section('Plugin processes', html`${children.length === 0 ? html`<p class="soft">None now: one is started when a plugin has to run, and ends when it idles.</p>` : table(CHILDREN, children)}<p class="soft">${parts.sandboxes.map((each) => `${each.for}: ${number(each.restarts)} started again, ${number(each.kills)} of them ended by the hub`).join(' · ')}</p>`)}`
}

const QUEUE: readonly Column<SystemParts['queue'][number]>[] = [
  { label: 'Lanes that', cell: ({ kind }) => LANES[kind] ?? kind },
  { label: 'Waiting', cell: ({ waiting }) => number(waiting), align: 'end' },
]
const LANES: Readonly<Record<string, string>> = {
  pump: 'read the log for plugins',
  deliver: 'deliver',
  schedule: 'run schedules',
}

const BEHIND: readonly Column<SystemParts['behind'][number]>[] = [
  { label: 'Behind', cell: ({ installation }) => html`<a href="/installations/${installation}">${installation}</a>` },
  { label: 'Events', cell: ({ events }) => number(events), align: 'end' },
]

const CHILDREN: readonly Column<Child & { readonly use: string }>[] = [
  { label: 'Process', cell: ({ pid }) => mono(String(pid)) },
  { label: 'For', cell: ({ use }) => use },
  { label: 'Of', cell: ({ group }) => html`<span class="clip">${group}</span>` },
  { label: 'Isolates', cell: ({ isolates }) => number(isolates), align: 'end' },
  { label: 'Memory', cell: (row) => megabytes(row.rss_bytes), align: 'end' },
  { label: 'Kernel', cell: ({ hardened }) => (hardened ? chip('ok') : chip('not hardened', 'warn')) },
]
