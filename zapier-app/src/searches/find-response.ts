/** A response by its id, or by what was answered. */
import type { Bundle, Search, ZObject } from 'zapier-platform-core'
import { answersOfForm, FORM_INPUT, questionInput, RESPONSE_FIELDS } from '../fields.ts'
import { callHub, flatResponse, withLink } from '../hub.ts'
import type { FlatItem } from '../hub.ts'
import { NO_FORM } from '../refusals.ts'
import { RESPONSE_SAMPLE } from '../samples.ts'

/** A search has thirty seconds. */
const PAGES_MAX = 20
const PAGE_ITEMS = 20

async function perform(z: ZObject, bundle: Bundle): Promise<FlatItem[]> {
  const { form_id: form, field = '', value = '', response = '' } = bundle.inputData as Record<string, string>
  return response.trim() === '' ? await byAnswer(z, bundle, { form, field, value }) : await byId(z, bundle)
}

async function byId(z: ZObject, bundle: Bundle): Promise<FlatItem[]> {
  const { form_id: form, response } = bundle.inputData as Record<string, string>
  try {
    const item = await flatResponse(z, bundle, String(response).trim())
    return item.form_id === form ? [item] : []
  } catch (error) {
    // What the hub does not have stops a Zap elsewhere; a search has found nothing.
    if ((error as Error).name === 'HaltedError') return []
    throw error
  }
}

/** The hub looks through so many responses a page: the first page with one is the answer. */
async function byAnswer(
  z: ZObject,
  bundle: Bundle,
  { form, field, value }: { readonly form: string | undefined; readonly field: string; readonly value: string },
): Promise<FlatItem[]> {
  if (field === '' || value.trim() === '')
    throw new z.errors.Error('Choose a question and give its answer, or give a response key.', 'field', 400)
  const path = `/forms/${encodeURIComponent(String(form))}/responses`
  const about = { missing: NO_FORM, names: { field: 'Question', value: 'Answer' } }
  let cursor: string | null = null
  for (let page = 0; page < PAGES_MAX; page++) {
    const params: Record<string, string | number> = { shape: 'flat', limit: PAGE_ITEMS, field, value }
    if (cursor !== null) params['cursor'] = cursor
    const list: { items: FlatItem[]; next_cursor: string | null } = await callHub(z, bundle, { path, params, about })
    cursor = list.next_cursor
    if (list.items.length > 0 || cursor === null) return list.items.map((item) => withLink(z, bundle, item))
  }
  return []
}

export const findResponse = {
  key: 'find_response',
  noun: 'Response',
  display: {
    label: 'Find Response',
    description: 'Finds the newest response to a form by the answer to one question, or by its key.',
  },
  operation: {
    inputFields: [
      FORM_INPUT,
      questionInput,
      {
        key: 'value',
        label: 'Answer',
        type: 'string',
        helpText:
          'The whole answer, such as an e-mail address, or one of several; capital letters do not matter. The newest 100,000 responses are looked through.',
      },
      {
        key: 'response',
        label: 'Response Key',
        type: 'string',
        helpText: 'If you have it, such as `rsp_…`; then the answer is not looked at.',
      },
    ],
    perform,
    sample: RESPONSE_SAMPLE,
    outputFields: [...RESPONSE_FIELDS, answersOfForm],
  },
} as unknown as Search
