/** A piece for Activepieces: a connection to a hub, and the trigger for responses to a form. */
import { createPiece, createTrigger, PieceAuth, Property, TriggerStrategy } from '@activepieces/pieces-framework'

interface Connection {
  readonly baseUrl: string
  readonly apiKey: string
}

/** Where the id of the hook is kept between turning on and off. */
const HOOK = 'hook'

async function callHub<T>({ baseUrl, apiKey }: Connection, method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${addressOf(baseUrl)}/api/v2${path}`, {
    method,
    headers: {
      authorization: `Bearer ${apiKey}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const answer = text === '' ? {} : JSON.parse(text)
  if (!response.ok) throw new Error(answer.detail ?? `The hub answered ${response.status}.`)
  return answer as T
}

interface Form {
  readonly id: string
  readonly name: string
}

/** Page by page, newest first. */
async function allForms(connection: Connection): Promise<Form[]> {
  const forms: Form[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const query = new URLSearchParams({ sort: '-created_at', limit: '200', ...(cursor === '' ? {} : { cursor }) })
    const page: { items: Form[]; next_cursor: string | null } = await callHub(connection, 'GET', `/forms?${query}`)
    forms.push(...page.items)
    cursor = page.next_cursor
  }
  return forms
}

const addressOf = (baseUrl: string): string => baseUrl.replace(/\/+$/, '')

const auth = PieceAuth.CustomAuth({
  displayName: 'Hub',
  required: true,
  props: {
    baseUrl: Property.ShortText({
      displayName: 'Address of the hub',
      description: 'Such as `https://forms.example.com`.',
      required: true,
    }),
    apiKey: PieceAuth.SecretText({
      displayName: 'API key',
      description: 'With the scopes `hooks:write`, `forms:read` and `responses:read`.',
      required: true,
    }),
  },
  validate: async ({ auth: connection }) => {
    try {
      await callHub(connection, 'GET', '/me')
      return { valid: true }
    } catch (error) {
      return { valid: false, error: error instanceof Error ? error.message : String(error) }
    }
  },
})

const newResponse = createTrigger({
  auth,
  name: 'new_response',
  displayName: 'New Response',
  description: 'Triggers when a form is filled in.',
  type: TriggerStrategy.WEBHOOK,
  props: {
    form: Property.Dropdown({
      auth,
      displayName: 'Form',
      required: true,
      refreshers: [],
      options: async ({ auth: connection }) => {
        if (connection === undefined) return { disabled: true, placeholder: 'Connect a hub first', options: [] }
        const forms = await allForms(connection.props)
        return { disabled: false, options: forms.map(({ id, name }) => ({ label: name, value: id })) }
      },
    }),
  },
  sampleData: {},
  onEnable: async ({ auth: connection, propsValue, webhookUrl, store }) => {
    const { id } = await callHub<{ id: string }>(connection.props, 'POST', '/hooks', {
      target_url: webhookUrl,
      event: 'response.submitted',
      form_id: propsValue.form,
      source: 'activepieces',
      hub_url: addressOf(connection.props.baseUrl),
    })
    await store.put(HOOK, id)
  },
  onDisable: async ({ auth: connection, webhookUrl, store }) => {
    const id = await store.get<string>(HOOK)
    // A call that comes late ends nothing that was asked for at another address since.
    const query = new URLSearchParams({ target_url: webhookUrl })
    if (id !== null) await callHub(connection.props, 'DELETE', `/hooks/${encodeURIComponent(id)}?${query}`)
    await store.delete(HOOK)
  },
  run: async ({ payload }) => [payload.body],
  test: async ({ auth: connection, propsValue }) => {
    const query = new URLSearchParams({
      event: 'response.submitted',
      form: propsValue.form,
      hub_url: addressOf(connection.props.baseUrl),
    })
    return (await callHub<{ items: unknown[] }>(connection.props, 'GET', `/hooks/sample?${query}`)).items
  },
})

export const manifold = createPiece({
  displayName: 'Manifold',
  description: 'A self-hosted hub for forms.',
  auth,
  minimumSupportedRelease: '0.30.0',
  logoUrl: 'https://example.com/manifold.png',
  authors: [],
  actions: [],
  triggers: [newResponse],
})
