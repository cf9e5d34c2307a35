/** Manifold's app for Zapier. It speaks to a hub through the public API alone. */
import { version as platformVersion } from 'zapier-platform-core'
import packageJson from '../package.json' with { type: 'json' }
import { authentication } from './authentication.ts'
import { addNote } from './creates/add-note.ts'
import { createResponse } from './creates/create-response.ts'
import { hydrators } from './hydrators.ts'
import { withKey } from './middleware.ts'
import { findForm } from './searches/find-form.ts'
import { findResponse } from './searches/find-response.ts'
import { alertRaised } from './triggers/alert-raised.ts'
import { deliveryFailed } from './triggers/delivery-failed.ts'
import { formList } from './triggers/form-list.ts'
import { newForm } from './triggers/new-form.ts'
import { newPartialResponse } from './triggers/new-partial-response.ts'
import { newResponse } from './triggers/new-response.ts'

export default {
  version: packageJson.version,
  platformVersion,
  authentication,
  beforeRequest: [withKey],
  hydrators,
  triggers: Object.fromEntries(
    [newResponse, newPartialResponse, newForm, deliveryFailed, alertRaised, formList].map((each) => [each.key, each]),
  ),
  searches: { [findResponse.key]: findResponse, [findForm.key]: findForm },
  creates: { [createResponse.key]: createResponse, [addNote.key]: addNote },
  searchOrCreates: {
    [findResponse.key]: {
      key: findResponse.key,
      display: {
        label: 'Find or Create Response',
        description: 'Finds a response to a form, or creates one when there is none.',
      },
      search: findResponse.key,
      create: createResponse.key,
    },
  },
}
