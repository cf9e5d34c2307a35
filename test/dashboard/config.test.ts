/** Config on the dashboard: each setting with its line, as it runs and as it is on disk; who may see which; nothing secret. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { until } from '../support/wait.ts'

const SECRET = 'seal-that-nobody-sees'
const FILE = `network: { allow: [127.0.0.1/32] }
forms:
  contact:
    name: Contact
    fields: [{ key: email, type: email }]
installations:
  - id: crm
    use: webhooks
    retry: { schedule: [] }
    with:
      url: http://127.0.0.1:9/in
      secretHeaders: { authorization: ${SECRET} }
  - id: far
    workspace: tenant
    use: webhooks
    with: { url: "https://tenant.example/in" }
  - { id: zapier, use: zapier }
`
let hub: Hub
let cookie = ''

beforeAll(async () => {
  hub = await startHub({ config: FILE })
  const answer = await fetch(`${hub.url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: hub.url },
    body: new URLSearchParams({ key: hub.adminKey }),
  })
  cookie = String(answer.headers.getSetCookie()[0])
})
afterAll(() => hub?.[Symbol.asyncDispose]())

const page = async (path: string): Promise<string> => (await fetch(hub.url + path, { headers: { cookie } })).text()

interface Settings {
  readonly readable: boolean
  readonly items: readonly { name: string; on_disk: string; running: { line: number } | null }[]
}
const settings = async (query = '') => (await hub.api<Settings>('GET', `/api/v2/config/settings${query}`)).body

test('every setting has its line, on the list, on the installation and on the form; no secret shows', async () => {
  const shown = [await page('/config'), await page('/installations/crm'), await page('/forms/contact')]
  expect(shown[0]).toMatch(/installations\.crm\.with\.url[\s\S]*?manifold\.yaml:11</)
  expect(shown[1]).toMatch(/Managed by <code>manifold\.yaml:7<\/code>[\s\S]*?- id: crm[\s\S]*?manifold\.yaml:11/)
  expect(shown[2]).toMatch(/Managed by <code>manifold\.yaml:4<\/code>[\s\S]*?name: Contact/)
  expect(shown.join('')).not.toContain(SECRET)
  expect(JSON.stringify(await settings())).not.toContain(SECRET)
  const filtered = await page('/config?text=crm.with')
  expect([filtered.includes('crm.with.url'), filtered.includes('forms.contact')]).toEqual([true, false])
})

test('settings are for admins, each of its own workspace', async () => {
  expect((await settings('?installation=far')).items).toEqual([])
  expect(JSON.stringify(await settings())).not.toContain('tenant.example')
  const made = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'x', scopes: ['deliveries:write'] })
  const asked = await hub.api('GET', '/api/v2/config/settings', undefined, { key: made.body.key })
  expect(asked.status).toBe(403)
})

test('a delivery that dies at its first attempt says so at the attempt', async () => {
  await hub.api('POST', '/api/v2/forms/contact/responses', { data: { email: 'ada@example.com' } })
  const dead = await until(
    'a dead letter',
    async () => (await hub.api<{ items: { id: string }[] }>('GET', '/api/v2/dead-letters')).body.items[0],
  )
  const shown = await page(`/deliveries/${dead?.id}`)
  expect(shown).toMatch(/<strong>Try 1<\/strong> <span class="chip bad">dead<\/span>/)
})

const post = (path: string, fields: Record<string, string>) =>
  fetch(hub.url + path, { method: 'POST', headers: { cookie, origin: hub.url }, body: new URLSearchParams(fields) })

test('an installation is composed from the schema of its plugin: what is wrong is said at its field, secrets are only named', async () => {
  const blank = await page('/plugins/slack/install')
  expect(blank).toMatch(/<input id="\/with\/token"[\s\S]*?environment variable that holds it/)
  const sent = await post('/plugins/slack/install', {
    id: 'crm',
    '/with/webhookUrl': 'SLACK_URL_THAT_IS_NOT_SET',
    '/with/text': 'New: {{data.email}}',
    '/with/digest/at': 'noon',
  })
  const said = await sent.text()
  expect(sent.status).toBe(422)
  expect(said).toMatch(/id="id-about"><p class="error">the id &quot;crm&quot; is taken/)
  expect(said).toMatch(/id="\/with\/webhookUrl-about"><p class="error">environment variable SLACK_URL_THAT_IS_NOT_SET/)
  expect(said).toContain('New: {{data.email}}')
})

test('what was begun as JSON and is none fits nowhere, and stays as it was typed', async () => {
  const sent = await post('/plugins/webhooks/install', {
    id: 'second',
    '/with/url': 'https://crm.example/in',
    '/with/template': '{"email": "{{data.email}}"',
  })
  const said = (await sent.text()).replaceAll('&quot;', '"')
  expect([sent.status, said.includes('It fits.')]).toEqual([422, false])
  expect(said).toMatch(/id="\/with\/template-about"><p class="error">is no JSON/)
  expect(said).toMatch(/<textarea[^>]*>\s*\{"email": "\{\{data\.email\}\}"<\/textarea>/)
})

test('what fits comes as a piece of the file; values keep the types of the schema, what is left empty is left out', async () => {
  const sent = await post('/plugins/webhooks/install', {
    id: 'second',
    form: 'contact',
    '/with/url': 'https://crm.example/in',
    '/with/method': 'PUT',
    '/with/headers': 'x-one: 1\nx-two: a: b',
    '/with/secretHeaders': 'authorization: HOME',
    '/when/filter': '{"data.email": {"$exists": true}}',
    '/when/event': 'response.submitted',
    '/retry': 'standard',
    '/rate': '10/s',
  })
  const said = (await sent.text()).replaceAll('&quot;', '"').replaceAll('&#39;', "'")
  expect(said).toContain('It fits.')
  expect(said).toMatch(
    /at the end of the list <code>installations:<\/code>, below what ends at <code>[^<]*manifold\.yaml:17</,
  )
  const yaml = /role="status">[\s\S]*?<pre[^>]*><code>([\s\S]*?)<\/code>/.exec(said)?.[1]
  expect({ installations: parse(yaml ?? '') as unknown }).toEqual({
    installations: [
      {
        id: 'second',
        use: 'webhooks',
        with: {
          url: 'https://crm.example/in',
          method: 'PUT',
          headers: { 'x-one': '1', 'x-two': 'a: b' },
          secretHeaders: { authorization: '${HOME}' },
        },
        when: { event: ['response.submitted'], filter: { 'data.email': { $exists: true } }, form: 'contact' },
        retry: 'standard',
        rate: '10/s',
      },
    ],
  })
  const change = await page('/installations/crm/change')
  expect(change).toContain('value="http://127.0.0.1:9/in"')
  expect(change).not.toContain(SECRET)
  const kept = await (
    await post('/installations/crm/change', { id: 'x', '/with/url': 'https://crm.example/in' })
  ).text()
  expect(kept).toMatch(
    /the place of what stands at <code>manifold\.yaml:7<\/code>[\s\S]*?- id: crm[\s\S]*?schedule: \[\]/,
  )
})

test('what is on disk and does not run is told apart; a file that is no YAML is no reason to show nothing', async () => {
  // Neither is taken over: a mistake keeps the last good file running.
  await hub.writeConfig(FILE.replace('name: Contact', 'title: Contact').replace(SECRET, 'another'))
  const { items } = await settings()
  const states = Object.fromEntries(items.map(({ name, on_disk: state }) => [name, state]))
  expect(states).toMatchObject({
    'forms.contact.name': 'gone',
    'forms.contact.title': 'new',
    'installations.crm.with.secretHeaders.authorization': 'changed',
    'installations.crm.with.url': 'same',
  })
  const changed = await page('/config?on_disk=changed')
  expect(changed).toContain('secretHeaders.authorization')
  expect(changed).not.toMatch(/another|crm\.with\.url/)
  await hub.writeConfig('forms: [')
  expect(await settings()).toMatchObject({ readable: false, items: { length: items.length - 1 } })
  expect(await page('/config')).toContain('no YAML')
})

test('hooks of one form and one program are told apart: by the Zap, the key, when each was made and ended, and why', async () => {
  const ids: string[] = []
  for (const zap of ['4711', '4712']) {
    const made = await hub.api<{ id: string; key: string }>('POST', '/api/v2/keys', {
      name: `key of ${zap}`,
      scopes: ['hooks:write', 'responses:read'],
    })
    const wish = {
      target_url: 'http://127.0.0.1:9/h',
      event: 'response.submitted',
      form_id: 'contact',
      source: 'zapier',
    }
    const hook = await hub.api('POST', '/api/v2/hooks', { ...wish, meta: { zap_id: zap } }, { key: made.body.key })
    expect(hook.status).toBe(201)
    ids.push(made.body.id)
  }
  await hub.api('DELETE', `/api/v2/keys/${ids[0]}?force=true`)
  const { body } = await hub.api<{ items: Record<string, unknown>[] }>('GET', '/api/v2/hooks?state=stopped')
  expect(body.items).toMatchObject([{ key_name: 'key of 4711', ended_at: expect.stringMatching(/^20\d\d-/) }])
  const shown = await page('/hooks')
  for (const zap of ['4711', '4712'])
    expect(shown).toMatch(new RegExp(`Zap <code>${zap}</code>[\\s\\S]*?with key of ${zap}<`))
  expect(shown).toMatch(/key revoked<\/span><br><span class="soft"><time[\s\S]*?its key \(key of 4711\) was revoked at/)
})
