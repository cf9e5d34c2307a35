/** A response by its id, or by what was answered. */
import type { Bundle, Search, ZObject } from 'zapier-platform-core'
import { answersOfForm, FORM_INPUT, RESPONSE_FIELDS } from '../fields.ts'
import { callHub, hubUrl } from '../hub.ts'
import { RESPONSE_SAMPLE } from '../samples.ts'

const LOOKED_AT = 200

type Item = { id: string; url: string; texts: Record<string, string> }

async function perform(z: ZObject, bundle: Bundle): Promise<Item[]> {
  const { form_id: form, words = '', response = '' } = bundle.inputData as Record<string, string>
  const path = `/forms/${encodeURIComponent(String(form))}/responses`
  const { items } = await callHub<{ items: Item[] }>(z, bundle, { path, params: { shape: 'flat', limit: LOOKED_AT } })
  const wanted = words.trim().toLowerCase()
  const isMeant = ({ id, texts }: Item): boolean =>
    response === ''
      ? wanted !== '' && Object.values(texts).some((text) => text.toLowerCase().includes(wanted))
      : id === response.trim()
  return items.filter(isMeant).map((item) => ({ ...item, url: `${hubUrl(z, bundle)}${item.url}` }))
}

export const findResponse = {
  key: 'find_response',
  noun: 'Response',
  display: {
    label: 'Find Response',
    description: 'Finds the newest response to a form by what was answered, or by its key.',
  },
  operation: {
    inputFields: [
      FORM_INPUT,
      {
        key: 'words',
        label: 'Answer Contains',
        type: 'string',
        helpText: `An e-mail address, a name or any other words. The newest ${LOOKED_AT} responses are looked through.`,
      },
      {
        key: 'response',
        label: 'Response Key',
        type: 'string',
        helpText: 'If you have it, such as `rsp_…`; then words are not looked at.',
      },
    ],
    perform,
    sample: RESPONSE_SAMPLE,
    outputFields: [...RESPONSE_FIELDS, answersOfForm],
  },
} as unknown as Search
