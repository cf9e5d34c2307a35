/** What people add to a form's numbers: words on its time line. */
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { segment } from '../../api.ts'
import { act, hidden } from '../../parts/confirm.ts'
import { section } from '../../parts/facts.ts'
import { table } from '../../parts/list.ts'
import { wallClock } from '../../parts/period.ts'
import { time } from '../../parts/time.ts'
import type { Answer, Screen, Visit } from '../../visit.ts'
import { API, metricsPath } from './asking.ts'
import type { FormMetrics } from './wire.ts'

export const noteScreens: readonly Screen[] = [
  { method: 'POST', path: '/analytics/forms/{id}/annotations', nav: 'analytics', answer: annotate },
  { method: 'POST', path: '/analytics/forms/{id}/annotations/delete', nav: 'analytics', answer: unannotate },
]

/** Those of the period, and a form for another. */
export function annotationList(visit: Visit, { form_id: id, annotations, timezone }: FormMetrics): Html | null {
  const mayWrite = visit.may('forms:write')
  if (!mayWrite && annotations.length === 0) return null
  const nowMs = Date.now()
  const clockOf = wallClock(timezone)
  const path = `${metricsPath(id)}/annotations`
  const list = table(
    [
      { label: `When (${timezone})`, cell: (note) => time(note.at, nowMs, clockOf) },
      { label: 'Until', cell: (note) => time(note.until, nowMs, clockOf) },
      {
        label: 'What',
        cell: (note) => html`${note.text} ${note.form_id === null ? html`<span class="soft">all forms</span>` : null}`,
      },
      { label: '', cell: (note) => (mayWrite ? act(`${path}/delete`, 'Remove', { fields: { note: note.id } }) : null) },
    ],
    annotations,
  )
  return section(
    'On the time line',
    html`${annotations.length === 0 ? html`<p class="soft">Nothing yet: a campaign, a new question, an outage are worth a word beside the numbers.</p>` : list}
${
  mayWrite
    ? html`<form method="post" action="${path}" class="filters add">${hidden({ timezone })}
<div class="filter"><label for="note-at">When</label><input id="note-at" name="at" required placeholder="2026-05-31 09:30" autocomplete="off"></div>
<div class="filter"><label for="note-until">Until</label><input id="note-until" name="until" placeholder="if it lasted" autocomplete="off"></div>
<div class="filter grow"><label for="note-text">What</label><input id="note-text" name="text" required maxlength="200"></div>
<div class="filter"><label for="note-form">Of</label><select id="note-form" name="of"><option value="form">this form</option><option value="all">all forms</option></select></div>
<div class="buttons"><button class="quiet">Add</button></div></form>`
    : null
}`,
  )
}

/** A time as people type it. */
const clock = (text: string): string => text.trim().replace(' ', 'T')

async function annotate(visit: Visit): Promise<Answer> {
  const { form } = visit
  const id = visit.param('id')
  const until = clock(form.get('until') ?? '')
  await visit.api.send('POST', `${API}/annotations`, {
    form_id: form.get('of') === 'all' ? null : id,
    at: clock(form.get('at') ?? ''),
    ...(until === '' ? {} : { until }),
    timezone: form.get('timezone') || undefined,
    text: form.get('text') ?? '',
  })
  return { redirect: metricsPath(id), flash: 'It is on the time line.' }
}

async function unannotate(visit: Visit): Promise<Answer> {
  await visit.api.send('DELETE', `${API}/annotations/${segment(visit.form.get('note') ?? '')}`)
  return { redirect: metricsPath(visit.param('id')), flash: 'Removed from the time line.' }
}
