/** Config: each setting of the file with the line it comes from, as it runs and as it is on disk. Nothing is changed here. */
import { html } from '../../html.ts'
import type { Html, Part } from '../../html.ts'
import type { Page } from '../api.ts'
import { chip } from '../parts/chip.ts'
import { code, facts, mono, notice } from '../parts/facts.ts'
import { choices } from '../parts/filters.ts'
import type { Filter } from '../parts/filters.ts'
import { list } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { counted, time } from '../parts/time.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { ConfigProblem, ConfigSettings, ConfigStatus, SettingItem } from '../wire.ts'

export const configScreens: readonly Screen[] = [{ method: 'GET', path: '/config', nav: 'config', answer: all }]

const FILTERS: readonly Filter[] = [
  { name: 'text', label: 'Setting', type: 'search', placeholder: 'installations.crm' },
  { name: 'on_disk', label: 'On disk', options: choices(['same', 'changed', 'gone', 'new']) },
]

const DISK_WORDS = {
  same: html`<span class="soft">same</span>`,
  changed: chip('changed', 'warn'),
  gone: chip('gone', 'warn'),
  new: chip('new', 'warn'),
} as const

/** `manifold.yaml:12`, as editors take it. */
const lineOf = (file: string, { running, disk }: SettingItem): string =>
  `${fileName(file)}:${(running ?? disk)?.line ?? 1}`

const fileName = (file: string): string => file.split(/[/\\]/).at(-1) ?? file

const columns = (file: string): readonly Column<SettingItem>[] => [
  { label: 'Setting', cell: ({ name }) => mono(name), csv: ({ name }) => name },
  {
    label: 'Runs',
    cell: ({ running }) => valueOf(running),
    csv: ({ running }) => (running === null ? null : JSON.stringify(running.value)),
  },
  { label: 'Line', cell: (item) => mono(lineOf(file, item)), csv: (item) => lineOf(file, item) },
  {
    label: 'On disk',
    cell: ({ on_disk: state, disk }) =>
      html`${DISK_WORDS[state]}${state === 'same' || disk === null ? null : html` ${valueOf(disk)} <span class="soft">line ${disk.line}</span>`}`,
    csv: ({ on_disk: state }) => state,
  },
]

function valueOf(spot: SettingItem['running']): Html {
  if (spot === null) return html`<span class="none">–</span>`
  const { value } = spot
  return html`<span class="clip">${mono(typeof value === 'string' ? value : JSON.stringify(value))}</span>`
}

const REFRESH_MS = 5_000
/** Somebody who has just saved the file looks on. */
const TAKEN_OVER_MS = 1_500

async function all(visit: Visit): Promise<Answer> {
  const [status, settings] = await Promise.all([
    visit.api.get<ConfigStatus>('/api/v2/config'),
    visit.api.get<ConfigSettings>('/api/v2/config/settings'),
  ])
  const wanted = ({ name, on_disk: state }: SettingItem): boolean =>
    name.includes(visit.query('text') ?? '') && state === (visit.query('on_disk') ?? state)
  return list<SettingItem>(visit, {
    title: 'Config',
    name: 'config',
    before: html`<div class="config">${configSummary(status, Date.now())}${settings.readable ? null : notice('bad', html`<p>The file on disk is no YAML, so there is nothing to compare with.</p>`)}</div>`,
    columns: columns(settings.file ?? ''),
    filters: FILTERS,
    refreshMs: status.in_step ? REFRESH_MS : TAKEN_OVER_MS,
    load: async (): Promise<Page<SettingItem>> => ({ items: settings.items.filter(wanted), next_cursor: null }),
    empty: (isFiltered) =>
      isFiltered
        ? html`<p>No setting is like that.</p>`
        : html`<p>The hub runs without a file, on what is built in.</p><p class="soft"><code>manifold init</code> writes a commented <code>manifold.yaml</code>.</p>`,
  })
}

/** That what was saved is not what runs, and what runs instead; null: it runs. A plugin's own files may be what cannot. */
export function configNotice({
  in_step: inStep,
  problems,
  needs_start: needsStart,
  loaded_at: at,
}: ConfigStatus): Html | null {
  if (inStep && problems.length === 0) return null
  if (needsStart)
    return notice(
      'warn',
      html`<p><strong>The file on disk runs, but for what only a start puts to work.</strong> Start the hub again when it suits.</p>`,
    )
  return problems.length === 0
    ? notice('warn', html`<p><strong>The file on disk is not what runs.</strong> It is taken over in a moment.</p>`)
    : notice(
        'bad',
        html`<p><strong>${inStep ? 'A plugin on disk is not what runs' : 'The file on disk is not what runs'}.</strong> It was not taken over: ${counted(problems.length, 'place asks', 'places ask')} for a look. The last good configuration, of ${time(at, Date.now())}, keeps running, and a mended file is taken over as it is saved.</p>`,
      )
}

/** `manifold.yaml:12:5`, as editors take it. */
export const placeIn = ({ file, line, column }: ConfigProblem): string => `${fileName(file)}:${line}:${column}`

/** The file that runs beside the one on disk, and each place in it that asks for a look. */
export function configSummary(config: ConfigStatus, nowMs: number): Html {
  return html`${configNotice(config)}
${facts([
  ['File', config.file === null ? 'none: the hub runs on what is built in' : mono(config.file)],
  ['Loaded', time(config.loaded_at, nowMs)],
  ['On disk', config.in_step ? chip('the same', 'good') : chip('differs', 'warn')],
  ['Checksum', mono(config.running_checksum.slice(0, 16))],
])}
${places('Mistakes', config.problems, 'error')}${places('Worth a look', config.warnings, 'warning')}`
}

const places = (title: string, problems: readonly ConfigProblem[], level: string): Html | null =>
  problems.length === 0
    ? null
    : html`<h3 class="gap">${title}: ${counted(problems.length, 'place', 'places')}</h3><ul class="log">${problems.map(({ file, line, column, path, message, hint }) => html`<li>${chip(level)} <code>${file}:${line}:${column}</code> <span class="soft">${path}</span> ${message}${hint === null ? null : html`<br><span class="soft">${hint}</span>`}</li>`)}</ul>`

/** Where the file begins to speak of it: `manifold.yaml:12`. */
export const managedAt = ({ file, items: [first] }: ConfigSettings): string =>
  first === undefined || file === null ? 'manifold.yaml' : lineOf(file, first)

/** Where something that no page changes is changed, and the piece of the file to take along. `typed`: as `typedOf` has it. */
export function managedByFile(typed: ConfigSettings | null): Html {
  if (typed === null)
    return notice(
      'info',
      html`<p>It is part of the hub's configuration, and is changed there by whoever runs the hub.</p>`,
    )
  const { file, yaml } = typed
  return notice(
    'info',
    html`${file === null ? html`<p>Built into what this hub was started with, as the demo is: there is no file to change it in.</p>` : html`<p>Managed by ${mono(managedAt(typed))}: it is changed there, and taken over as it is saved.</p>`}
${yaml === null ? null : html`<details class="more"><summary>Copy as YAML</summary>${code(yaml)}</details>`}`,
  )
}

/** What the file says of one installation or form; null: whoever looks may not see the file. */
export const typedOf = async (
  visit: Visit,
  of: { readonly installation: string } | { readonly form: string },
): Promise<ConfigSettings | null> =>
  visit.may('admin') ? await visit.api.get<ConfigSettings>('/api/v2/config/settings', of) : null

/** Each setting with its line. */
export const typedLines = ({ file, items }: ConfigSettings, prefix: string): Part =>
  items.length === 0 || file === null
    ? null
    : html`<dl class="answers typed">${items.map((item) => html`<div><dt>${item.name.startsWith(prefix) ? item.name.slice(prefix.length) : item.name}</dt><dd>${valueOf(item.running ?? item.disk)} <span class="soft line">${lineOf(file, item)}</span></dd></div>`)}</dl>`
