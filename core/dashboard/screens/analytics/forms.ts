/** All forms at a glance. */
import { html } from '../../../html.ts'
import { ApiProblem, segment } from '../../api.ts'
import { formsOf } from '../../form-items.ts'
import { percent } from '../../charts/chart.ts'
import { table } from '../../parts/list.ts'
import { number, span } from '../../parts/time.ts'
import type { Answer, Visit } from '../../visit.ts'
import type { FormItem } from '../../wire.ts'
import { API, metricsPath } from './asking.ts'
import type { FormMetrics } from './wire.ts'

/** Forms whose numbers are asked for at once. */
const FORMS_MAX = 50

interface Line {
  readonly form: FormItem
  /** Null: nobody has answered it. */
  readonly metrics: FormMetrics | null
}

export async function formsPage(visit: Visit): Promise<Answer> {
  const forms = await formsOf(visit)
  const lines = await Promise.all(forms.slice(0, FORMS_MAX).map((form) => lineOf(visit, form)))
  return {
    view: {
      title: 'Analytics',
      body:
        lines.length === 0
          ? html`<div class="empty">${visit.may('forms:read') ? html`<p>There is no form yet.</p><p class="soft">Make one under <a href="/forms">Forms</a>: its answers are counted here as they come.</p>` : html`<p>Your key does not list forms.</p><p class="soft">It needs the scope <code>forms:read</code>, too; a form’s numbers are at <code>/analytics/forms/…</code>.</p>`}</div>`
          : html`${table<Line>(
              [
                {
                  label: 'Form',
                  cell: ({ form }) => html`<a href="${metricsPath(form.id)}"><strong>${form.name}</strong></a>`,
                },
                { label: 'Today', align: 'end', cell: ({ metrics }) => number(metrics?.today.completed ?? 0) },
                { label: 'Completed', align: 'end', cell: ({ metrics }) => number(metrics?.totals.completed ?? 0) },
                {
                  label: 'Completion rate',
                  align: 'end',
                  cell: ({ metrics }) => percent(metrics?.totals.completion_rate ?? null),
                },
                { label: 'Median time', align: 'end', cell: ({ metrics }) => timeOf(metrics) },
              ],
              lines,
            )}${forms.length > FORMS_MAX ? html`<p class="soft">The first ${number(FORMS_MAX)} of ${number(forms.length)} or more.</p>` : null}`,
    },
  }
}

function timeOf(metrics: FormMetrics | null): string {
  const seconds = metrics?.time_to_complete.median_s ?? null
  return seconds === null ? '–' : span(seconds * 1_000)
}

async function lineOf({ api }: Visit, form: FormItem): Promise<Line> {
  try {
    const path = `${API}/forms/${segment(form.id)}/metrics`
    return { form, metrics: await api.get<FormMetrics>(path, { bucket: 'month' }) }
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 404 && !error.message.includes('is not installed'))
      return { form, metrics: null }
    throw error
  }
}
