/** `/api/v2/forms/preview`: a definition as its respondents would see it, before anything is stored. */
import { z } from '@hono/zod-openapi'
import { html } from '../html.ts'
import { formWireSchema } from '../ingest/form-definition.ts'
import type { HttpDeps } from './deps.ts'
import { formPage } from './form-page.ts'
import { FORM_EXAMPLE, readForm } from './forms.ts'
import { page } from './html.ts'
import type { Route } from './route.ts'

/** What is shown can be tried, but sends nothing. */
export const formPreviewRoutes = (deps: Pick<HttpDeps, 'limits'>): Route[] => [
  {
    method: 'POST',
    path: '/api/v2/forms/preview',
    access: 'forms:read',
    doc: {
      tag: 'Forms',
      summary: 'See a form as its respondents would',
      description: 'Stores nothing. The page is to be shown in a frame, and its button sends nothing.',
      body: { schema: z.object(formWireSchema.shape), example: FORM_EXAMPLE },
      responses: { 200: { description: 'The page', type: 'text/html', schema: z.string() } },
    },
    handler: async (call) => {
      const { definition } = await readForm(deps, call)
      const now = ''
      const form = { ...definition, id: 'preview', workspace: '', version: 1, createdAt: now, updatedAt: now }
      return page({
        title: definition.name,
        requestId: call.requestId,
        isFramed: true,
        body:
          definition.fields.length === 0
            ? html`<h1>${definition.name}</h1><p class="soft">It has no field yet.</p>`
            : formPage({ form: { ...form, managedBy: 'api' }, typed: new Map(), problems: [], once: '' }),
      })
    },
  },
]
