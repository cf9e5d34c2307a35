/** Somebody has filled in a form. */
import { RESPONSE_FIELDS } from '../fields.ts'
import { hookTrigger } from '../hook-trigger.ts'
import { RESPONSE_SAMPLE } from '../samples.ts'

export const newResponse = hookTrigger({
  key: 'new_response',
  noun: 'Response',
  label: 'New Response',
  description: 'Triggers when a form is filled in.',
  event: 'response.submitted',
  ofForm: true,
  sample: RESPONSE_SAMPLE,
  outputFields: RESPONSE_FIELDS,
})
