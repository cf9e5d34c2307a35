/** API keys: made, shown once, and revoked after seeing what stops with them. */
import { html } from '../../html.ts'
import { SCOPES } from '../../model.ts'
import { ApiProblem, segment, withQuery } from '../api.ts'
import type { Page } from '../api.ts'
import { chip } from '../parts/chip.ts'
import { confirm } from '../parts/confirm.ts'
import { code, mono, notice } from '../parts/facts.ts'
import { list } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { counted, time } from '../parts/time.ts'
import type { Answer, Screen, View, Visit } from '../visit.ts'

export const keyScreens: readonly Screen[] = [
  { method: 'GET', path: '/keys', nav: 'keys', answer: all },
  {
    method: 'GET',
    path: '/keys/new',
    nav: 'keys',
    scope: 'admin',
    answer: async () => ({ view: newKey(null, new URLSearchParams()) }),
  },
  { method: 'POST', path: '/keys/new', nav: 'keys', answer: make },
  { method: 'GET', path: '/keys/{id}/revoke', nav: 'keys', answer: askRevoke },
  { method: 'POST', path: '/keys/{id}/revoke', nav: 'keys', answer: revoke },
]

interface KeyItem {
  readonly id: string
  readonly name: string
  readonly prefix: string
  readonly scopes: readonly string[]
  readonly created_at: string
  readonly expires_at: string | null
  readonly last_used_at: string | null
  readonly revoked_at: string | null
}

function stateOf(key: KeyItem, nowMs: number): string {
  if (key.revoked_at !== null) return 'revoked'
  return key.expires_at !== null && Date.parse(key.expires_at) <= nowMs ? 'expired' : 'in force'
}

const columns = (nowMs: number): readonly Column<KeyItem>[] => [
  {
    label: 'State',
    cell: (key) => chip(stateOf(key, nowMs), stateOf(key, nowMs) === 'in force' ? 'good' : 'calm'),
    csv: (key) => stateOf(key, nowMs),
  },
  { label: 'Name', cell: ({ name }) => html`<strong>${name}</strong>`, csv: ({ name }) => name },
  { label: 'Key', cell: ({ prefix }) => mono(`${prefix}…`), csv: ({ prefix }) => prefix },
  {
    label: 'May',
    cell: ({ scopes }) => html`<span class="soft">${scopes.join(', ')}</span>`,
    csv: ({ scopes }) => scopes.join(' '),
  },
  { label: 'Last used', cell: ({ last_used_at: at }) => time(at, nowMs), csv: ({ last_used_at: at }) => at },
  { label: 'Created', cell: ({ created_at: at }) => time(at, nowMs), csv: ({ created_at: at }) => at },
  { label: 'Ends', cell: ({ expires_at: at }) => time(at, nowMs), csv: ({ expires_at: at }) => at },
  {
    label: '',
    cell: (key) =>
      stateOf(key, nowMs) === 'in force'
        ? html`<span class="acts"><a class="button plain" href="/keys/${segment(key.id)}/revoke">Revoke…</a></span>`
        : null,
  },
]

function all(visit: Visit): Promise<Answer> {
  return list<KeyItem>(visit, {
    title: 'API keys',
    name: 'keys',
    columns: columns(Date.now()),
    filters: [],
    load: async () => visit.api.get<Page<KeyItem>>('/api/v2/keys'),
    actions: html`<a class="button" href="/keys/new">New key</a>`,
    empty: () =>
      html`<p>There is no key yet.</p><p class="soft">A key lets a website, a script or another program in, with just the scopes it needs.</p>`,
  })
}

/** What each scope is good for. */
const SCOPE_WORDS: Readonly<Record<(typeof SCOPES)[number], string>> = {
  'forms:read': 'see forms',
  'forms:write': 'make, change and delete forms',
  'responses:read': 'see answers',
  'responses:write': 'send answers, write notes, delete responses',
  'analytics:read': 'see numbers, not answers',
  'deliveries:write': 'see deliveries, replay and delete them',
  'hooks:write': 'subscribe to events (Zapier, Make, n8n)',
  admin: 'everything, and what only admins may',
}

const LIVES = [
  ['', 'when it is revoked'],
  ['30', 'after 30 days'],
  ['90', 'after 90 days'],
  ['365', 'after a year'],
] as const

const newKey = (problem: string | null, typed: URLSearchParams): View => ({
  title: 'New key',
  trail: [{ label: 'API keys', href: '/keys' }],
  status: problem === null ? 200 : 422,
  body: html`${problem === null ? null : html`<div class="notice bad" role="alert"><p>${problem}</p></div>`}
<form method="post" class="stack narrow">
<div class="field"><label for="name">Name</label><input id="name" name="name" value="${typed.get('name') ?? ''}" required maxlength="100" aria-describedby="name-hint" autocomplete="off"><p class="hint" id="name-hint">What it is for, so that you know later.</p></div>
<fieldset class="field scopes"><legend>It may</legend>${SCOPES.map((scope) => html`<label><input type="checkbox" name="scope" value="${scope}"${typed.getAll('scope').includes(scope) ? html` checked` : null}> <code>${scope}</code> <span class="soft">${SCOPE_WORDS[scope]}</span></label>`)}</fieldset>
<div class="field"><label for="days">It ends</label><select id="days" name="days">${LIVES.map(([days, label]) => html`<option value="${days}"${days === typed.get('days') ? html` selected` : null}>${label}</option>`)}</select></div>
<div class="buttons"><button>Make key</button><a class="button quiet" href="/keys">Cancel</a></div>
</form>`,
})

const DAY_MS = 86_400_000

async function make(visit: Visit): Promise<Answer> {
  const scopes = visit.form.getAll('scope')
  if (scopes.length === 0) return { view: newKey('Choose at least one thing it may.', visit.form) }
  const days = Number(visit.form.get('days') ?? '')
  const expires = days > 0 ? new Date(Date.now() + days * DAY_MS).toISOString() : null
  try {
    const made = await visit.api.send<KeyItem & { key: string }>('POST', '/api/v2/keys', {
      name: visit.form.get('name') ?? '',
      scopes,
      expires_at: expires,
    })
    return {
      view: {
        title: made.name,
        trail: [{ label: 'API keys', href: '/keys' }],
        body: html`${notice('good', html`<p><strong>Copy it now.</strong> It is shown this once; the hub keeps only its hash.</p>`)}${code(made.key)}
<p class="soft">It may ${made.scopes.join(', ')}. Send it as <code>Authorization: Bearer …</code></p><p><a class="button quiet" href="/keys">Done</a></p>`,
      },
    }
  } catch (error) {
    if (error instanceof ApiProblem && error.status < 500)
      return {
        view: newKey(error.whole, visit.form),
      }
    throw error
  }
}

async function askRevoke(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const { name, hooks } = await visit.api.get<KeyItem & { readonly hooks: number }>(`/api/v2/keys/${segment(id)}`)
  return {
    view: confirm({
      title: 'Revoke a key',
      trail: [{ label: 'API keys', href: '/keys' }],
      says: html`<p class="lead">The key <strong>${name}</strong> stops counting at once, and sessions that were opened with it end.</p>${hooks === 0 ? null : notice('warn', html`<p><strong>${counted(hooks, 'hook uses', 'hooks use')} it and ${hooks === 1 ? 'stops' : 'stop'}</strong> until connected with another key (Zapier, Make, n8n). <a href="${withQuery('/hooks', { key: id })}">See them</a></p>`)}`,
      action: `/keys/${segment(id)}/revoke`,
      fields: {},
      button: 'Revoke',
      isDanger: true,
      back: '/keys',
    }),
  }
}

async function revoke(visit: Visit): Promise<Answer> {
  await visit.api.send('DELETE', `/api/v2/keys/${segment(visit.param('id'))}?force=true`)
  return { redirect: '/keys', flash: 'The key is revoked.' }
}
