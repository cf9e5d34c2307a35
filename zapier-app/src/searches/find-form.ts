/** A form by its name or key. */
import type { Bundle, Search, ZObject } from 'zapier-platform-core'
import { allForms, formOf, hubUrl } from '../hub.ts'
import type { HubForm } from '../hub.ts'

async function perform(z: ZObject, bundle: Bundle) {
  const wanted = String(bundle.inputData['name']).trim().toLowerCase()
  const exact = (text: string): boolean => text.toLowerCase() === wanted
  const byKey = await formByKey(z, bundle, String(bundle.inputData['name']).trim())
  const others = (await allForms(z, bundle)).filter(
    ({ id, name }) => id !== byKey?.id && (exact(id) || name.toLowerCase().includes(wanted)),
  )
  return [...(byKey === null ? [] : [byKey]), ...others]
    .toSorted((a, b) => Number(exact(b.id) || exact(b.name)) - Number(exact(a.id) || exact(a.name)))
    .map(({ id, name, fields }) => ({
      id,
      name,
      field_count: fields.length,
      url: `${hubUrl(z, bundle)}/forms/${id}`,
    }))
}

/** Asked for by itself, since the search ends after ten thousand. */
async function formByKey(z: ZObject, bundle: Bundle, id: string): Promise<HubForm | null> {
  if (id === '') return null
  try {
    return await formOf(z, bundle, id)
  } catch (error) {
    if ((error as Error).name === 'HaltedError') return null
    throw error
  }
}

export const findForm = {
  key: 'find_form',
  noun: 'Form',
  display: { label: 'Find Form', description: 'Finds a form by its name or key.' },
  operation: {
    inputFields: [
      {
        key: 'name',
        label: 'Name',
        type: 'string',
        required: true,
        helpText: 'A part of it is enough; a whole one comes first.',
      },
    ],
    perform,
    sample: {
      id: 'contact',
      name: 'Contact us',
      field_count: 3,
      url: 'https://forms.example.com/forms/contact',
    },
    outputFields: [
      { key: 'id', label: 'Key', type: 'string' },
      { key: 'name', label: 'Name', type: 'string' },
      { key: 'field_count', label: 'Number of Fields', type: 'number' },
      { key: 'url', label: 'Link', type: 'string' },
    ],
  },
} satisfies Search
