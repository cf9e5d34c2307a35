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
const ANSWERS = { name: 'Ada', email: 'ada@example.com', budget: 1_000 }

/** `*` is met by a submitted response. */
export const sampleEvents = (manifest: Manifest): readonly RecordedEvent[] =>
  Object.keys(manifest.on).map((type) => sampleEvent(type === '*' ? 'response.submitted' : type))

/** Responses that a transform can be shown: those of the author's events, or one that is made up. */
export function transformable(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
  const responses = events.filter(({ type }) => type === 'response.submitted' || type === 'response.partial')
  return responses.length > 0 ? responses : [sampleEvent('response.submitted')]
}

function sampleEvent(type: string): RecordedEvent {
  if (type.startsWith('response.')) return { type, data: ANSWERS, form: CONTACT, meta: { ip: '192.0.2.1' } }
  if (type.startsWith('form.')) return { type, data: { id: CONTACT.id, version: CONTACT.version }, form: CONTACT }
  return { type, data: { installation: 'another', form_id: CONTACT.id } }
}
