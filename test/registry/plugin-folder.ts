/** Writes plugin folders for tests. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export const HELLO = {
  id: 'hello',
  name: 'Hello',
  version: '1.0.0',
  hub: '^1.0',
  main: 'index.ts',
  on: { 'response.submitted': { data: ['data'] } },
  actions: { post: {} },
  permissions: { http: { hosts: ['@config.url'], methods: ['POST'] } },
  config: {
    type: 'object',
    properties: {
      url: { type: 'string', format: 'uri' },
      secret: { type: 'string', format: 'secret' },
      port: { type: 'integer', default: 8 },
    },
    required: ['url'],
    additionalProperties: false,
  },
}

export const CODE = `import { definePlugin } from 'manifold/plugin'
export default definePlugin({
  on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', { id: event.id }) },
  actions: { post: { run: async () => undefined } },
})
`

/** `manifest` as text stands in the file as it is. */
export async function writePlugin(
  root: string,
  id: string,
  files: { manifest?: object | string; code?: string | null } = {},
): Promise<string> {
  const dir = join(root, id)
  await mkdir(dir, { recursive: true })
  const { manifest = { ...HELLO, id }, code = CODE } = files
  await writeFile(join(dir, 'plugin.json'), typeof manifest === 'string' ? manifest : JSON.stringify(manifest))
  if (code !== null) await writeFile(join(dir, 'index.ts'), code)
  return dir
}
