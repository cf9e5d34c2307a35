/** Answers that become a response, by the form's own rules. */
import type { Bundle, Create, ZObject } from 'zapier-platform-core'
import { answersIn, FORM_INPUT, inputsOfForm } from '../fields.ts'
import { callHub, hubUrl } from '../hub.ts'

async function perform(z: ZObject, bundle: Bundle) {
  const { form_id: form, repeat_key: repeat = '' } = bundle.inputData as Record<string, string>
  const data = await answersIn(z, bundle)
  const made = await callHub<{ id: string; status: string }>(z, bundle, {
    path: `/forms/${encodeURIComponent(String(form))}/responses`,
    method: 'POST',
    headers: repeat === '' ? {} : { 'idempotency-key': repeat },
    body: { data, meta: { source: 'zapier' } },
  })
  return { id: made.id, form_id: form, status: made.status, url: `${hubUrl(z, bundle)}/api/v2/responses/${made.id}` }
}

export const createResponse = {
  key: 'create_response',
  noun: 'Response',
  display: { label: 'Create Response', description: 'Creates a response to a form, as if somebody had filled it in.' },
  operation: {
    inputFields: [
      FORM_INPUT,
      {
        key: 'repeat_key',
        label: 'Repeat Key',
        type: 'string',
        helpText:
          'Answers that come twice with the same one within a day are stored once. Leave it blank to store every one.',
      },
      inputsOfForm,
    ],
    perform,
    sample: {
      id: 'rsp_01936d3e-0000-7000-8000-000000000001',
      form_id: 'contact',
      status: 'completed',
      url: 'https://forms.example.com/api/v2/responses/rsp_01936d3e-0000-7000-8000-000000000001',
    },
    outputFields: [
      { key: 'id', label: 'Response', type: 'string' },
      { key: 'form_id', label: 'Form Key', type: 'string' },
      { key: 'status', label: 'Status', type: 'string' },
      { key: 'url', label: 'Link', type: 'string' },
    ],
  },
} as unknown as Create
