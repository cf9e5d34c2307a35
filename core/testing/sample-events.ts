/** Events for a plugin whose author gave none: one of each type that its manifest names. */
import type { Manifest } from '../registry/manifest.ts'
import type { RecordedEvent } from './recorded-events.ts'

const field = (key: string, type: string) => ({ key, label: key, type, required: false, pii: false })

const CONTACT = {
  id: 'contact',
  name: 'Contact',
  version: 1,
  fields: [field('name', 'text'), field('email', 'email'), field('budget', 'number')],
}
const TRACKED = {
  name: 'page_view',
  occurred_at: '2026-01-01T06:00:00.000Z',
  anonymous_id: 'v-7',
  consent: 'granted',
  page: { path: '/pricing' },
}
const ANSWERS = { name: 'Ada', email: 'ada@example.com', budget: 1_000 }

/** What stands for types that are not named one by one. */
const INSTEAD: Readonly<Record<string, string>> = { '*': 'response.submitted', 'track.*': 'track.page_view' }

/** `*` is met by a submitted response, `track.*` by a page view. */
export const sampleEvents = (manifest: Manifest): readonly RecordedEvent[] =>
  Object.keys(manifest.on).map((type) => sampleEvent(INSTEAD[type] ?? type))

/** Responses that a transform can be shown: those of the author's events, or one that is made up. */
export function transformable(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
  const responses = events.filter(({ type }) => type === 'response.submitted' || type === 'response.partial')
  return responses.length > 0 ? responses : [sampleEvent('response.submitted')]
}

function sampleEvent(type: string): RecordedEvent {
  if (type.startsWith('response.')) return { type, data: ANSWERS, form: CONTACT, meta: { ip: '192.0.2.1' } }
  if (type.startsWith('form.')) return { type, data: { id: CONTACT.id, version: CONTACT.version }, form: CONTACT }
  if (type.startsWith('track.')) return { type, data: TRACKED, meta: { device: 'desktop' } }
  return { type, data: { installation: 'another', form_id: CONTACT.id } }
}
