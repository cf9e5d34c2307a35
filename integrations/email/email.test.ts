/** Whom the connector writes to and what, that no answer gets into headers or markup, and what the server's words come to. */
import { expect, test } from 'vitest'
import { testPlugin } from 'manifold/plugin/testing'
import type { TestPlugin, TestPluginOptions } from 'manifold/plugin/testing'
import { asHtml, asText } from './templates.ts'

const FIELDS = [
  { key: 'email', label: 'E-mail', type: 'email' as const, pii: true },
  { key: 'name', label: 'Name', type: 'text' as const },
]
const forms = { contact: { name: 'Contact', fields: FIELDS } }
const ADMINS = ['ann@acme.example', 'bob@acme.example']
const open = (config: object, more: Partial<TestPluginOptions> = {}): Promise<TestPlugin> =>
  testPlugin({ dir: import.meta.dirname, forms, grants: { pii: ['email'] }, config: { ...config }, ...more })
const told = (plugin: TestPlugin) => plugin.email.sent.map(({ to, subject }) => [to, subject])
const EVIL = 'Eve\r\nBcc: all@evil.example\u2028<script>alert("1")</script> & co'

test('each admin gets an e-mail of their own, and so does who answered', async () => {
  await using plugin = await open({
    to: ADMINS,
    replyTo: '{{data.email}}',
    respondent: { replyTo: 'sales@acme.example' },
  })
  await plugin.submit('contact', { email: 'ada@example.com', name: 'Ada' })
  await plugin.settle()
  expect(told(plugin)).toEqual([
    ['ann@acme.example', 'New response: Contact'],
    ['bob@acme.example', 'New response: Contact'],
    ['ada@example.com', 'Thank you: Contact'],
  ])
  const [admin, , respondent] = plugin.email.sent
  expect([admin?.text, admin?.replyTo, admin?.html]).toEqual([
    'E-mail: ada@example.com\nName: Ada\n',
    'ada@example.com',
    null,
  ])
  expect(respondent?.replyTo).toBe('sales@acme.example')
  expect(new Set(plugin.email.sent.map(({ messageId }) => messageId)).size).toBe(3)
})

test('no answer makes a header, and in HTML none makes markup, whatever tag it stands in', async () => {
  await using plugin = await open({
    to: ['ann@acme.example'],
    subject: 'From {{{data.name}}}',
    html: '<p title="{{data.name}}">{{{data.name}}} {{&data.name}}</p>',
    replyTo: '{{data.name}}',
  })
  await plugin.submit('contact', { name: EVIL })
  await plugin.settle()
  const escaped = 'Eve\r\nBcc: all@evil.example\u2028&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; co'
  expect(plugin.email.sent).toMatchObject([
    {
      subject: 'From Eve Bcc: all@evil.example <script>alert("1")</script> & co',
      html: `<p title="${escaped}">${escaped} ${escaped}</p>`,
      replyTo: null,
      headers: {},
    },
  ])
})

test('an address that no e-mail can be sent to costs its own e-mail, and no other', async () => {
  for (const email of ['ada..b@docomo.ne.jp', '.ada@example.com', 'josé@example.com']) {
    await using plugin = await open({ to: ['ann@acme.example'], replyTo: '{{data.email}}', respondent: {} })
    await plugin.submit('contact', { email, name: 'Ada' })
    const ends = (await plugin.settle()).map(({ state, errorCode }) => `${state} ${errorCode ?? ''}`.trim())
    expect([email, ends.toSorted()]).toEqual([email, ['dead recipient_invalid', 'delivered']])
    expect(plugin.email.sent.map(({ to, replyTo, text }) => [to, replyTo, text])).toEqual([
      ['ann@acme.example', null, `E-mail: ${email}\nName: Ada\n`],
    ])
  }
})

test('an answer that is an object is text, whatever tag it stands in, and its names are escaped too', () => {
  const view = { data: { a: { '<b>': ['x', { c: 1 }] } } }
  for (const tag of ['{{data.a}}', '{{{data.a}}}', '{{&data.a}}']) {
    expect(asText(tag, view, 'text')).toBe('{"<b>":["x",{"c":1}]}')
    expect(asHtml(tag, view, 'html')).toBe('{"&lt;b&gt;":["x",{"c":1}]}')
  }
})

test('a long subject is cut between characters', async () => {
  await using plugin = await open({ to: ['ann@acme.example'], subject: '{{data.name}}' })
  await plugin.submit('contact', { name: '😀'.repeat(400) })
  await plugin.settle()
  expect(plugin.email.sent[0]?.subject).toBe(`${'😀'.repeat(249)}…`)
})

test('nobody is written to without an address that the installation may see', async () => {
  await using plugin = await open({ respondent: {} }, { grants: {} })
  await plugin.submit('contact', { email: 'ada@example.com' })
  await plugin.settle()
  // Not an answer left out: the admin has to grant it. Responses of other forms go on.
  expect((await plugin.deliveries())[0]).toMatchObject({ state: 'dead', errorCode: 'field_withheld' })
  expect([plugin.state(), plugin.email.sent]).toEqual(['ready', []])
  await using other = await open({ respondent: { field: 'name' } })
  await other.submit('contact', { name: 'ada@example.com' })
  // A field that is not of type email leads to nobody.
  expect((await other.settle())[0]).toMatchObject({ state: 'dead', errorCode: 'capability_denied' })
})

const ENDS: Readonly<Record<string, readonly number[]>> = {
  delivered: [250, 251],
  retrying: [421, 450, 451, 452, 454],
  dead: [500, 501, 503, 550, 551, 552, 553, 554, 555, 556],
}

test('every code of the server comes to its end, with the words of the server', async () => {
  await using plugin = await open({ to: ['ann@acme.example'] })
  for (const [state, codes] of Object.entries(ENDS)) {
    for (const code of codes) {
      plugin.email.answer({ code, response: `${code} 5.1.1 as the server says` })
      await plugin.submit('contact', { name: 'Ada' })
      const delivery = (await plugin.settle()).at(-1)
      expect(`${code} ${delivery?.state}`).toBe(`${code} ${state}`)
      if (state === 'delivered') continue
      expect(delivery?.errorCode).toBe(`smtp_${code}`)
      expect(delivery?.error).toContain('5.1.1 as the server says')
    }
  }
})

test('no such user is one thing, and that the hub may not send this is another', async () => {
  await using plugin = await open({ to: ['ann@acme.example'] })
  const said = ['554 5.7.1 relay access denied', '550-5.7.26 not\n550 5.7.26 authentic', '550 5.2.1 disabled', '550 no']
  plugin.email.answer(said.map((response) => ({ code: Number(response.slice(0, 3)), response })))
  for (const _ of said) await plugin.submit('contact', { name: 'Ada' })
  await plugin.settle()
  const codes = (await plugin.deliveries()).map(({ errorCode }) => errorCode)
  expect(codes).toEqual(['email_denied', 'email_denied', 'smtp_550', 'smtp_550'])
})

test('an answer that was lost is tried again as the same message, or not, as the installation says', async () => {
  await using plugin = await open({ to: ['ann@acme.example'] })
  plugin.email.answer(['lost', { error: 'email_timeout' }, 250])
  await plugin.submit('contact', { name: 'Ada' })
  await plugin.settle()
  expect((await plugin.advance('10m'))[0]?.state).toBe('delivered')
  expect(new Set(plugin.email.sent.map(({ messageId }) => messageId)).size).toBe(1)
})

test('a digest: one e-mail a while to each admin, with all that came, each once', async () => {
  const digest = { everyMinutes: 60, lines: 2, line: '{{data.name}}' }
  await using plugin = await open({ to: ADMINS, digest, respondent: {} }, { now: '2026-01-01T00:03:00Z' })
  for (const name of ['Ada\nLovelace', 'Bob', 'Eve']) await plugin.submit('contact', { name })
  await plugin.advance('57m')
  await plugin.advance('5m')
  await plugin.submit('contact', { name: 'Joe' })
  await plugin.advance('3h')
  const first = '3 new responses.\n\n* Ada Lovelace\n* Bob\n… and 1 more\n'
  const second = '1 new response.\n\n* Joe\n'
  expect(plugin.email.sent.map(({ to, subject, text }) => [to, subject, text])).toEqual([
    ['ann@acme.example', '3 new responses', first],
    ['bob@acme.example', '3 new responses', first],
    ['ann@acme.example', '1 new responses', second],
    ['bob@acme.example', '1 new responses', second],
  ])
})

test('a template that does not work is a dead letter with its place', async () => {
  await using plugin = await open({ to: ['ann@acme.example'], html: '{{#data}}' })
  await plugin.submit('contact', { name: 'Ada' })
  expect((await plugin.settle())[0]).toMatchObject({
    state: 'dead',
    errorCode: 'config_invalid',
    error: expect.stringContaining('html: Unclosed section'),
  })
})
