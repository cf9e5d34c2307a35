/** A form by its name or key. */
import type { Bundle, Search, ZObject } from 'zapier-platform-core'
import { allForms, hubUrl } from '../hub.ts'

async function perform(z: ZObject, bundle: Bundle) {
  const wanted = String(bundle.inputData['name']).trim().toLowerCase()
  const exact = (text: string): boolean => text.toLowerCase() === wanted
  const found = (await allForms(z, bundle)).filter(({ id, name }) => exact(id) || name.toLowerCase().includes(wanted))
  return found
    .toSorted((a, b) => Number(exact(b.id) || exact(b.name)) - Number(exact(a.id) || exact(a.name)))
    .map(({ id, name, fields }) => ({
      id,
      name,
      field_count: fields.length,
      url: `${hubUrl(z, bundle)}/api/v2/forms/${id}`,
    }))
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
      url: 'https://forms.example.com/api/v2/forms/contact',
    },
    outputFields: [
      { key: 'id', label: 'Key', type: 'string' },
      { key: 'name', label: 'Name', type: 'string' },
      { key: 'field_count', label: 'Number of Fields', type: 'number' },
      { key: 'url', label: 'Link', type: 'string' },
    ],
  },
} satisfies Search
