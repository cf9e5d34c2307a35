/** Hooks that nothing is sent to any more: said wherever one looks whether all is well. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import type { Api, Page } from '../api.ts'
import { notice } from './facts.ts'

interface Stopped {
  readonly source: string
  readonly state: string
  readonly last_reason: string | null
}

/** So many are looked at; of those each reason is said once. */
const LOOKED_AT_MAX = 200
const REASONS_SHOWN_MAX = 3

/** Null: each is in force. */
export async function stoppedHooks(api: Pick<Api, 'get'>): Promise<Html | null> {
  const { items, next_cursor: next } = await api.get<Page<Stopped>>('/api/v2/hooks', {
    state: 'stopped',
    limit: LOOKED_AT_MAX,
  })
  if (items.length === 0) return null
  const reasons = [...new Set(items.map(({ source, state, last_reason: reason }) => `${source}: ${reason ?? state}`))]
  const many = `${items.length}${next === null ? '' : ' or more'} ${items.length === 1 ? 'hook' : 'hooks'}`
  return notice(
    'warn',
    html`<p><strong>Nothing is sent to ${many} any more.</strong> <a href="/hooks?state=stopped">Look</a></p><ul>${reasons.slice(0, REASONS_SHOWN_MAX).map((reason) => html`<li>${reason}</li>`)}</ul><p>Subscribing again with a key in force brings one back: turn its Zap off and on.</p>`,
  )
}
