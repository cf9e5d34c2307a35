/** The hub as a client of a real mail server: what is taken, refused, hung up on; TLS, logins, addresses, connections. */
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { emailBytes, type OutgoingEmail } from '../../core/capabilities/email-message.ts'
import { createMailServer, type MailServer, type MailServerOptions } from '../../core/capabilities/mail-server.ts'
import type { MailSettings } from '../../core/config/config.ts'
import { LIMITS, type Limits } from '../../core/limits.ts'
import { startMailReceiver, TLS_CA, type MailReceiver } from '../support/mail-receiver.ts'
import { until } from '../support/wait.ts'

const LOOPBACK = ['127.0.0.0/8', '::1/128']
/** As the configuration is. */
const FROM = Object.freeze({ name: 'Forms, Inc.', address: 'forms@example.org' })

type Opened = MailServer & Disposable

function open(
  mail: Pick<MailReceiver, 'port'>,
  more: Partial<MailSettings> = {},
  rest: Partial<Omit<MailServerOptions, 'limits'>> & { limits?: Partial<Limits> } = {},
): Opened {
  const settings = {
    host: 'localhost',
    port: mail.port,
    tls: 'starttls',
    user: null,
    password: null,
    from: FROM,
    ...more,
  }
  const server = createMailServer({
    allow: LOOPBACK,
    ca: TLS_CA,
    ...rest,
    settings: settings as MailSettings,
    limits: { ...LIMITS, ...rest.limits },
  })
  return { ...server, [Symbol.dispose]: () => server.close() }
}

const email = (more: Partial<OutgoingEmail> = {}): OutgoingEmail => ({
  messageId: '<dlv_1@example.org>',
  from: FROM,
  to: 'ada@example.com',
  replyTo: null,
  subject: 'Hello',
  text: 'Dear Ada',
  html: null,
  headers: {},
  ...more,
})

async function send(server: MailServer, more: Partial<OutgoingEmail> = {}, timeoutMs = 10_000, lineMs = timeoutMs) {
  const outgoing = email(more)
  return await server.send({ email: outgoing, bytes: await emailBytes(outgoing), lineMs, begins: () => timeoutMs })
}

/** The code of what `send` rejects with; what it answered, if it answered. */
const failure = (sending: Promise<unknown>): Promise<unknown> =>
  sending.then(
    (answer) => answer,
    (error: { code: string }) => error.code,
  )

describe('a message', () => {
  test('arrives as it was meant, over verified TLS, with the login of the file', async () => {
    const login = { user: 'hub', password: 'secret of the hub' }
    await using mail = await startMailReceiver({ login })
    using server = open(mail, login)
    const html = '<p>Liebe Ada, schöne Grüße</p>'
    const answer = await send(server, {
      subject: 'Grüße 🌍',
      text: 'Zeile\n.\n.. und Ende',
      html,
      replyTo: 'bob@example.net',
    })
    expect(answer).toMatchObject({ accepted: true, code: 250 })
    const [got] = await mail.received(1)
    expect(got).toMatchObject({ from: 'forms@example.org', to: ['ada@example.com'], secure: true, user: 'hub' })
    expect(got?.headers).toMatchObject({
      from: '"Forms, Inc." <forms@example.org>',
      to: 'ada@example.com',
      'reply-to': 'bob@example.net',
      'message-id': '<dlv_1@example.org>',
      'auto-submitted': 'auto-generated',
      subject: expect.stringMatching(/^=\?UTF-8\?[BQ]\?/) as string,
    })
    expect(got?.headers['content-type']).toMatch(/^multipart\/alternative/)
    expect(got?.body).toContain('Zeile\r\n.\r\n.. und Ende')
  })

  test('of the same delivery is the same bytes again, but for the date', async () => {
    const bytes = async () => (await emailBytes(email({ html: '<b>x</b>' }))).toString().replace(/^Date: .*$/m, '')
    expect(await bytes()).toBe(await bytes())
  })

  test('in two forms is divided by what RFC 2046 takes as a boundary', async () => {
    const messageId = `<dlv_${'0'.repeat(26)}@mail.a-rather-long-name-of-a-department.example.org>`
    const raw = (await emailBytes(email({ messageId, html: '<b>x</b>' }))).toString()
    const boundary = /boundary="([^"]*)"/.exec(raw)?.[1] ?? ''
    expect(boundary).toMatch(/^[\w'()+,./:=?-]{1,70}$/)
    expect(raw.split(`--${boundary}`)).toHaveLength(4)
  })
})

describe('what the server says', () => {
  test.each([
    ['a recipient it does not know', { to: { code: 550, text: '5.1.1 no such user' } }, 550, 0],
    ['a greylist', { to: { code: 450, text: '4.7.1 later' } }, 450, 0],
    ['a recipient it does not take from the hub', { to: { code: 554, text: '5.7.1 relay denied' } }, 554, 0],
    ['a message larger than it takes', { from: { code: 552, text: '5.3.4 too big' } }, 552, 0],
    ['a message it does not like', { data: { code: 554, text: '5.6.0 spam' } }, 554, 1],
    ['a full disk', { data: { code: 452, text: '4.3.1 no room' } }, 452, 1],
    ['good-bye', { from: { code: 421, text: '4.3.2 closing' } }, 421, 0],
  ])('%s is an answer', async (_what, behaviour, code, came) => {
    await using mail = await startMailReceiver()
    mail.respond([behaviour, {}])
    using server = open(mail)
    const answer = await send(server)
    expect(answer).toMatchObject({ accepted: false, code, response: expect.stringContaining(String(code)) as string })
    expect(mail.mails).toHaveLength(came)
    mail.respond({})
    expect(await send(server)).toMatchObject({ accepted: true })
  })

  test.each([
    ['a sender that is not its own', { from: { code: 553, text: '5.7.1 not yours' } }],
    ['a sender whose domain is none', { from: { code: 550, text: '5.1.8 no such domain' } }],
    ['a sender without a login', { from: { code: 530, text: '5.7.0 log in first' } }],
    ['a recipient without a login', { to: { code: 530, text: '5.7.1 not authenticated' } }],
    ['a login that ran out', { to: { code: 535, text: '5.7.8 expired' } }],
    ['a login that is too weak', { data: { code: 534, text: '5.7.9 too weak' } }],
  ])('%s is no matter of the message, but of the hub', async (_what, behaviour) => {
    await using mail = await startMailReceiver()
    mail.respond(behaviour)
    using server = open(mail)
    expect(await failure(send(server))).toBe('email_auth')
  })

  test('a connection that has lost its login meanwhile costs nothing', async () => {
    await using mail = await startMailReceiver()
    mail.respond([{}, { from: { code: 530, text: '5.7.0 log in first' } }, {}])
    using server = open(mail)
    await send(server)
    expect(await send(server)).toMatchObject({ accepted: true })
    expect([mail.mails.length, mail.connections]).toEqual([2, 2])
  })

  test('nothing after the whole message: it may have been taken', async () => {
    await using mail = await startMailReceiver()
    mail.respond([{ data: 'drop' }, { data: 'hang' }, {}])
    using server = open(mail)
    expect(await send(server)).toMatchObject({ accepted: null, code: 0 })
    expect(await send(server, {}, 500)).toMatchObject({ accepted: null, code: 0 })
    expect(await send(server)).toMatchObject({ accepted: true })
    // Not once more by itself: whoever asked decides.
    expect(mail.mails).toHaveLength(3)
  })

  test.each([
    ['hangs up at once', { connect: 'drop' }, 'email_connect'],
    ['turns everybody away', { connect: { code: 554, text: 'no' } }, 'email_connect'],
    ['never greets', { connect: 'hang' }, 'email_timeout'],
    ['hangs up before the message', { to: 'drop' }, 'email_connect'],
    ['says nothing before the message', { to: 'hang' }, 'email_timeout'],
  ] as const)('one that %s has not taken it', async (_what, behaviour, code) => {
    await using mail = await startMailReceiver()
    mail.respond(behaviour)
    using server = open(mail, {}, { limits: { emailConnectTimeoutMs: 400 } })
    expect(await failure(send(server, {}, 800))).toBe(code)
    expect(mail.mails).toEqual([])
  })

  test('a name that does not resolve, and a port where nobody listens', async () => {
    const resolve = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }))
    using nowhere = open({ port: 25 }, { host: 'mail.example' }, { resolve })
    expect(await failure(send(nowhere))).toBe('email_connect')
    using deaf = open({ port: 1 }, { host: '127.0.0.1' })
    expect(await failure(send(deaf))).toBe('email_connect')
  })
})

describe('TLS', () => {
  test('from the first byte', async () => {
    await using mail = await startMailReceiver({ tls: 'implicit' })
    using server = open(mail, { tls: 'implicit' })
    expect(await send(server)).toMatchObject({ accepted: true })
    expect(mail.mails[0]?.secure).toBe(true)
  })

  test('a server that offers none gets nothing, unless the file says so', async () => {
    await using mail = await startMailReceiver({ tls: 'none' })
    using server = open(mail)
    expect(await failure(send(server))).toBe('email_connect')
    using plain = open(mail, { tls: 'none' })
    expect(await send(plain)).toMatchObject({ accepted: true })
    expect(mail.mails).toHaveLength(1)
  })

  test('a certificate that nobody vouches for, or of another name', async () => {
    await using mail = await startMailReceiver()
    using unknown = createServerWithoutCa(mail)
    expect(await failure(send(unknown))).toBe('email_connect')
    using other = open(mail, { host: '127.0.0.1' })
    expect(await failure(send(other))).toBe('email_connect')
    expect(mail.mails).toEqual([])
  })
})

function createServerWithoutCa({ port }: MailReceiver): Opened {
  const settings: MailSettings = { host: 'localhost', port, tls: 'starttls', user: null, password: null, from: FROM }
  const server = createMailServer({ settings, allow: LOOPBACK, limits: LIMITS })
  return { ...server, [Symbol.dispose]: () => server.close() }
}

test('a login that is refused is told as that, without the password', async () => {
  await using mail = await startMailReceiver({ login: { user: 'hub', password: 'the right one' } })
  using server = open(mail, { user: 'hub', password: 'the wrong one 123' })
  const error: unknown = await send(server).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'email_auth' })
  expect(inspect(error)).not.toContain('wrong one')
})

test('private addresses are refused, by name and by number, unless network.allow lists them', async () => {
  await using mail = await startMailReceiver()
  for (const host of ['localhost', '127.0.0.1']) {
    using server = open(mail, { host }, { allow: [] })
    expect(await failure(send(server))).toBe('http_refused_address')
  }
  using server = open(mail, {}, { allow: [] })
  server.configure(server.settings(), LOOPBACK)
  expect(await send(server)).toMatchObject({ accepted: true })
  expect(mail.connections).toBe(1)
})

describe('connections', () => {
  test('are used again; one that the server closed meanwhile costs nothing', async () => {
    await using mail = await startMailReceiver()
    using server = open(mail)
    for (let n = 0; n < 3; n++) await send(server)
    expect(mail.connections).toBe(1)
    mail.hangUp()
    expect(await send(server)).toMatchObject({ accepted: true })
    expect(mail.mails).toHaveLength(4)
    expect(mail.connections).toBe(2)
  })

  test('one that is told good-bye when it is used again costs nothing, a new one does', async () => {
    await using mail = await startMailReceiver()
    const closing = { from: { code: 421, text: '4.4.2 idle for too long' } }
    mail.respond([{}, closing, {}, closing])
    using server = open(mail)
    await send(server)
    expect(await send(server)).toMatchObject({ accepted: true })
    mail.hangUp()
    expect(await send(server)).toMatchObject({ accepted: false, code: 421 })
    expect(mail.mails).toHaveLength(2)
  })

  test('there are only so many at a time; the others wait for their turn, which no time of theirs goes into', async () => {
    await using mail = await startMailReceiver()
    using server = open(mail, {}, { limits: { emailConnectionsMax: 2 } })
    await Promise.all(Array.from({ length: 7 }, () => send(server)))
    expect(mail.mails).toHaveLength(7)
    expect(mail.concurrencyMax).toBe(2)
    mail.respond({ to: 'hang' })
    const ends = await Promise.all(Array.from({ length: 4 }, () => failure(send(server, {}, 300, 10_000))))
    expect(ends).toEqual(Array.from({ length: 4 }, () => 'email_timeout'))
    mail.respond({})
    expect(await send(server)).toMatchObject({ accepted: true })
  })

  test('who waited in line has all of its time when its turn comes, or none of it was sent', async () => {
    await using mail = await startMailReceiver()
    using server = open(mail, {}, { limits: { emailConnectionsMax: 1 } })
    mail.respond([{ data: 'hang' }, {}])
    const first = send(server, {}, 1_500)
    await mail.received(1)
    const patient = send(server, {}, 1_500, 10_000)
    expect(await failure(send(server, {}, 1_500, 50))).toBe('plugin_interrupted')
    expect(await first).toMatchObject({ accepted: null })
    expect(await patient).toMatchObject({ accepted: true })
    expect(mail.mails).toHaveLength(2)
  })

  test('are closed when nothing was sent for a while, and with the server', async () => {
    await using mail = await startMailReceiver()
    using server = open(mail, {}, { limits: { emailIdleMs: 50 } })
    await send(server)
    await until('the idle connection to be closed', () => mail.open, { accept: (open) => open === 0 })
    using other = open(mail)
    await send(other)
    expect(mail.open).toBe(1)
    other.close()
    await until('everything to be closed', () => mail.open, { accept: (open) => open === 0 })
    expect(await failure(send(other))).toBe('config_invalid')
  })
})
