/** Questions that are kept under a name: listed, opened, renamed, annotated, shown to others by link, deleted. */
import { html } from '../../../html.ts'
import { withCharts } from '../../charts/chart.ts'
import { jsonOr, segment, withQuery } from '../../api.ts'
import { chip } from '../../parts/chip.ts'
import { confirm } from '../../parts/confirm.ts'
import { notice } from '../../parts/facts.ts'
import { table } from '../../parts/list.ts'
import { time } from '../../parts/time.ts'
import type { Answer, Screen, Visit } from '../../visit.ts'
import { API, asked, installed, sent } from './asking.ts'
import { BUILDERS, savedById, savedPath } from './keeping.ts'
import type { Kind, Saved } from './keeping.ts'
import { pictureOf } from './picture.ts'
import { shareList, sharesOf } from './shares.ts'

const NAV = 'saved'
const TRAIL = [{ label: 'Saved', href: '/analytics/saved' }]

export const savedScreens: readonly Screen[] = [
  { method: 'GET', path: '/analytics/saved', nav: NAV, answer: installed('Saved', all) },
  { method: 'POST', path: '/analytics/saved', nav: NAV, answer: save },
  { method: 'GET', path: '/analytics/saved/{id}', nav: NAV, answer: open },
  { method: 'GET', path: '/analytics/saved/{id}/edit', nav: NAV, scope: 'forms:write', answer: edit },
  { method: 'POST', path: '/analytics/saved/{id}/edit', nav: NAV, answer: change },
  { method: 'POST', path: '/analytics/saved/{id}/question', nav: NAV, answer: changeQuestion },
  { method: 'GET', path: '/analytics/saved/{id}/delete', nav: NAV, scope: 'forms:write', answer: askDelete },
  { method: 'POST', path: '/analytics/saved/{id}/delete', nav: NAV, answer: remove },
]

interface Line {
  readonly id: string
  readonly name: string
  readonly kind: Saved['kind']
  readonly created_at: string
}

async function all(visit: Visit): Promise<Answer> {
  const nowMs = Date.now()
  const { items } = await visit.api.get<{ items: readonly Line[] }>(`${API}/saved`)
  const mayWrite = visit.may('forms:write')
  return {
    view: {
      title: 'Saved',
      body:
        items.length === 0
          ? html`<div class="empty"><p>Nothing is saved yet.</p><p class="soft">Ask a <a href="/analytics/question">question</a> or build a <a href="/analytics/funnel">funnel</a>; below each answer it can be kept under a name, annotated, and shown to others.</p></div>`
          : table<Line>(
              [
                {
                  label: 'Name',
                  cell: ({ id, name }) => html`<a href="${savedPath(id)}"><strong>${name}</strong></a>`,
                },
                { label: 'Kind', cell: ({ kind }) => chip(kind === 'query' ? 'question' : kind) },
                { label: 'Saved', cell: (line) => time(line.created_at, nowMs) },
                {
                  label: '',
                  cell: ({ id }) =>
                    mayWrite
                      ? html`<span class="acts"><a class="button quiet" href="${savedPath(id)}/edit">Edit</a><a class="button plain" href="${savedPath(id)}/delete">Delete…</a></span>`
                      : null,
                },
              ],
              items,
            ),
    },
  }
}

/** A builder sent it. */
async function save(visit: Visit): Promise<Answer> {
  const { form } = visit
  const made = await asked(() =>
    visit.api.send<Saved>('POST', `${API}/saved`, {
      name: form.get('name') ?? '',
      kind: form.get('kind') ?? '',
      ...questionIn(form),
    }),
  )
  if (made.body === null) return { view: { title: 'Not saved', trail: TRAIL, body: made.problem } }
  return {
    redirect: savedPath(made.body.id),
    flash: 'Saved. The address is the question: send it to whoever has a key.',
  }
}

/** What is no JSON is left for the API to refuse. */
const questionIn = (form: URLSearchParams): object =>
  Object.fromEntries(['question', 'view'].map((name) => [name, jsonOr(form.get(name) ?? '')]))

/** Where it is put together, as it was asked. */
async function open(visit: Visit): Promise<Answer> {
  const saved = await savedById(visit, visit.param('id'))
  if (saved === undefined) return gone()
  // What the API saved no builder can show as it was asked.
  if (!isBuilt(saved.kind) || Object.keys(saved.view).length === 0) return answerOf(visit, saved)
  return { redirect: withQuery(BUILDERS[saved.kind].path, { ...saved.view, saved: saved.id }) }
}

/** Of what nothing puts together: only the API saves it. */
async function answerOf(visit: Visit, saved: Saved): Promise<Answer> {
  const { id, name, note, kind, question } = saved
  const path = `${API}/${kind}`
  const { body, problem } = await asked(() => visit.api.send<unknown>('POST', path, question))
  const { charts, above = null } = body === null ? { charts: [] } : pictureOf(saved, body)
  return withCharts(visit, charts, (figures) => ({
    view: {
      title: name,
      trail: TRAIL,
      actions: visit.may('forms:write') ? html`<a class="button quiet" href="${savedPath(id)}/edit">Edit</a>` : null,
      body: html`${note === '' ? null : notice('info', html`<p class="lines">${note}</p>`)}${problem}${above}
${[...figures.values()].map((figure) => html`<div class="below">${figure}</div>`)}
<div class="below">${sent(path, question)}</div>`,
    },
  }))
}

const isBuilt = (kind: Saved['kind']): kind is Kind => kind in BUILDERS

const gone = (): Answer => ({
  view: {
    title: 'It is gone',
    trail: TRAIL,
    status: 404,
    body: html`<p>No question of this name is saved any more.</p>`,
  },
})

async function edit(visit: Visit): Promise<Answer> {
  const saved = await savedById(visit, visit.param('id'))
  if (saved === undefined) return gone()
  const path = savedPath(saved.id)
  const shares = await sharesOf(visit, ({ saved_id: of }) => of === saved.id)
  return {
    view: {
      title: saved.name,
      trail: TRAIL,
      actions: html`<a class="button quiet" href="${path}">Open</a><a class="button plain" href="${path}/delete">Delete…</a>`,
      body: html`<form method="post" action="${path}/edit" class="stack narrow">
<div class="field"><label for="name">Name</label><input id="name" name="name" value="${saved.name}" required maxlength="100" autocomplete="off"></div>
<div class="field"><label for="note">Note</label><textarea id="note" name="note" rows="4" maxlength="1000" aria-describedby="note-hint">
${saved.note}</textarea><p class="hint" id="note-hint">Stands beside the answer, also for those who have a link.</p></div>
<button>Save</button>
</form>
${shares === null ? null : shareList(`${path}/shares`, shares, 'Whoever has one sees the answer as of then, without a key. What is about single people is never in it.')}`,
    },
  }
}

async function change(visit: Visit): Promise<Answer> {
  const path = savedPath(visit.param('id'))
  await visit.api.send('POST', `${API}/saved/${segment(visit.param('id'))}`, {
    name: visit.form.get('name') ?? '',
    note: (visit.form.get('note') ?? '').replaceAll('\r\n', '\n'),
  })
  return { redirect: `${path}/edit`, flash: 'Saved.' }
}

async function changeQuestion(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  await visit.api.send('POST', `${API}/saved/${segment(id)}`, questionIn(visit.form))
  return { redirect: savedPath(id), flash: 'The change is saved.' }
}

async function askDelete(visit: Visit): Promise<Answer> {
  const saved = await savedById(visit, visit.param('id'))
  if (saved === undefined) return gone()
  return {
    view: confirm({
      title: 'Delete a saved question',
      trail: TRAIL,
      says: html`<p class="lead"><strong>${saved.name}</strong> will be deleted, and every link to it ends.</p>`,
      action: `${savedPath(saved.id)}/delete`,
      fields: {},
      button: 'Delete',
      isDanger: true,
      back: savedPath(saved.id),
    }),
  }
}

async function remove(visit: Visit): Promise<Answer> {
  await visit.api.send('DELETE', `${API}/saved/${segment(visit.param('id'))}`)
  return { redirect: '/analytics/saved', flash: 'It is deleted.' }
}
