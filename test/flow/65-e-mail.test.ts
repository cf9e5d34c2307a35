/** Between the stops: e-mail, from a form to a mail server that speaks TLS, wants a login, and does not always want the mail. */
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startMailReceiver, TLS_CA_FILE } from '../support/mail-receiver.ts'
import type { MailReceiver } from '../support/mail-receiver.ts'
import { until } from '../support/wait.ts'

const LOGIN = { user: 'hub', password: 'p@ss-0123456789' }
const FORM = {
  name: 'Contact us',
  fields: [
    { key: 'email', type: 'email', pii: true },
    { key: 'name', type: 'text' },
  ],
}
const thanks = (more: object = {}) => ({
  id: 'thanks',
  use: 'email-acknowledgement',
  pii: ['email'],
  with: { subject: 'Thank you, {{data.name}}' },
  retry: { schedule: ['10ms', '10ms'] },
  ...more,
})
const configOf = ({ port }: Pick<MailReceiver, 'port'>, installations: readonly object[], limits: object = {}) => ({
  forms: { contact: FORM },
  network: { allow: ['127.0.0.0/8', '::1/128'] },
  email: {
    url: `smtp://${LOGIN.user}:${encodeURIComponent(LOGIN.password)}@localhost:${port}`,
    from: 'Forms <forms@example.org>',
  },
  limits,
  installations,
})
const ENV = { NODE_EXTRA_CA_CERTS: TLS_CA_FILE }

const answer = async (hub: Hub, email: string): Promise<void> => {
  const { status } = await hub.api(
    'POST',
    '/api/v2/forms/contact/responses',
    { data: { email, name: 'Ada' } },
    { key: null },
  )
  expect(status).toBe(201)
}

interface Listed {
  readonly id: string
  readonly state: string
  readonly error_code: string | null
  readonly attempts: number
}
const deliveries = async (hub: Hub) => (await hub.api<{ items: Listed[] }>('GET', '/api/v2/deliveries')).body.items

test('the sender is thanked: a second attempt is the same message, a refusal is a dead letter, and the log shows both', async () => {
  await using mail = await startMailReceiver({ login: LOGIN })
  mail.respond([{ data: { code: 451, text: '4.3.0 try again' } }, { data: 'drop' }, {}])
  await using hub = await startHub({ config: configOf(mail, [thanks()]), env: ENV })
  await answer(hub, 'ada@example.com')
  await mail.received(3)
  await settled(hub)
  const [delivery] = await deliveries(hub)
  expect(delivery).toMatchObject({ state: 'delivered', attempts: 3 })
  expect(mail.mails.map(({ headers }) => headers['message-id'])).toEqual(
    Array.from({ length: 3 }, () => `<${delivery?.id}@example.org>`),
  )
  expect(mail.mails[0]).toMatchObject({
    from: 'forms@example.org',
    to: ['ada@example.com'],
    secure: true,
    user: LOGIN.user,
    headers: { from: 'Forms <forms@example.org>', subject: 'Thank you, Ada' },
  })

  mail.respond({ to: { code: 550, text: '5.1.1 no such user' } })
  await answer(hub, 'nobody@example.com')
  await until('the dead letter', () => deliveries(hub), { accept: (all) => all.some(({ state }) => state === 'dead') })
  const [dead] = await deliveries(hub)
  expect(dead).toMatchObject({ state: 'dead', error_code: 'smtp_550', attempts: 1 })

  const detail = await hub.api<{ attempt_log: { outcome: string; exchanges: object[] }[] }>(
    'GET',
    `/api/v2/deliveries/${delivery?.id}`,
  )
  expect(detail.body.attempt_log.map(({ outcome }) => outcome)).toEqual(['retry', 'ambiguous', 'delivered'])
  expect(detail.body.attempt_log[0]?.exchanges).toEqual([
    expect.objectContaining({
      method: 'SMTP',
      url: `smtp://localhost:${mail.port}`,
      status: 451,
      request_headers: expect.objectContaining({ to: 'a***@example.com' }) as object,
      response_body: expect.stringContaining('4.3.0 try again') as string,
    }),
  ])
  expect(detail.text + hub.stderr).not.toContain(LOGIN.password)
  expect(detail.text).not.toContain('ada@example.com')
})

test('a mail server that stands still costs so much time, and no message', async () => {
  await using mail = await startMailReceiver({ login: LOGIN })
  mail.respond({ to: 'hang' })
  await using hub = await startHub({
    config: configOf(mail, [thanks({ retry: { schedule: ['100ms', '5m'] } })], { emailTimeoutMs: 200 }),
    env: ENV,
  })
  await answer(hub, 'ada@example.com')
  await until('two attempts', () => deliveries(hub), { accept: ([first]) => first?.attempts === 2 })
  expect((await deliveries(hub))[0]).toMatchObject({ state: 'retrying', error_code: 'email_timeout' })
  expect(mail.mails).toEqual([])
})

test('another mail server in the file is the one from then on; without one the delivery says so', async () => {
  await using first = await startMailReceiver({ login: LOGIN })
  await using second = await startMailReceiver({ login: LOGIN })
  await using hub = await startHub({ config: configOf(first, [thanks()]), env: ENV })
  await answer(hub, 'ada@example.com')
  await first.received(1)
  const swapped = async (config: object) => {
    const before = await hub.metric('manifold_config_reloads_total')
    await hub.writeConfig(config)
    hub.signal('SIGHUP')
    await until('the new file', () => hub.metric('manifold_config_reloads_total'), {
      accept: (count) => count > before,
    })
  }
  await swapped(configOf(second, [thanks()]))
  await answer(hub, 'ada@example.com')
  await second.received(1)
  expect(first.mails).toHaveLength(1)
  const { email: _none, ...without } = configOf(second, [thanks()])
  await swapped(without)
  await answer(hub, 'ada@example.com')
  await until('the dead letter', () => deliveries(hub), { accept: ([newest]) => newest?.state === 'dead' })
  expect((await deliveries(hub))[0]).toMatchObject({ error_code: 'config_invalid' })
})

test('a login that expires: nothing dead, one alert, and what waited goes out with the new one', async () => {
  const login = { user: 'hub', password: 'the-new-one-0123' }
  await using mail = await startMailReceiver({ login })
  await using hub = await startHub({ config: configOf(mail, [thanks()]), env: ENV })
  const alerts = async () =>
    (await hub.api<{ items: { data: { code?: string; todo?: string } }[] }>('GET', '/api/v2/events?type=alert.raised'))
      .body.items
  for (let n = 0; n < 7; n++) await answer(hub, `ada${n}@example.com`)
  await until('the alert', alerts, { accept: (list) => list.length > 0 })
  expect(new Set((await deliveries(hub)).map(({ state }) => state))).toEqual(new Set(['pending']))
  expect((await alerts()).map(({ data }) => data)).toEqual([
    expect.objectContaining({ code: 'credential_refused', todo: expect.stringContaining('email.url') as string }),
  ])
  const { email, ...rest } = configOf(mail, [thanks()])
  const url = `smtp://hub:${login.password}@localhost:${mail.port}`
  await hub.writeConfig({ ...rest, email: { ...email, url } })
  await mail.received(7)
  await settled(hub)
  expect(mail.mails).toHaveLength(7)
  expect((await deliveries(hub)).every(({ state }) => state === 'delivered')).toBe(true)
  expect(await alerts()).toHaveLength(1)
})

test('a digest that was missed three times goes out once, to each by their own', async () => {
  await using mail = await startMailReceiver({ login: LOGIN })
  const digest = { id: 'digest', use: 'daily-digest', with: { to: ['team@example.org', 'boss@example.org'] } }
  await using hub = await startHub({ config: configOf(mail, [digest]), env: ENV })
  for (let n = 0; n < 3; n++) await answer(hub, 'ada@example.com')
  await settled(hub)
  await hub.kill()
  const database = new DatabaseSync(`${hub.dataDir}/manifold.db`)
  const moved = database.prepare('UPDATE schedules SET last_fired_at_ms = last_fired_at_ms - 4 * 86400000').run()
  expect(moved.changes).toBe(1)
  database.close()
  await hub.restart()
  await mail.received(2)
  await settled(hub)
  expect(mail.mails.map(({ to }) => to[0]).toSorted()).toEqual(['boss@example.org', 'team@example.org'])
  expect(mail.mails[0]?.headers['subject']).toBe('3 new responses')
  // Long lines are folded.
  expect(mail.mails[0]?.body.replaceAll('=\r\n', '')).toContain('because the hub stood still: 3')
  expect(mail.mails[0]?.raw).not.toContain('ada@example.com')
})
