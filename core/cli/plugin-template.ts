/** The files of a new plugin. They are built, checked and tested by our own tests as they stand here. */

const MAIN = 'index.ts'
/** Apart from its sentence, so that nothing takes the text below for an import of ours. */
const SPECIFIER = `'./${MAIN}'`

/** File name → text. */
export const pluginFiles = (id: string): Readonly<Record<string, string>> => ({
  'plugin.json': `${JSON.stringify(manifest(id), null, 2)}\n`,
  [MAIN]: CODE,
  'index.test.ts': TEST,
  'README.md': readme(id),
})

const manifest = (id: string) => ({
  id,
  name: id.replaceAll('-', ' ').replace(/^./, (first) => first.toUpperCase()),
  description: 'Posts each submitted response to a URL.',
  version: '0.1.0',
  hub: '^1.0',
  main: MAIN,
  on: { 'response.submitted': { data: ['data', 'form'] } },
  actions: { post: { title: 'Post the answers' } },
  permissions: { http: { hosts: ['@config.url'], methods: ['POST'] } },
  config: {
    type: 'object',
    properties: {
      url: { type: 'string', format: 'uri', title: 'URL', description: 'Where the answers are sent.' },
      token: {
        type: 'string',
        format: 'secret',
        title: 'Token',
        description: 'Sent as a bearer token. The plugin itself never sees it.',
      },
    },
    required: ['url'],
    additionalProperties: false,
  },
})

const CODE = `/** Posts each submitted response to a URL. Handlers decide, actions act: only the action talks to the outside. */
import { definePlugin, send } from 'manifold/plugin'
import type { SecretRef } from 'manifold/plugin'

/** The settings, as plugin.json describes them. A secret is a reference: it can be sent, not read. */
interface Config {
  readonly url: string
  readonly token?: SecretRef
}

export default definePlugin<Config>({
  on: {
    // Runs once per event inside the hub, however often a process dies. What it enqueues is kept with the event.
    'response.submitted': (event, ctx) => {
      ctx.enqueue('post', { form: event.form?.name ?? '', answers: event.data ?? {} }, { key: event.id })
    },
  },
  actions: {
    // Runs until it is delivered or given up: 2xx is done, 5xx and 429 are tried again, 410 stops the installation.
    post: {
      run: ([item], ctx) => {
        if (item === undefined) return
        const { url, token } = ctx.config
        // The hub makes the request and judges the answer. To read it here: await ctx.http({...}).
        return send({
          method: 'POST',
          url,
          // Stable over every retry: receivers can tell a repeat.
          headers: { 'idempotency-key': item.delivery.id, ...(token === undefined ? {} : { authorization: ['Bearer ', token] }) },
          json: item.input,
        })
      },
    },
  },
})
`

const TEST = `/** Run with: manifold plugin test <this folder> */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import plugin from ${SPECIFIER}

type Handler = NonNullable<NonNullable<typeof plugin.on>[string]>
type Context = Parameters<Handler>[1]

const URL = 'https://receiver.example/hook'

/** A context that writes down what the plugin asks for; \`more\` replaces what a test needs otherwise. */
function fakeContext(more: Partial<Context> = {}): { ctx: Context; enqueued: unknown[] } {
  const enqueued: unknown[] = []
  const ctx = { config: { url: URL }, enqueue: (...call: unknown[]) => void enqueued.push(call), ...more } as Context
  return { ctx, enqueued }
}

test('a submitted response is enqueued once, with its form and answers', async () => {
  const { ctx, enqueued } = fakeContext()
  const event = { id: 'evt_1', type: 'response.submitted', v: 1, at: '2026-01-01T00:00:00Z', data: { email: 'ada@example.com' }, form: { id: 'f', name: 'Contact', version: 1, fields: [] } } as const
  await plugin.on?.['response.submitted']?.(event, ctx)
  assert.deepEqual(enqueued, [['post', { form: 'Contact', answers: { email: 'ada@example.com' } }, { key: 'evt_1' }]])
})

test('the delivery becomes one request to the URL, under an id that never changes', async () => {
  const item = { input: { answers: {} }, delivery: { id: 'dlv_1', attempt: 1, createdAt: '2026-01-01T00:00:00Z' } }
  const { ctx } = fakeContext()
  assert.deepEqual(await plugin.actions?.['post']?.run([item], ctx), {
    outcome: 'send',
    request: { method: 'POST', url: URL, headers: { 'idempotency-key': 'dlv_1' }, json: { answers: {} } },
  })
})
`

const readme = (id: string): string => `# ${id}

Posts each submitted response to a URL.

\`\`\`yaml
installations:
  - id: ${id}
    use: ${id}
    with:
      url: https://receiver.example/hook
      # token: "\${TOKEN}"
\`\`\`

* \`plugin.json\` says everything the plugin may do; what it leaves out is denied.
* \`index.ts\` is the code. It runs in a sandbox: no file system, no network but what the hub sends to the hosts of \`plugin.json\`.
* Answers to fields that a form marks \`pii\` are left out until the installation says \`pii: true\`.
* A receiver on this machine is reached when manifold.yaml says \`network: { allow: [127.0.0.1/32] }\`.
* \`manifold plugin test .\` compares the two and runs \`*.test.ts\`.
* \`manifold dev\` loads the plugin again whenever a file is saved.
`
