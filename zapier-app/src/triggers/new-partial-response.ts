/** Somebody has begun to fill in a form. */
import { RESPONSE_FIELDS } from '../fields.ts'
import { hookTrigger } from '../hook-trigger.ts'
import { RESPONSE_SAMPLE } from '../samples.ts'

export const newPartialResponse = hookTrigger({
  key: 'new_partial_response',
  noun: 'Partial Response',
  label: 'New Partial Response',
  description: 'Triggers when a part of a form is filled in and kept.',
  event: 'response.partial',
  ofForm: true,
  sample: { ...RESPONSE_SAMPLE, status: 'partial', submitted_at: null, submitted_at_text: '' },
  outputFields: RESPONSE_FIELDS,
})
