/** What of the log a key may follow, by its scopes. Pure. */
import type { LogEvent } from '../model.ts'
import { allows } from '../registry/api-keys.ts'
import type { Principal } from '../registry/api-keys.ts'

/**
 * Whoever may read responses sees everything. For numbers it is enough to know that something happened, and what is alarming;
 * whoever may read forms sees what becomes of those.
 */
export function shownTo(principal: Principal, event: LogEvent): LogEvent | null {
  if (allows(principal, 'responses:read')) return event
  const isOfForm = event.type.startsWith('form.')
  if (isOfForm && allows(principal, 'forms:read')) return event
  if (!allows(principal, 'analytics:read')) return null
  if (event.type === 'alert.raised') return { ...event, responseId: null, data: alertOf(event.data) }
  if (isOfForm) return { ...event, data: null, meta: '{}' }
  return event.type.startsWith('response.') ? namelessOf(event) : null
}

/** Which response it was, and when it was begun and sent, is about single people. Its first event has its id, too. */
const namelessOf = (event: LogEvent): LogEvent => ({
  ...event,
  id: `evt_${event.seq}`,
  responseId: null,
  response: null,
  data: null,
  meta: '{}',
})

/** Words of a receiver may quote an answer; these are the hub's own. */
const ALERT_NAMES = ['kind', 'installation', 'plugin', 'state', 'host', 'form_id'] as const

function alertOf(data: string | null): string | null {
  if (data === null) return null
  const all = JSON.parse(data) as Readonly<Record<string, unknown>>
  return JSON.stringify(
    Object.fromEntries(ALERT_NAMES.flatMap((name) => (name in all ? [[name, all[name]] as const] : []))),
  )
}
