/** Something in the hub stands still, or runs again. */
import { hookTrigger } from '../hook-trigger.ts'

/** As the hub tells of an installation that no process runs. */
const ALERT = {
  kind: 'no_worker',
  installation: 'crm',
  plugin: 'webhooks',
  reason: 'no process of the hub runs it; its events and deliveries wait',
  todo: 'start a worker with its plugin, its settings and its secrets',
}

export const alertRaised = hookTrigger({
  key: 'alert_raised',
  noun: 'Alert',
  label: 'Alert Raised',
  description:
    'Triggers when something in the hub stands still and a person should know. Needs a key with the scope `admin`.',
  event: 'alert.raised',
  ofForm: false,
  sample: {
    id: 'evt_01936d3e-0000-7000-8000-000000000004',
    ...ALERT,
    details: JSON.stringify(ALERT),
    raised_at: '2026-11-27T12:35:00.000Z',
    raised_at_text: '27 Nov 2026, 12:35 UTC',
  },
  outputFields: [
    { key: 'id', label: 'Event', type: 'string' },
    { key: 'kind', label: 'Kind', type: 'string' },
    { key: 'installation', label: 'Installation', type: 'string' },
    { key: 'plugin', label: 'Plugin', type: 'string' },
    { key: 'reason', label: 'Reason', type: 'string' },
    { key: 'todo', label: 'What to Do', type: 'string' },
    { key: 'details', label: 'Details', type: 'string' },
    { key: 'raised_at', label: 'Raised At', type: 'datetime' },
    { key: 'raised_at_text', label: 'Raised At (Text)', type: 'string' },
  ],
})
