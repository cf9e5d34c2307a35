/** Answers that become a response, by the form's own rules. */
import type { Bundle, Create, ZObject } from 'zapier-platform-core'
import { answersIn, answersOfForm, FORM_INPUT, inputsOfForm, RESPONSE_FIELDS } from '../fields.ts'
import { callHub, flatResponse, hubUrl } from '../hub.ts'
import { NO_FORM } from '../refusals.ts'
import { RESPONSE_SAMPLE } from '../samples.ts'

async function perform(z: ZObject, bundle: Bundle) {
  const { form_id: form, repeat_key: repeat = '' } = bundle.inputData as Record<string, string>
  const { questions, data } = await answersIn(z, bundle)
  const { id, status } = await callHub<{ id: string; status: string }>(z, bundle, {
    path: `/forms/${encodeURIComponent(String(form))}/responses`,
    method: 'POST',
    headers: repeat === '' ? {} : { 'idempotency-key': repeat },
    body: { data, meta: { source: 'zapier' } },
    about: { missing: NO_FORM, questions },
  })
  try {
    return await flatResponse(z, bundle, id)
  } catch {
    // It is stored: a step that fails now would be replayed, and store it twice.
    return { id, form_id: form, status, url: `${hubUrl(z, bundle)}/responses/${id}` }
  }
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
    sample: RESPONSE_SAMPLE,
    outputFields: [...RESPONSE_FIELDS, answersOfForm],
  },
} as unknown as Create
