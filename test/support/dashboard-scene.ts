/** A hub with something to see on every screen, written by somebody who means harm; and a browser that looks at it. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { loadDemoForms } from '../../core/demo/forms.ts'
import { writePlugin } from '../registry/plugin-folder.ts'
import { ensureBrowser } from './browser.ts'
import { allPaths, firstOf } from './dashboard-paths.ts'
import type { Looked } from './dashboard-paths.ts'
import { startHub } from './hub.ts'
import type { Hub } from './hub.ts'
import { startReceiver } from './receiver.ts'
import type { Receiver } from './receiver.ts'
import { caughtUp, submitAll } from './surveys.ts'
import { tempDir } from './temp.ts'
import { webAccess } from './tracked.ts'
import { until } from './wait.ts'

/** A text of each class that a page may mistake for its own; each would call `hacked`. */
export const CORPUS: readonly string[] = [
  '<script>hacked()</script>',
  '"><script>hacked()</script>',
  "'><img src=x onerror=hacked()>",
  '" autofocus onfocus=hacked() x="',
  "' autofocus onfocus=hacked() x='",
  '</title><script>hacked()</script>',
  '</textarea><script>hacked()</script>',
  '</pre></code></style><svg onload=hacked()>',
  '<details open ontoggle=hacked()>',
  '<iframe srcdoc="<script>parent.hacked()</script>">',
  'javascript:hacked()//https://example.com',
  '<a href="javascript:hacked()">look</a>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--><img src=x onerror=hacked()>">',
  '<!--><script>hacked()</script>-->',
  '&lt;script&gt;hacked()&lt;/script&gt;&#60;img src=x onerror=hacked()&#62;',
  '{{constructor.constructor("hacked()")()}}${hacked()}`+hacked()+`',
  '\u2028<\u0000script>hacked()</script>\u202e',
  '=HYPERLINK("javascript:hacked()")',
]
const ALL = CORPUS.join(' ')
/** Says all of it in its log and in its error. */
const SAYS = `import { definePlugin } from 'manifold/plugin'
const ALL = ${JSON.stringify(ALL)}
export default definePlugin({
  on: {
    'response.submitted': (event, ctx) => {
      ctx.log.warn(ALL, { said: ALL })
      return ctx.enqueue('post', { id: event.id })
    },
  },
  actions: {
    post: {
      run: async (_item, ctx) => {
        ctx.log.error(ALL)
        throw new Error(ALL)
      },
    },
  },
})
`
/** Puts aside what is of this kind. */
const GUARD = `import { definePlugin, reject } from 'manifold/plugin'
export default definePlugin({
  transform: ({ data }) => (data?.kind === 'b' ? reject('unwanted', ${JSON.stringify(ALL)}) : undefined),
})
`
const GUARD_MANIFEST = {
  id: 'guard',
  name: CORPUS[5],
  description: ALL.slice(0, 500),
  version: '1.0.0',
  hub: '^1.0',
  main: 'index.ts',
  transform: { data: ['data'], whenFails: 'open' },
  config: {
    type: 'object',
    properties: { word: { type: 'string', title: CORPUS[0], description: ALL, default: CORPUS[3] } },
    additionalProperties: false,
  },
}

export interface Scene extends AsyncDisposable {
  readonly hub: Hub
  readonly receiver: Receiver
  /** Under each name other code, which asks for more than was granted, so that somebody has to approve. */
  changePlugin(name: string): Promise<void>
  /** Two real surveys with every answer, and four days of a real web server, ending now. */
  fill(): Promise<void>
  /** Every screen, with ids of things that are there; of somebody who has signed in. */
  paths(context: BrowserContext): Promise<readonly Looked[]>
}

export async function openScene(): Promise<Scene> {
  const temp = await tempDir('dashboard')
  await writePlugin(temp.file('mine'), 'hey', { code: SAYS })
  await writePlugin(temp.file('mine'), 'guard', { manifest: GUARD_MANIFEST, code: GUARD })
  const receiver = await startReceiver(({ n }) => ({
    status: 404,
    body: CORPUS[n % CORPUS.length] as string,
    headers: { 'x-said': '<script>hacked()</script>' },
  }))
  const label = (at: number): string => CORPUS[at % CORPUS.length] as string
  const hub = await startHub({
    args: ['--production'],
    config: {
      pluginDirs: [temp.file('mine')],
      network: { allow: ['127.0.0.1/32'] },
      forms: {
        contact: {
          name: `Contact ${label(0)}`,
          fields: [
            { key: 'email', label: label(1), type: 'email', pii: true },
            { key: 'note', label: label(2), type: 'long_text', help: ALL.replaceAll('$', () => '$$') },
            {
              key: 'kind',
              label: label(3),
              type: 'select',
              options: [{ value: 'a', label: label(4) }, { value: 'b' }],
            },
          ],
        },
      },
      installations: [
        {
          id: 'crm',
          use: 'webhooks',
          when: { form: 'contact' },
          with: { url: `${receiver.url}/crm` },
          retry: { schedule: [] },
        },
        {
          id: 'one',
          use: 'hey',
          with: { url: 'https://hooks.example' },
          when: { form: 'contact' },
          retry: { schedule: [] },
        },
        { id: 'guard', use: 'guard', when: { form: 'contact' } },
        { id: 'hello', use: 'hello', with: { question: 'kind' } },
        { id: 'zapier', use: 'zapier' },
        { id: 'analytics', use: 'analytics' },
      ],
    },
  })
  for (const note of [...CORPUS, ALL])
    await hub.api('POST', '/api/v2/forms/contact/responses', {
      data: { email: 'ada@example.com', note, [note.slice(0, 90)]: note },
      meta: { said: note },
    })
  const refused = await hub.api('POST', '/api/v2/forms/contact/responses', { data: { note: ALL, kind: 'b' } })
  if (refused.status !== 422) throw new Error(refused.text)
  const made = await hub.api<{ id: string }>('POST', '/api/v2/forms', {
    id: 'guests',
    name: ALL.slice(0, 200),
    fields: [{ key: 'who', label: ALL }],
  })
  if (made.status !== 201) throw new Error(made.text)
  await hub.api('POST', '/api/v2/forms/guests/responses', { data: { who: ALL } })
  await hub.api('POST', '/api/v2/keys', { name: ALL.slice(0, 100), scopes: ['forms:read'] })
  const hooked = await hub.api('POST', '/api/v2/hooks', {
    target_url: `${receiver.url}/hook?"><script>hacked()</script>`,
    event: 'form.changed',
  })
  if (hooked.status !== 201) throw new Error(hooked.text)
  const seen = [
    ...['ada', 'bob', 'cy'].map((visitor) => ({ anonymous_id: visitor, page: { path: '/' } })),
    ...['ada', 'bob'].map((visitor) => ({ anonymous_id: visitor, page: { path: '/pricing' } })),
    // Who comes back makes a cohort.
    {
      anonymous_id: 'bob',
      occurred_at: new Date(Date.now() - TWO_DAYS_MS).toISOString(),
      page: { path: '/' },
    },
    { anonymous_id: 'ada', page: { path: `/${ALL.slice(0, 300)}` } },
  ]
  const tracked = await hub.api<{ items: { status: number }[] }>('POST', '/api/v2/events/page', seen)
  if (tracked.body.items.some(({ status }) => status !== 201)) throw new Error(tracked.text)
  await caughtUp(hub)
  const noted = await hub.api('POST', '/api/v2/analytics/annotations', {
    form_id: 'contact',
    at: new Date().toISOString(),
    text: ALL.slice(0, 200),
  })
  if (noted.status !== 201) throw new Error(noted.text)
  const kept = await hub.api<{ id: string }>('POST', '/api/v2/analytics/saved', {
    name: ALL.slice(0, 100),
    kind: 'funnels',
    question: { steps: ['/', '/pricing'] },
    view: { step1: '/', step2: '/pricing', breakdown: 'device' },
    note: ALL.slice(0, 1_000),
  })
  if (kept.status !== 201) throw new Error(kept.text)
  const link = await hub.api<{ path: string }>('POST', '/api/v2/analytics/shares', {
    saved_id: kept.body.id,
    expires: '7d',
  })
  await until('dead letters', () => firstOf(hub, 'dead-letters'))
  await hub.api('POST', `/api/v2/responses/${await firstOf(hub, 'responses')}/notes`, { text: ALL })
  return {
    hub,
    receiver,
    fill: () => fill(hub),
    changePlugin: async (name) =>
      void (await writePlugin(temp.file('mine'), 'hey', {
        code: SAYS.replace('event.id', `"<script>hacked()</script> ${name}"`),
      })),
    paths: (context) => allPaths({ hub, context, saved: kept.body.id, shared: link.body.path }),
    [Symbol.asyncDispose]: async () => {
      await hub[Symbol.asyncDispose]()
      await receiver[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}

const TWO_DAYS_MS = 2 * 86_400_000

async function fill(hub: Hub): Promise<void> {
  for (const { id, name, fields, answers } of loadDemoForms()) {
    const made = await hub.api('POST', '/api/v2/forms', { id, name, fields })
    if (made.status !== 201) throw new Error(made.text)
    await submitAll(
      hub,
      id,
      answers.map(({ respondent, data }) => ({ client_id: respondent, data })),
    )
  }
  const log = webAccess()
  const laterMs = Date.now() - Math.max(...log.map(({ at }) => new Date(at).getTime()))
  const events = log.map(({ visitor, at, path }) => ({
    anonymous_id: visitor,
    occurred_at: new Date(new Date(at).getTime() + laterMs).toISOString(),
    page: { path },
  }))
  for (let from = 0; from < events.length; from += EVENTS_PER_CALL)
    await hub.api('POST', '/api/v2/events/page', events.slice(from, from + EVENTS_PER_CALL))
  await caughtUp(hub, FILL_TIMEOUT_MS)
}

const EVENTS_PER_CALL = 100
const FILL_TIMEOUT_MS = 120_000

/** Chromium, without a window. */
export const openBrowser = async (): Promise<Browser> =>
  chromium.launch({ executablePath: pathOf(await ensureBrowser()), args: ['--no-sandbox', '--disable-gpu'] })

const pathOf = (command: string): string =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, command))
    .find((file) => existsSync(file)) ?? command

/** A page of somebody who has signed in with the admin's key. */
export async function signedIn(
  browser: Browser,
  hub: Hub,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browser.newContext({ baseURL: hub.url, viewport: { width: 1_280, height: 860 }, ...options })
  const page = await context.newPage()
  await page.goto('/sign-in')
  await page.fill('#key', hub.adminKey)
  await page.press('#key', 'Enter')
  await page.waitForURL(`${hub.url}/`)
  return { context, page }
}
