/** The connector in the real sandbox, for its tests: all that it sends is carried to the double over a real socket. */
import { testPlugin } from 'manifold/plugin/testing'
import type { TestPlugin, TestPluginOptions } from 'manifold/plugin/testing'
import type { Fake } from './server.ts'

export const FIELDS = { LastName: '{{data.name}}', Company: '{{data.company}}', Email: '{{data.email}}' }

const ANSWER_TIMEOUT_MS = 10_000

export const secretAuth = ({ app }: Fake) => ({
  flow: 'client_credentials',
  clientId: app.clientId,
  clientSecret: app.clientSecret,
})

export async function openPlugin(
  fake: Fake,
  config: object = {},
  more: Partial<TestPluginOptions> = {},
): Promise<TestPlugin> {
  const plugin = await testPlugin({
    dir: new URL('..', import.meta.url).pathname,
    config: { instanceUrl: fake.url, auth: secretAuth(fake), fields: FIELDS, ...config },
    retryMs: [1_000, 5_000, 30_000, 300_000, 1_800_000],
    now: new Date(),
    ...more,
  })
  plugin.http.on(`* ${fake.url}/*`, async ({ method, url, headers, body }) => {
    const { 'accept-encoding': _, ...sent } = headers
    try {
      const answer = await fetch(url, {
        method,
        headers: sent,
        ...(method === 'GET' ? {} : { body }),
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      })
      return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() }
    } catch (error) {
      return { error: (error as Error).name === 'TimeoutError' ? 'http_timeout' : 'http_reset' }
    }
  })
  return plugin
}

export const person = (n: number, more: object = {}) => ({
  type: 'response.submitted',
  data: { name: `Name ${n}`, company: 'Acme', email: `n${n}@example.com`, ...more },
})

export const collectionsOf = (fake: Fake) => fake.requests.filter(({ path }) => path.includes('/composite/'))
