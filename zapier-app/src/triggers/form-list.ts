/** The forms, for dropdowns. */
import type { Bundle, Trigger, ZObject } from 'zapier-platform-core'
import { allForms } from '../hub.ts'

export const formList = {
  key: 'form',
  noun: 'Form',
  display: { label: 'List of Forms', description: 'Triggers when a dropdown of forms is opened.', hidden: true },
  operation: {
    perform: async (z: ZObject, bundle: Bundle) => (await allForms(z, bundle)).map(({ id, name }) => ({ id, name })),
    sample: { id: 'contact', name: 'Contact us' },
    outputFields: [
      { key: 'id', label: 'Key', type: 'string' },
      { key: 'name', label: 'Name', type: 'string' },
    ],
  },
} satisfies Trigger
