/** Hooks: who outside is sent what (Zapier, Make, n8n, a script), how that goes, and ending one. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { segment } from '../api.ts'
import type { Page } from '../api.ts'
import { chip } from '../parts/chip.ts'
import { confirm } from '../parts/confirm.ts'
import { code, facts, mono, notice, section } from '../parts/facts.ts'
import { choices } from '../parts/filters.ts'
import type { Filter } from '../parts/filters.ts'
import { stoppedHooks } from '../parts/stopped-hooks.ts'
import { LIST_REFRESH_MS, list } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { time } from '../parts/time.ts'
import type { Answer, Screen, Visit } from '../visit.ts'

export const hookScreens: readonly Screen[] = [
  { method: 'GET', path: '/hooks', nav: 'hooks', answer: all },
  { method: 'GET', path: '/hooks/{id}', nav: 'hooks', answer: one },
  { method: 'GET', path: '/hooks/{id}/end', nav: 'hooks', answer: askEnd },
  { method: 'POST', path: '/hooks/{id}/end', nav: 'hooks', answer: end },
]

interface HookItem {
  readonly id: string
  readonly source: string
  readonly event: string
  readonly form_id: string | null
  readonly target_url: string
  readonly hub_url: string | null
  readonly key_id: string
  readonly key_name: string | null
  readonly meta: { readonly zap_id: string | null }
  readonly ended_at: string | null
  readonly state: 'active' | 'expired' | 'form_gone' | 'key_expired' | 'key_revoked' | 'unattended'
  readonly created_at: string
  readonly expires_at: string | null
  readonly last_success_at: string | null
  readonly last_failure_at: string | null
  readonly last_reason: string | null
}

interface Samples {
  readonly items: readonly unknown[]
  readonly made_up: boolean
}

const hookPath = (id: string): string => `/hooks/${segment(id)}`
const hookApi = (id: string): string => `/api/v2/hooks/${segment(id)}`

const ENDS: Readonly<Record<HookItem['state'], string | null>> = {
  active: null,
  expired: 'It has expired.',
  form_gone: 'Its form was deleted; a form that has the id later is another one.',
  key_expired: 'The key it was made with has expired.',
  key_revoked: 'The key it was made with is revoked.',
  unattended: 'No installation of manifold.yaml sends to hooks any more.',
}

const AGAIN: Partial<Readonly<Record<HookItem['state'], string>>> = {
  unattended: 'With one that does it goes on.',
  form_gone: 'Over there another form can be chosen.',
}

const FILTERS: readonly Filter[] = [
  { name: 'state', label: 'State', options: choices(['active', 'stopped']) },
  { name: 'source', label: 'From' },
  { name: 'event', label: 'Event' },
  { name: 'form', label: 'Form' },
  { name: 'key', label: 'Key', isQuiet: true },
]

/** So much of an id tells it from the others of a list. */
const SHORT_CHARS = 8
/** Of a Zap its own, as it stands in its address; of all others the end of the hub's, whose beginning is the time. */
const shortId = ({ id, meta }: HookItem): Html =>
  meta.zap_id === null
    ? html`<span class="soft" title="${id}">hook ${mono(`…${id.slice(-SHORT_CHARS)}`)}</span>`
    : html`<span class="soft" title="${id}">Zap ${mono(meta.zap_id)}</span>`

const columns = (nowMs: number): readonly Column<HookItem>[] => [
  {
    label: 'State',
    cell: ({ state, ended_at: at }) =>
      html`${chip(state, state === 'active' ? 'good' : 'bad')}${at === null ? null : html`<br><span class="soft">${time(at, nowMs)}</span>`}`,
    csv: ({ state }) => state,
  },
  {
    label: 'Hook',
    cell: (hook) =>
      html`<a href="${hookPath(hook.id)}"><strong>${hook.source}</strong></a> ${shortId(hook)}<br><span class="clip soft" title="${hook.target_url}">${hook.target_url}</span>`,
    csv: ({ id }) => id,
  },
  {
    label: 'Sent',
    cell: ({ event, form_id: form }) =>
      html`${mono(event)}<br><span class="clip soft">${form === null ? 'every form' : `form ${form}`}</span>`,
    csv: ({ event }) => event,
  },
  {
    label: 'Made',
    cell: ({ created_at: at, key_name: name }) =>
      html`${time(at, nowMs)}${name === null ? null : html`<br><span class="clip soft" title="${name}">with ${name}</span>`}`,
    csv: ({ created_at: at }) => at,
  },
  { label: 'Last success', cell: ({ last_success_at: at }) => time(at, nowMs), csv: ({ last_success_at: at }) => at },
  {
    label: 'Last failure, or why it ended',
    cell: ({ last_failure_at: at, last_reason: reason, state }) =>
      html`${state === 'active' ? time(at, nowMs) : null}${reason === null ? null : html` <span class="clip error" title="${reason}">${reason}</span>`}`,
    csv: ({ last_reason: reason }) => reason,
  },
]

const CSV_ONLY: readonly Column<HookItem>[] = [
  ...(['source', 'form_id', 'target_url', 'key_id', 'key_name', 'ended_at', 'last_failure_at'] as const).map(
    (name) => ({
      label: name,
      cell: () => null,
      csv: (hook: HookItem) => hook[name],
    }),
  ),
  { label: 'zap_id', cell: () => null, csv: ({ meta }) => meta.zap_id },
]

async function all(visit: Visit): Promise<Answer> {
  const stopped = visit.query('state') === undefined ? await stoppedHooks(visit.api) : null
  return await list<HookItem>(visit, {
    title: 'Hooks',
    name: 'hooks',
    columns: visit.query('format') === 'csv' ? [...columns(Date.now()), ...CSV_ONLY] : columns(Date.now()),
    filters: FILTERS,
    ...(stopped === null ? {} : { before: stopped }),
    follows: { type: 'form.*,alert.*' },
    refreshMs: LIST_REFRESH_MS,
    load: (query) => visit.api.get<Page<HookItem>>('/api/v2/hooks', query),
    empty: (isFiltered) =>
      isFiltered
        ? html`<p>No hook is like that.</p>`
        : html`<p>Nobody asks for events yet.</p><p class="soft">Connect Zapier, Make or n8n with an API key: each subscription shows up here by itself.</p>`,
  })
}

async function one(visit: Visit): Promise<Answer> {
  const nowMs = Date.now()
  const hook = await visit.api.get<HookItem>(hookApi(visit.param('id')))
  const sample = await visit.api
    .get<Samples>('/api/v2/hooks/sample', { event: hook.event, form: hook.form_id, hub_url: hook.hub_url, limit: 1 })
    .catch(() => null)
  return {
    view: {
      title: `${hook.source}: ${hook.event}`,
      trail: [{ label: 'Hooks', href: '/hooks' }],
      actions: html`<a class="button quiet" href="${hookPath(hook.id)}/end">End…</a>`,
      body: html`${hook.state === 'active' ? null : notice('warn', html`<p><strong>Nothing is sent to it.</strong> ${ENDS[hook.state]} ${AGAIN[hook.state] ?? 'Subscribing again with a key in force brings it back.'}</p>`)}
${facts([
  ['State', chip(hook.state, hook.state === 'active' ? 'good' : 'bad')],
  ['To', hook.target_url],
  ['Form', hook.form_id ?? 'every form'],
  ['Zap', hook.meta.zap_id === null ? null : mono(hook.meta.zap_id)],
  ['Made with', html`${hook.key_name ?? 'a token'} <span class="soft">${mono(hook.key_id)}</span>`],
  ['Created', time(hook.created_at, nowMs)],
  ['Ended', hook.ended_at === null ? null : time(hook.ended_at, nowMs)],
  ['Expires', hook.expires_at === null ? null : time(hook.expires_at, nowMs)],
  ['Last success', time(hook.last_success_at, nowMs)],
  [
    'Last failure',
    hook.last_failure_at === null ? null : html`${time(hook.last_failure_at, nowMs)} ${hook.last_reason}`,
  ],
  ['Id', mono(hook.id)],
])}
${sample === null || sample.items.length === 0 ? null : section(sample.made_up ? 'What it will be sent (an example: nothing of the kind has happened yet)' : 'What it is sent', code(JSON.stringify(sample.items[0], null, 2)))}`,
    },
  }
}

async function askEnd(visit: Visit): Promise<Answer> {
  const hook = await visit.api.get<HookItem>(hookApi(visit.param('id')))
  return {
    view: confirm({
      title: 'End a hook',
      trail: [{ label: 'Hooks', href: '/hooks' }],
      says: html`<p class="lead"><strong>${hook.source}</strong> will not be sent <code>${hook.event}</code> any more.</p><p class="soft">It is not told: it has to be connected again over there.</p>`,
      action: `${hookPath(hook.id)}/end`,
      fields: {},
      button: 'End it',
      isDanger: true,
      back: hookPath(hook.id),
    }),
  }
}

async function end(visit: Visit): Promise<Answer> {
  await visit.api.send('DELETE', hookApi(visit.param('id')))
  return { redirect: '/hooks', flash: 'The hook is ended.' }
}
