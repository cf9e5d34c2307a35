/** Links that show a form's numbers, or the answer to a saved question, to whoever has them. */
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { segment } from '../../api.ts'
import { act } from '../../parts/confirm.ts'
import { section } from '../../parts/facts.ts'
import { table } from '../../parts/list.ts'
import { number, time } from '../../parts/time.ts'
import type { Answer, Screen, Visit } from '../../visit.ts'
import { API, asked, metricsPath } from './asking.ts'
import { savedPath } from './keeping.ts'

export interface Share {
  readonly id: string
  readonly form_id: string | null
  readonly saved_id: string | null
  readonly created_at: string
  readonly expires_at: string | null
  readonly views: number
}

/** What links are about: where they are listed, and how the API is told. */
interface Shared {
  readonly path: string
  readonly nav: string
  readonly back: (id: string) => string
  readonly of: (id: string) => object
}

const SHARED: readonly Shared[] = [
  { path: '/analytics/forms/{id}', nav: 'analytics', back: metricsPath, of: (id) => ({ form_id: id }) },
  {
    path: '/analytics/saved/{id}',
    nav: 'saved',
    back: (id) => `${savedPath(id)}/edit`,
    of: (id) => ({ saved_id: id }),
  },
]

export const shareScreens: readonly Screen[] = SHARED.flatMap((shared): readonly Screen[] => [
  { method: 'POST', path: `${shared.path}/shares`, nav: shared.nav, answer: (visit) => share(visit, shared) },
  { method: 'POST', path: `${shared.path}/shares/end`, nav: shared.nav, answer: (visit) => unshare(visit, shared) },
])

/** Those that are about something; null for a key that may not make any. */
export async function sharesOf(
  { api, may }: Visit,
  isAbout: (share: Share) => boolean,
): Promise<readonly Share[] | null> {
  if (!may('forms:write')) return null
  return (await api.get<{ items: readonly Share[] }>(`${API}/shares`)).items.filter(isAbout)
}

const LIVES = [
  { value: '7d', label: '7 days' },
  { value: '30d', label: '30 days' },
  { value: '90d', label: '90 days' },
  { value: 'never', label: 'ever' },
]

/** Links, and a form for another. `path`: where they are made. */
export function shareList(path: string, shares: readonly Share[], says: string): Html {
  const nowMs = Date.now()
  const list = table(
    [
      { label: 'Made', cell: (link) => time(link.created_at, nowMs) },
      { label: 'Ends', cell: (link) => (link.expires_at === null ? 'never' : time(link.expires_at, nowMs)) },
      { label: 'Opened', align: 'end', cell: (link) => number(link.views) },
      { label: '', cell: (link) => act(`${path}/end`, 'End', { fields: { share: link.id } }) },
    ],
    shares,
  )
  return section(
    'Links for others',
    html`<p class="soft">${says}</p>
${shares.length === 0 ? null : list}
<form method="post" action="${path}" class="filters add">
<div class="filter"><label for="share-expires">For</label><select id="share-expires" name="expires">${LIVES.map(({ value, label }) => html`<option value="${value}">${label}</option>`)}</select></div>
<div class="buttons"><button class="quiet">Make a link</button></div></form>`,
  )
}

async function share(visit: Visit, { back, of }: Shared): Promise<Answer> {
  const id = visit.param('id')
  const made = await asked(() =>
    visit.api.send<{ path: string }>('POST', `${API}/shares`, { ...of(id), expires: visit.form.get('expires') }),
  )
  const trail = [{ label: 'Back', href: back(id) }]
  if (made.body === null) return { view: { title: 'No link was made', trail, body: made.problem } }
  const link = `${visit.header('origin') ?? ''}${made.body.path}`
  return {
    view: {
      title: 'A link for others',
      trail,
      body: html`<div class="confirm"><p class="lead"><a href="${made.body.path}"><code>${link}</code></a></p>
<p class="soft">Copy it now: the hub keeps only a digest of it and cannot show it again.</p>
<p><a class="button quiet" href="${back(id)}">Back</a></p></div>`,
    },
  }
}

async function unshare(visit: Visit, { back }: Shared): Promise<Answer> {
  await visit.api.send('DELETE', `${API}/shares/${segment(visit.form.get('share') ?? '')}`)
  return { redirect: back(visit.param('id')), flash: 'The link is no longer valid.' }
}
