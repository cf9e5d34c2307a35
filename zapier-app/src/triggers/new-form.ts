/** The trigger for forms that are made, by hand or by a plugin. */
import { hookTrigger } from '../hook-trigger.ts'

export const newForm = hookTrigger({
  key: 'new_form',
  noun: 'Form',
  label: 'New Form',
  description: 'Triggers when a form is made in the hub.',
  event: 'form.created',
  ofForm: false,
  sample: {
    id: 'contact',
    form_id: 'contact',
    form_name: 'Contact us',
    form_version: 1,
    field_count: 3,
    changed_at: '2026-11-27T12:35:00.000Z',
    changed_at_text: '27 Nov 2026, 12:35 UTC',
    url: 'https://forms.example.com/forms/contact',
  },
  outputFields: [
    { key: 'id', label: 'Key', type: 'string' },
    { key: 'form_id', label: 'Form Key', type: 'string' },
    { key: 'form_name', label: 'Form Name', type: 'string' },
    { key: 'form_version', label: 'Form Version', type: 'number' },
    { key: 'field_count', label: 'Number of Fields', type: 'number' },
    { key: 'changed_at', label: 'Made At', type: 'datetime' },
    { key: 'changed_at_text', label: 'Made At (Text)', type: 'string' },
    { key: 'url', label: 'Link', type: 'string' },
  ],
})
