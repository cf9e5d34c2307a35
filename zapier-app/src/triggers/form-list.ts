/** The forms, for dropdowns. */
import type { Bundle, Trigger, ZObject } from 'zapier-platform-core'
import { formsOnPage } from '../hub.ts'

export const formList = {
  key: 'form',
  noun: 'Form',
  display: { label: 'List of Forms', description: 'Triggers when a dropdown of forms is opened.', hidden: true },
  operation: {
    canPaginate: true,
    perform: async (z: ZObject, bundle: Bundle) =>
      (await formsOnPage(z, bundle, bundle.meta?.page ?? 0)).map(({ id, name }) => ({ id, name })),
    sample: { id: 'contact', name: 'Contact us' },
    outputFields: [
      { key: 'id', label: 'Key', type: 'string' },
      { key: 'name', label: 'Name', type: 'string' },
    ],
  },
} satisfies Trigger
