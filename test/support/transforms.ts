/** A hub with transforms: the judge of the fixtures in as many ways as a test needs, and what is asked of it. */
import type { Answer, ApiOptions, Hub } from './hub.ts'

const FORMS = {
  contact: {
    name: 'Contact',
    fields: [
      { key: 'email', type: 'email', required: true },
      { key: 'text', type: 'text' },
      { key: 'seen', type: 'number' },
    ],
  },
  other: {
    name: 'Other',
    fields: [
      { key: 'text', type: 'text' },
      { key: 'email', type: 'email', pii: true },
    ],
  },
}
const PLUGINS = new URL('../fixtures/flow-plugins', import.meta.url).pathname

/** An installation of the judge; `how` is its id, too. */
export const judge = (how: string, more: object = {}) => ({ id: how, use: 'judge', with: { how }, ...more })
/** A whole manifold.yaml: two forms, and these installations. */
export const config = (installations: readonly object[], more: object = {}) => ({
  forms: FORMS,
  pluginDirs: [PLUGINS],
  network: { allow: ['127.0.0.1/32'] },
  // Other work on this machine must not make a transform late.
  limits: { pluginTransformWallMs: 1_000, transformChainMsMax: 10_000 },
  installations,
  ...more,
})
/** A webhooks installation that says what it was told of. */
export const hook = (url: string, event: string | readonly string[] = 'response.submitted') => ({
  id: 'hook',
  use: 'webhooks',
  when: { event },
  with: {
    url,
    template: { type: '{{event.type}}', id: '{{response.id}}', text: '{{data.text}}', country: '{{meta.country}}' },
  },
})

export interface Receipt {
  readonly id: string
  readonly event_id: string
  readonly code?: string
  readonly detail?: string
}
export interface Quarantined {
  readonly id: string
  readonly verdict: string
  readonly reason: string
  readonly message: string
  readonly installation: string
  readonly data: Record<string, unknown>
  readonly received: Record<string, unknown>
}

/** Posts answers to the contact form. */
export const send = (hub: Hub, text: string, more: object = {}, how?: ApiOptions): Promise<Answer<Receipt>> =>
  hub.api<Receipt>(
    'POST',
    '/api/v2/forms/contact/responses',
    { data: { email: 'ADA@Example.com', text }, ...more },
    how,
  )
/** A response as it is stored. */
export const stored = async (hub: Hub, id: string) =>
  (await hub.api<{ data: Record<string, unknown>; meta: Record<string, unknown> }>('GET', `/api/v2/responses/${id}`))
    .body
/** What is in quarantine. */
export const waiting = async (hub: Hub, query = '') =>
  (await hub.api<{ items: Quarantined[]; total: number }>('GET', `/api/v2/quarantine${query}`)).body
