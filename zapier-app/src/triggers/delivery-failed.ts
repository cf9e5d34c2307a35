/** The hub has given up on sending something. */
import { hookTrigger } from '../hook-trigger.ts'

export const deliveryFailed = hookTrigger({
  key: 'delivery_failed',
  noun: 'Failed Delivery',
  label: 'Delivery Failed',
  description: 'Triggers when the hub gives up on a delivery. Needs a key with the scope `deliveries:write`.',
  event: 'delivery.dead',
  ofForm: false,
  sample: {
    id: 'evt_01936d3e-0000-7000-8000-000000000002',
    delivery_id: 'dlv_01936d3e-0000-7000-8000-000000000003',
    installation: 'crm',
    plugin: 'webhooks',
    form_id: 'contact',
    form_name: 'Contact us',
    reason: 'receiver_failed',
    code: 'http_503',
    message: 'The receiver answered 503.',
    failed_at: '2026-11-27T12:35:00.000Z',
    failed_at_text: '27 Nov 2026, 12:35 UTC',
    url: 'https://forms.example.com/deliveries/dlv_01936d3e-0000-7000-8000-000000000003',
  },
  outputFields: [
    { key: 'id', label: 'Event', type: 'string' },
    { key: 'delivery_id', label: 'Delivery', type: 'string' },
    { key: 'installation', label: 'Installation', type: 'string' },
    { key: 'plugin', label: 'Plugin', type: 'string' },
    { key: 'form_id', label: 'Form Key', type: 'string' },
    { key: 'form_name', label: 'Form Name', type: 'string' },
    { key: 'reason', label: 'Reason', type: 'string' },
    { key: 'code', label: 'Code', type: 'string' },
    { key: 'message', label: 'Message', type: 'string' },
    { key: 'failed_at', label: 'Failed At', type: 'datetime' },
    { key: 'failed_at_text', label: 'Failed At (Text)', type: 'string' },
    { key: 'url', label: 'Link', type: 'string' },
  ],
})
