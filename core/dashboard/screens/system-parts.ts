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
  readonly rss_bytes: number | null
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
      [
        'Storage',
        html`${megabytes(parts.storage.bytes)}${parts.storage.wal_bytes === 0 ? null : html` <span class="soft">and ${megabytes(parts.storage.wal_bytes)} of journal, which is used again</span>`}`,
      ],
      [
        'Holds',
        `${counted(parts.storage.responses, 'response', 'responses')}, ${counted(parts.storage.events, 'event', 'events')}`,
      ],
    ]),
  )}
${section('Waiting for its turn', html`<p class="soft about">Installations that have something to do and wait for a free moment of this process. A few are ordinary; numbers that only grow mean that it has more to do than it can.</p>${table(QUEUE, parts.queue)}${parts.behind.length === 0 ? html`<p class="soft below">Every installation has seen every event.</p>` : table(BEHIND, parts.behind)}`)}
${section('Plugin processes', html`<p class="soft about">Plugins run apart from the hub, so that none can reach its memory, files or secrets. Nothing is to be done here while few are started again.</p>${children.length === 0 ? html`<p class="soft">None now: one is started when a plugin has to run, and ends when it idles.</p>` : table(CHILDREN, children)}<p class="soft below">Started again: ${parts.sandboxes.map((each) => `${number(each.restarts)} of ${each.for}${each.kills === 0 ? '' : `, ${number(each.kills)} of them ended by the hub for a limit`}`).join(' · ')}. <strong>May compile</strong> is the quick way and the usual one; <code>sandbox: { hardened: [community] }</code> in <code>manifold.yaml</code> runs strangers' plugins without it, slower and safer.</p>`)}`
}

const QUEUE: readonly Column<SystemParts['queue'][number]>[] = [
  { label: 'To do', cell: ({ kind }) => LANES[kind] ?? kind },
  { label: 'Installations', cell: ({ waiting }) => number(waiting), align: 'end' },
]
const LANES: Readonly<Record<string, string>> = {
  pump: 'read the log for plugins',
  deliver: 'deliver',
  schedule: 'run schedules',
}

const BEHIND: readonly Column<SystemParts['behind'][number]>[] = [
  {
    label: 'Installation',
    cell: ({ installation }) => html`<a href="/installations/${installation}">${installation}</a>`,
  },
  { label: 'Events still to read', cell: ({ events }) => number(events), align: 'end' },
]

const CHILDREN: readonly Column<Child & { readonly use: string }>[] = [
  { label: 'Process', cell: ({ pid }) => mono(String(pid)) },
  { label: 'Runs', cell: ({ use }) => use },
  { label: 'Whose', cell: ({ group }) => html`<span class="clip" title="${group}">${WHOSE[group] ?? group}</span>` },
  { label: 'Plugins in it', cell: ({ isolates }) => number(isolates), align: 'end' },
  {
    label: 'Memory',
    cell: ({ rss_bytes: bytes }) => (bytes === null ? html`<span class="soft">not measured</span>` : megabytes(bytes)),
    align: 'end',
  },
  {
    label: 'Code',
    cell: ({ hardened }) => (hardened ? chip('hardened', 'good') : html`<span class="soft">may compile</span>`),
  },
]

/** Groups by what they are; all others are named after the one plugin or installation in them. */
const WHOSE: Readonly<Record<string, string>> = {
  builtin: 'the hub itself',
  community: 'others',
  native: 'the hub itself, with engines of its own',
}
