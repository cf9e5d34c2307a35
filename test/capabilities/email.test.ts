/** `ctx.email` out of the real sandbox: who may be written to, what cannot be smuggled in, what comes of the answers. */
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { maskedAddress, mailAddress } from '../../core/capabilities/mail-address.ts'
import { testPlugin } from '../../core/testing/index.ts'
import type { TestPlugin, TestPluginOptions } from '../../core/testing/index.ts'
import { pluginFiles } from '../testing/plugins.ts'

const field = (key: string, type: 'email' | 'text', pii: boolean) => ({ key, type, pii })
const FORMS = {
  contact: {
    name: 'Contact',
    fields: [field('email', 'email', true), field('work', 'email', false), field('name', 'text', false)],
  },
}

/** Sends what it is told to. */
const CODE = `import { classify, definePlugin } from 'manifold/plugin'
export default definePlugin({
  on: { 'response.submitted': (event, ctx) => ctx.enqueue('mail', { to: String(event.data?.to ?? 'ada@example.com'), subject: 'Hi', text: 'Dear you' }) },
  actions: {
    mail: { run: async ([item], ctx) => classify(await ctx.email(item.input)) },
    two: { run: async ([item], ctx) => { await ctx.email(item.input); return classify(await ctx.email(item.input)) } },
    many: { run: async (items, ctx) => classify(await ctx.email(items[0].input)) },
  },
  schedules: { daily: async (_tick, ctx) => { await ctx.email({ to: 'team@example.org', subject: 'Hi', text: 'x' }) } },
})
`
const to = ['@config.to', '@config.more', '@data.email', '@data.work', '@data.name']
const FILES = pluginFiles(
  {
    on: { 'response.submitted': { data: ['data'] } },
    actions: { mail: {}, two: {}, many: { batch: { max: 5, waitMs: 0 } } },
    schedules: { daily: { cron: '0 8 * * *' } },
    permissions: { email: { to } },
    config: {
      type: 'object',
      properties: {
        to: { type: 'string' },
        more: { type: 'array', items: { type: 'string' } },
        fallback: { type: 'string', default: 'author@plugins.example' },
      },
    },
  },
  CODE,
)
const open = (more: Partial<TestPluginOptions> = {}) =>
  testPlugin({ files: FILES, forms: FORMS, config: { to: 'team@example.org' }, retryMs: [1_000], ...more })
const MAIL = { to: 'team@example.org', subject: 'Hi', text: 'Dear you' }

const run = async (plugin: TestPlugin, input: object, action = 'mail') => {
  plugin.email.forget()
  const [outcome] = await plugin.run(action, [{ input: input as never }])
  return { outcome: outcome?.outcome, code: outcome?.code, sent: plugin.email.sent.length }
}
const DENIED = { outcome: 'dead', code: 'capability_denied', sent: 0 }
const WRONG = { outcome: 'dead', code: 'capability_input', sent: 0 }

describe('who may be written to', () => {
  test('addresses that the admin typed, and nobody else', async () => {
    await using plugin = await open({ config: { to: 'Team@Example.ORG', more: ['bob@example.net'] } })
    expect(await run(plugin, { ...MAIL, to: 'Team@example.org' })).toMatchObject({ outcome: 'delivered', sent: 1 })
    expect(await run(plugin, { ...MAIL, to: 'bob@example.net' })).toMatchObject({ outcome: 'delivered', sent: 1 })
    for (const stranger of ['eve@evil.example', 'team@example.org', 'author@plugins.example', 'x.Team@example.org'])
      expect([stranger, await run(plugin, { ...MAIL, to: stranger })]).toEqual([stranger, DENIED])
  })

  test('a setting left out allows nobody, whatever its default', async () => {
    const files = pluginFiles(
      {
        actions: { mail: {} },
        permissions: { email: { to: ['@config.to'] } },
        config: { type: 'object', properties: { to: { type: 'string', default: 'author@plugins.example' } } },
      },
      `import { definePlugin } from 'manifold/plugin'
export default definePlugin({ actions: { mail: { run: async ([item], ctx) => { await ctx.email(item.input) } } } })`,
    )
    await using plugin = await testPlugin({ files })
    expect(await run(plugin, { ...MAIL, to: 'author@plugins.example' })).toEqual(DENIED)
  })

  test('the answer of the own response to a field of type email, if the plugin may see it', async () => {
    const answers = { email: 'ada@example.com', work: 'ada@work.example', name: 'eve@evil.example' }
    await using blind = await open()
    await using seeing = await open({ grants: { pii: ['email'] } })
    const states = async (plugin: TestPlugin, address: string) => {
      plugin.email.forget()
      await plugin.submit('contact', { ...answers, to: address })
      const [delivery] = (await plugin.settle()).toReversed()
      return [delivery?.state, delivery?.errorCode, plugin.email.sent.map((mail) => mail.to)]
    }
    expect(await states(blind, 'ada@work.example')).toEqual(['delivered', null, ['ada@work.example']])
    expect(await states(blind, 'ada@example.com')).toEqual(['dead', 'capability_denied', []])
    expect(await states(seeing, 'ada@example.com')).toEqual(['delivered', null, ['ada@example.com']])
    // A field of type text is no address, whatever it says; nor is one that the manifest does not name.
    expect(await states(seeing, 'eve@evil.example')).toEqual(['dead', 'capability_denied', []])
    await seeing.submit('contact', { email: 'someone@example.com' })
    // Another response's answer is nobody's permission.
    expect(await states(seeing, 'someone@example.com')).toEqual(['dead', 'capability_denied', []])
  })

  test('without the permission nobody, and only out of an action that runs for one delivery', async () => {
    const { 'plugin.json': manifest = '', ...code } = FILES
    const bare = JSON.stringify({ ...(JSON.parse(manifest) as object), permissions: {} })
    await using denied = await testPlugin({ files: { 'plugin.json': bare, ...code }, config: { to: MAIL.to } })
    expect(await run(denied, MAIL)).toEqual(DENIED)
    await using plugin = await open()
    expect(await plugin.fire('daily')).toMatchObject({ outcome: 'dead', code: 'capability_denied' })
    const items = [{ input: MAIL }, { input: MAIL }]
    expect((await plugin.run('many', items)).map(({ code }) => code)).toEqual([
      'capability_denied',
      'capability_denied',
    ])
    expect(await run(plugin, MAIL, 'many')).toMatchObject({ outcome: 'delivered', sent: 1 })
  })

  test.each([
    [{ to: ['someone@plugins.example'] }, 'says not whom'],
    [{ to: ['@config.nobody'] }, 'names a setting that "config" does not describe'],
    [{ to: ['@data.'] }, 'says not whom'],
    [{ to: [] }, 'permissions/email/to'],
  ])('a manifest cannot ask for %j', async (email, why) => {
    const files = pluginFiles({ actions: { mail: {} }, permissions: { email } }, CODE)
    await expect(testPlugin({ files })).rejects.toThrow(why)
  })

  test('a setting that is no address is told before anything runs', async () => {
    await expect(open({ config: { to: 'Team <team@example.org>' } })).rejects.toThrow(
      'with.to: must be an e-mail address',
    )
  })
})

const LINE_ENDS = ['\n', '\r', '\r\n', '\r\n ', '\u0000', '\u000b', '\u0085', '\u2028', '\u2029']
const INJECTIONS = LINE_ENDS.map((end) => `Hi${end}Bcc: eve@evil.example`)

describe('nothing can be smuggled in', () => {
  const ADDRESSES = [
    ...INJECTIONS,
    ...LINE_ENDS.flatMap((end) => [
      `team@example.org${end}`,
      `${end}team@example.org`,
      `team@example.org${end}Bcc: eve@evil.example`,
    ]),
    'team@example.org, eve@evil.example',
    'team@example.org;eve@evil.example',
    'team@example.org eve@evil.example',
    'Team <team@example.org>',
    '<team@example.org>',
    'team@example.org>',
    '"team@example.org"@evil.example',
    'team@example.org@evil.example',
    'eve%evil.example@example.org@evil.example',
    '@relay.example:team@example.org',
    'friends: team@example.org;',
    'team(comment)@example.org',
    'team@[127.0.0.1]',
    'team@example..org',
    'team@example%2eorg',
    'team@example.org/x',
    'team@\u00adexample.org\u200b\n',
    'tеam@example.org',
    '',
    'team',
  ]
  test('into an address: nobody else is written to, and nothing else is named for answers', async () => {
    await using plugin = await open()
    for (const address of ADDRESSES) {
      const got = await run(plugin, { ...MAIL, to: address })
      expect([address, got.outcome, got.sent]).toEqual([address, 'dead', 0])
      expect([address, await run(plugin, { ...MAIL, replyTo: address })]).toMatchObject([
        address,
        { outcome: 'delivered', sent: 1 },
      ])
      expect(plugin.email.sent).toMatchObject([{ to: MAIL.to, replyTo: null }])
    }
  })

  test.each(['to', 'replyTo'])('into %s by another type', async (name) => {
    await using plugin = await open()
    for (const value of [['team@example.org', 'eve@evil.example'], { address: 'eve@evil.example' }, 7])
      expect(await run(plugin, { ...MAIL, [name]: value })).toEqual(WRONG)
  })

  test('into subject and headers', async () => {
    await using plugin = await open()
    for (const text of INJECTIONS) {
      expect([text, await run(plugin, { ...MAIL, subject: text })]).toEqual([text, WRONG])
      expect([text, await run(plugin, { ...MAIL, headers: { 'x-note': text } })]).toEqual([text, WRONG])
      expect([text, await run(plugin, { ...MAIL, headers: { [`x-note${text}`]: 'x' } })]).toEqual([text, WRONG])
    }
    for (const name of [
      'bcc',
      'Cc',
      'to',
      'From',
      'sender',
      'return-path',
      'message-id',
      'content-type',
      'dkim-signature',
      'received',
      'x-a b',
      'x-a:b',
      '',
    ])
      expect([name, await run(plugin, { ...MAIL, headers: { [name]: 'x' } })]).toEqual([name, WRONG])
    expect(await run(plugin, { ...MAIL, headers: { 'x-note': 'a', 'X-Note': 'b' } })).toEqual(WRONG)
    expect(
      await run(plugin, { ...MAIL, attachments: [{ path: '/etc/passwd' }], bcc: 'eve@evil.example', raw: 'x' }),
    ).toMatchObject({ outcome: 'delivered' })
    expect(Object.keys(plugin.email.sent[0] ?? {})).toEqual([
      'messageId',
      'from',
      'to',
      'replyTo',
      'subject',
      'text',
      'html',
      'headers',
    ])
  })

  test('an address is one, and is the same however its domain is written', () => {
    expect(mailAddress("o'hara+tag@EXAMPLE.com")).toBe("o'hara+tag@example.com")
    expect(mailAddress('ada@bücher.example')).toBe('ada@xn--bcher-kva.example')
    expect(mailAddress(`${'a'.repeat(65)}@example.com`)).toBeNull()
    expect(maskedAddress('ada@example.com')).toBe('a***@example.com')
  })
})

describe('what comes of it', () => {
  test('taken, later, never, nobody knows: and the same message each time', async () => {
    await using plugin = await open({ grants: { pii: true }, retryMs: [1_000, 1_000, 1_000, 1_000] })
    plugin.email.answer([{ error: 'email_connect' }, 450, 'lost', 250])
    await plugin.submit('contact', { email: 'ada@example.com' })
    const seen: unknown[] = []
    for (let n = 0; n < 4; n++) {
      const [delivery] = await (n === 0 ? plugin.settle() : plugin.advance('1s'))
      seen.push([delivery?.state, delivery?.errorCode])
    }
    expect(seen).toEqual([
      ['retrying', 'email_connect'],
      ['retrying', 'smtp_450'],
      ['retrying', 'ambiguous'],
      ['delivered', null],
    ])
    const [delivery] = await plugin.deliveries()
    expect(new Set(plugin.email.sent.map(({ messageId }) => messageId))).toEqual(
      new Set([`<${delivery?.id}@manifold.example>`]),
    )
    expect(plugin.email.sent).toHaveLength(4)
  })

  test("5xx is dead; a refused login is nobody's fault, and costs the message nothing", async () => {
    await using plugin = await open()
    plugin.email.answer(550)
    expect(await run(plugin, MAIL)).toMatchObject({ outcome: 'dead', code: 'smtp_550' })
    plugin.email.answer({ error: 'email_auth' })
    expect(await run(plugin, MAIL)).toMatchObject({ outcome: 'unauthorized', code: 'credential_refused' })
  })

  test('the log shows the exchange, of the address only so much', async () => {
    await using plugin = await open()
    plugin.email.answer({ code: 250, response: '250 2.0.0 queued as 7' })
    await run(plugin, { ...MAIL, html: '<p>x</p>', replyTo: 'ada@example.com', headers: { 'X-Note': 'n' } })
    expect(plugin.exchanges()).toEqual([
      expect.objectContaining({
        method: 'SMTP',
        url: 'smtp://mail.manifold.example:587',
        status: 250,
        responseBody: '250 2.0.0 queued as 7',
        requestBody: MAIL.text,
        requestHeaders: expect.objectContaining({
          to: 't***@example.org',
          'reply-to': 'a***@example.com',
          subject: 'Hi',
          'x-note': 'n',
        }) as object,
        error: null,
      }),
    ])
    expect(JSON.stringify(plugin.exchanges())).not.toContain(MAIL.to)
  })
})

describe('limits', () => {
  test('one e-mail a delivery', async () => {
    await using plugin = await open()
    expect(await run(plugin, MAIL, 'two')).toMatchObject({
      outcome: 'dead',
      code: 'capability_limit',
      sent: LIMITS.pluginEmailsMax,
    })
  })

  test('an e-mail has so many bytes', async () => {
    await using plugin = await open()
    expect(await run(plugin, { ...MAIL, text: 'a'.repeat(LIMITS.emailBytesMax / 2) })).toMatchObject({
      outcome: 'delivered',
    })
    expect(await run(plugin, { ...MAIL, text: 'a'.repeat(LIMITS.emailBytesMax) })).toMatchObject({
      code: 'capability_limit',
      sent: 0,
    })
  })
})
