/** The files of a new plugin. They are built, checked and tested by our own tests as they stand here. */
import { manifestSchema } from '../registry/manifest.ts'
import { pluginTypes, TYPES_FILE } from '../registry/plugin-types.ts'

const MAIN = 'index.ts'
/** Apart from its sentence, so that nothing takes the text below for an import of ours. */
const TYPES = `'./${TYPES_FILE}'`

/** File name → text. `hub` is the way from the plugin's folder to the hub's. */
export const pluginFiles = (id: string, hub: string): Readonly<Record<string, string>> => {
  const written = manifest(id)
  return {
    'plugin.json': json({ $schema: `${hub}/core/contract/plugin.schema.json`, ...written }),
    [MAIN]: CODE,
    [TYPES_FILE]: pluginTypes(manifestSchema.parse(written)),
    'index.test.ts': TEST,
    'tsconfig.json': json(tsconfig(hub)),
    // Without one of its own, `npm install` in here would add the package to a folder above: the hub's. Its script is
    // what `npm run -s manifold --` finds in here; without it npm ends with 1 and not a word.
    'package.json': json({
      name: id,
      private: true,
      type: 'module',
      scripts: { manifold: `node "${hub}/core/bootstrap.mjs"` },
    }),
    'README.md': readme(id),
  }
}

const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`

const manifest = (id: string) => ({
  id,
  name: id.replaceAll('-', ' ').replace(/^./, (first) => first.toUpperCase()),
  description: 'Posts each submitted response to a URL.',
  version: '0.1.0',
  hub: '^1.0',
  main: MAIN,
  on: { 'response.submitted': { data: ['data', 'form'] } },
  actions: {
    post: {
      title: 'Post the answers',
      input: {
        type: 'object',
        properties: { form: { type: 'string' }, answers: { type: 'object' } },
        required: ['form', 'answers'],
        additionalProperties: false,
      },
    },
  },
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

/** For editors and `tsc -p`: the hub's own settings, and where the names a plugin imports are. */
const tsconfig = (hub: string) => ({
  extends: `${hub}/tsconfig.json`,
  compilerOptions: {
    module: 'esnext',
    moduleResolution: 'bundler',
    typeRoots: [`${hub}/node_modules/@types`],
    paths: {
      'manifold/plugin': [`${hub}/core/contract/index.ts`],
      'manifold/plugin/testing': [`${hub}/core/testing/index.ts`],
    },
  },
  include: ['*.ts'],
  exclude: [],
})

const CODE = `/** Posts each submitted response to a URL. Handlers decide, actions act: only the action talks to the outside. */
import { definePlugin, send } from 'manifold/plugin'
// What plugin.json says, as types; after a change there: manifold plugin types
import type { Plugin } from ${TYPES}

export default definePlugin<Plugin>({
  on: {
    // Runs once per event inside the hub, however often a process dies. What it enqueues is kept with the event.
    'response.submitted': (event, ctx) => {
      ctx.enqueue('post', { form: event.form?.name ?? '', answers: event.data }, { key: event.id })
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
          headers: {
            // Stable over every retry: receivers can tell a repeat.
            'idempotency-key': item.delivery.id,
            // A secret is a reference: it can be sent, not read.
            ...(token === undefined ? {} : { authorization: ['Bearer ', token] }),
          },
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
import { conformance, testPlugin } from 'manifold/plugin/testing'

const URL = 'https://receiver.example/hook'
const SETTINGS = { dir: import.meta.dirname, config: { url: URL }, secrets: { token: 'a token of mine' } }
const FORMS = { contact: { name: 'Contact', fields: [{ key: 'email', type: 'email' as const }] } }

test('a submitted response becomes one request, with its form and answers', async () => {
  await using plugin = await testPlugin({ ...SETTINGS, forms: FORMS })
  plugin.http.on(\`POST \${URL}\`, 200)
  await plugin.submit('contact', { email: 'ada@example.com' })
  const [delivery] = await plugin.settle()
  const [request] = plugin.http.requests
  assert.equal(delivery?.state, 'delivered')
  assert.deepEqual(request?.json(), { form: 'Contact', answers: { email: 'ada@example.com' } })
  assert.equal(request?.headers['authorization'], 'Bearer a token of mine')
  assert.equal(request?.headers['idempotency-key'], delivery?.id)
})

test('a receiver that is away is asked again later, under the same id', async () => {
  await using plugin = await testPlugin({ ...SETTINGS, forms: FORMS })
  plugin.http.on(\`POST \${URL}\`, [503, 200])
  await plugin.submit('contact', { email: 'ada@example.com' })
  assert.deepEqual((await plugin.settle()).map(({ state }) => state), ['retrying'])
  assert.deepEqual((await plugin.advance('1m')).map(({ state }) => state), ['delivered'])
  const ids = plugin.http.requests.map(({ headers }) => headers['idempotency-key'])
  assert.equal(ids.length, 2)
  assert.equal(ids[0], ids[1])
})

test('it does what the hub expects of every plugin', async () => {
  await conformance(import.meta.dirname, { config: { url: URL } })
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

In a clone of the hub \`manifold\` is \`npm run -s manifold --\`, in this folder as well.

* \`plugin.json\` says everything the plugin may do; what it leaves out is denied.
* \`index.ts\` is the code. It runs in a sandbox: no file system, no network but what the hub sends to the hosts of \`plugin.json\`.
* \`types.d.ts\` is made from \`plugin.json\`: \`manifold plugin types .\` after each change there.
* \`manifold plugin test .\` checks all of it in the sandbox and runs \`*.test.ts\`.
* \`npm install <package>\` in here adds a package in pure JavaScript; the hub bundles it with the plugin.
* \`manifold dev\` loads the plugin again whenever a file is saved.
* Answers to fields that a form marks \`pii\` are left out until the installation says \`pii: true\`.
* A receiver on this machine is reached when manifold.yaml says \`network: { allow: [127.0.0.1/32] }\`.
`
