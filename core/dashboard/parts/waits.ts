/** Why deliveries wait, until when, and what helps: the same words on a delivery, on its installation and after a replay of many. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { ApiProblem, segment } from '../api.ts'
import type { Visit } from '../visit.ts'
import type { DeliveryRow, InstallationItem, InstallationList } from '../wire.ts'
import { ago, counted, time } from './time.ts'
import { isResumable } from './trouble.ts'

/** What keeps all deliveries of an installation, or those to some hosts, from being tried. */
export interface Obstacle {
  readonly says: Html
  /** A resume makes an end of it. */
  readonly isResumable: boolean
}

type Standing = Pick<
  InstallationItem,
  'id' | 'state' | 'reason' | 'returns_at' | 'unattended' | 'credential' | 'breakers'
>

const RUNS: ReadonlySet<string> = new Set(['ready', 'degraded'])

/** The host failed again and again; `until`: the next delivery goes out then, as a probe. */
export const leftAlone = ({ host, until }: InstallationItem['breakers'][number], nowMs: number): Html =>
  html`<strong>${host}</strong> failed repeatedly and is left alone${until === null ? '; one delivery is on its way to see whether it works again' : html` until ${time(until, nowMs)} (${ago(Date.parse(until), nowMs)}), when one delivery goes out to see whether it works again`}.`

/** The gravest of what stands in the way; null: nothing does. `host`: of the delivery, where it is known. */
export function obstacleOf(item: Standing, host: string | null, nowMs: number): Obstacle | null {
  const { id, state, reason, returns_at: returnsAt, unattended, credential, breakers } = item
  const helps = isResumable(item)
  const name = html`<a href="/installations/${segment(id)}">${id}</a>`
  if (!RUNS.has(state))
    return {
      says: html`${name} is <strong>${state.replaceAll('-', ' ')}</strong>: ${reason ?? 'by an operator'}.${returnsAt === null ? null : html` It goes on by itself at ${time(returnsAt, nowMs)}.`}`,
      isResumable: helps,
    }
  if (credential.state === 'refused')
    return {
      says: html`The receiver refuses the credential of ${name}: it stands still until new settings or a resume.`,
      isResumable: helps,
    }
  if (unattended) return { says: html`No living process runs ${name}.`, isResumable: false }
  const shut = breakers.filter((breaker) => host === null || breaker.host === host)
  return shut.length === 0
    ? null
    : { says: html`${shut.map((breaker) => html`${leftAlone(breaker, nowMs)} `)}`, isResumable: helps }
}

/** Why a delivery that has not ended is not tried now. */
export async function waitOf({ api }: Pick<Visit, 'api'>, delivery: DeliveryRow, nowMs: number): Promise<Obstacle> {
  const { installation, host, due_at: dueAt } = delivery
  try {
    const item = await api.get<InstallationItem>(`/api/v2/installations/${segment(installation)}`)
    const obstacle = obstacleOf(item, host, nowMs)
    if (obstacle !== null) return obstacle
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.status !== 404) throw error
    return {
      says: html`<code>manifold.yaml</code> has no installation <strong>${installation}</strong> any more: it waits for one.`,
      isResumable: false,
    }
  }
  return {
    says:
      dueAt !== null && Date.parse(dueAt) > nowMs
        ? html`Its next try is at ${time(dueAt, nowMs)} (${ago(Date.parse(dueAt), nowMs)}), as <code>retry</code> of ${installation} says or its receiver asked.`
        : html`It is due, and is tried as soon as those before it leave room: <code>concurrency</code>, <code>rate</code> and <code>order</code> of ${installation} and its plugin's pace say how many at a time.`,
    isResumable: false,
  }
}

/** Of all installations with something waiting that is kept from being tried; null: there is none. */
export async function heldBack({ api }: Pick<Visit, 'api'>, nowMs: number): Promise<Html | null> {
  const { items } = await api.get<InstallationList>('/api/v2/installations')
  const held = items.flatMap((item) => {
    const count = item.deliveries.pending + item.deliveries.retrying
    const obstacle = count === 0 ? null : obstacleOf(item, null, nowMs)
    return obstacle === null ? [] : [{ id: item.id, count, obstacle }]
  })
  return held.length === 0
    ? null
    : html`<div class="notice warn"><div><p><strong>Not all of what is due is tried now.</strong></p><ul>${held.map(({ id, count, obstacle: { says, isResumable: helps } }) => html`<li>${counted(count, 'delivery', 'deliveries')} of ${id}: ${says}${helps ? html` <a href="/installations/${segment(id)}">Resume it there</a> to try at once.` : null}</li>`)}</ul></div></div>`
}
