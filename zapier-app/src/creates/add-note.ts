/** A note beside a response. */
import type { Bundle, Create, ZObject } from 'zapier-platform-core'
import { callHub } from '../hub.ts'
import { NO_RESPONSE } from '../refusals.ts'

async function perform(z: ZObject, bundle: Bundle) {
  const { response, text } = bundle.inputData as Record<string, string>
  const path = `/responses/${encodeURIComponent(String(response))}/notes`
  const about = { missing: NO_RESPONSE, names: { text: 'Note' } }
  return await callHub<Record<string, unknown>>(z, bundle, { path, method: 'POST', body: { text }, about })
}

export const addNote = {
  key: 'add_note',
  noun: 'Note',
  display: { label: 'Add Note', description: 'Adds a note to a response. It is deleted with the response.' },
  operation: {
    inputFields: [
      {
        key: 'response',
        label: 'Response',
        type: 'string',
        required: true,
        helpText: 'The `Response` of a trigger or search before, such as `rsp_…`.',
      },
      { key: 'text', label: 'Note', type: 'text', required: true },
    ],
    perform,
    sample: {
      id: 'nte_01936d3e-0000-7000-8000-000000000005',
      response_id: 'rsp_01936d3e-0000-7000-8000-000000000001',
      author: 'Zapier',
      at: '2026-11-27T12:35:00.000Z',
      text: 'Called back, wants an offer.',
    },
    outputFields: [
      { key: 'id', label: 'Note Key', type: 'string' },
      { key: 'response_id', label: 'Response', type: 'string' },
      { key: 'author', label: 'Author', type: 'string' },
      { key: 'at', label: 'Written At', type: 'datetime' },
      { key: 'text', label: 'Note', type: 'string' },
    ],
  },
} satisfies Create
