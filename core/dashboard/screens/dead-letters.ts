/** Dead letters by what they died of, the most first; replaying or deleting many after their count was seen. */
import { html } from '../../html.ts'
import { DEAD_REASONS } from '../../model.ts'
import { withQuery } from '../api.ts'
import { formChoices, installationChoices } from '../choices.ts'
import { chip } from '../parts/chip.ts'
import { mono } from '../parts/facts.ts'
import { choices, TIME_FILTERS } from '../parts/filters.ts'
import type { Filter } from '../parts/filters.ts'
import { LIST_REFRESH_MS, list } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { counted, number, time } from '../parts/time.ts'
import { heldBack } from '../parts/waits.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { DeadGroupRow, DeadGroups } from '../wire.ts'
import { bulkScreens } from './bulk.ts'
import type { Asked, Bulk, Stepped } from './bulk.ts'
import { deliveryPath } from './deliveries.ts'

export const deadLetterScreens: readonly Screen[] = [
  { method: 'GET', path: '/dead-letters', nav: 'dead-letters', answer: groups },
  ...bulkScreens({ path: '/dead-letters/replay', nav: 'dead-letters' }, () => REPLAY),
  ...bulkScreens({ path: '/dead-letters/discard', nav: 'dead-letters' }, () => DISCARD),
]

async function filtersOf(visit: Visit): Promise<readonly Filter[]> {
  const [forms, installations] = await Promise.all([formChoices(visit), installationChoices(visit)])
  return [
    { name: 'installation', label: 'Installation', options: installations },
    { name: 'form', label: 'Form', options: forms },
    { name: 'reason', label: 'Why', options: choices(DEAD_REASONS) },
    { name: 'code', label: 'Error code' },
    ...TIME_FILTERS,
  ]
}

const columns = (nowMs: number): readonly Column<DeadGroupRow>[] => [
  {
    label: 'Count',
    align: 'end',
    cell: ({ count }) => html`<strong>${number(count)}</strong>`,
    csv: ({ count }) => count,
  },
  {
    label: 'Cause',
    cell: ({ message, example, cause, code, reason }) =>
      html`<a class="clip" href="${withQuery('/deliveries', { state: 'dead', cause })}">${example.error ?? message}</a><span class="soft">${mono(code ?? reason ?? 'unknown')}</span>`,
    csv: ({ message }) => message,
  },
  { label: 'Installation', cell: ({ installation }) => installation, csv: ({ installation }) => installation },
  { label: 'Why', cell: ({ reason }) => chip(reason ?? 'unknown', 'bad'), csv: ({ reason }) => reason },
  { label: 'First', cell: ({ first_at: at }) => time(at, nowMs), csv: ({ first_at: at }) => at },
  {
    label: 'Last',
    cell: ({ last_at: at, example }) => html`<a href="${deliveryPath(example.id)}">${time(at, nowMs)}</a>`,
    csv: ({ last_at: at }) => at,
  },
  {
    label: '',
    cell: ({ cause }) =>
      html`<span class="acts"><a class="button quiet" href="${withQuery('/dead-letters/replay', { cause })}">Replay…</a><a class="button plain" href="${withQuery('/dead-letters/discard', { cause })}">Delete…</a></span>`,
  },
]

async function groups(visit: Visit): Promise<Answer> {
  let found: DeadGroups = { items: [], whole: true }
  const filters = await filtersOf(visit)
  const asked = Object.fromEntries(filters.map(({ name }) => [name, visit.query(name)]))
  const bulk = html`<a class="button quiet" href="${withQuery('/dead-letters/replay', asked)}">Replay all of these…</a>`
  return list<DeadGroupRow>(visit, {
    title: 'Dead letters',
    name: 'dead-letters',
    columns: columns(Date.now()),
    filters,
    load: async ({ limit: _limit, cursor: _cursor, ...query }) => {
      found = await visit.api.get<DeadGroups>('/api/v2/dead-letters/groups', query)
      return { items: found.items, next_cursor: null }
    },
    bulk,
    follows: { type: 'delivery.dead' },
    refreshMs: LIST_REFRESH_MS,
    above: ({ items }) =>
      items.length === 0
        ? null
        : html`<p class="soft">${counted(total(items), 'delivery', 'deliveries')} with ${counted(items.length, 'cause', 'causes')}${found.whole ? '' : '; there are more than this shows: narrow it down by time'}.</p>`,
    empty: (isFiltered) =>
      isFiltered
        ? html`<p>No dead letter is like that.</p>`
        : html`<p>Nothing is dead.</p><p class="soft">A delivery that failed for good, or at every try, waits here until somebody replays or deletes it, or until a host that failed all of them works again.</p>`,
  })
}

const total = (items: readonly DeadGroupRow[]): number => items.reduce((sum, { count }) => sum + count, 0)

interface Done extends Stepped {
  readonly replayed?: number
  readonly discarded?: number
}

/** What replaying and deleting have in common. */
const OF_DEAD = {
  back: { label: 'Dead letters', href: '/dead-letters' },
  names: ['cause', 'installation', 'form', 'reason', 'code', 'since', 'until'],
  left: html`What was not done yet is among the <a href="/dead-letters">dead letters</a>.`,
  stepRows: 500,
  things: (count: number) => counted(count, 'delivery', 'deliveries'),
  bodyOf: (asked: Asked) => ({ ...asked, since: asked['since'] ?? '1970-01-01T00:00:00Z' }),
}

const REPLAY: Bulk<Done> = {
  ...OF_DEAD,
  path: '/dead-letters/replay',
  api: '/api/v2/replay',
  title: 'Replay dead letters',
  button: 'Replay',
  says: (count) =>
    html`<p class="lead"><strong>${count}</strong> will be sent again, oldest first, with the settings of today.</p><p class="soft">Each keeps its id, so a receiver can tell a repeat. What dies from now on is not among them.</p>`,
  done: (count) => `${count} due now.`,
  waits: (visit) => heldBack(visit, Date.now()),
  countOf: ({ replayed = 0 }) => replayed,
}

const DISCARD: Bulk<Done> = {
  ...OF_DEAD,
  path: '/dead-letters/discard',
  api: '/api/v2/deliveries/discard',
  title: 'Delete dead letters',
  button: 'Delete for good',
  isDanger: true,
  says: (count) =>
    html`<p class="lead"><strong>${count}</strong> will be deleted for good, with every attempt.</p><p class="soft">The responses stay. Nobody can replay these afterwards.</p>`,
  done: (count) => `${count} deleted.`,
  countOf: ({ discarded = 0 }) => discarded,
}
