/** The e-mail connector from a form to a real mail server: who gets what, and what its refusals come to, one by one. */
import { expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import { startMailReceiver, TLS_CA_FILE } from '../support/mail-receiver.ts'

const LOGIN = { user: 'hub', password: 'p@ss-of-the-connector' }
const FORM = {
  name: 'Contact us',
  fields: [
    { key: 'email', type: 'email', pii: true },
    { key: 'name', type: 'text' },
  ],
}

interface Listed {
  readonly state: string
  readonly error_code: string | null
  readonly error: string | null
  readonly attempts: number
}

test('an address that is refused for good is a dead letter, one that is to wait is tried again, the others are written to', async () => {
  await using mail = await startMailReceiver({ login: LOGIN })
  let greylisted = 1
  mail.respond({
    to: (address) => {
      if (address === 'gone@acme.example') return { code: 550, text: '5.1.1 no such user' }
      if (address === 'slow@acme.example' && greylisted-- > 0) return { code: 451, text: '4.7.1 greylisted' }
      return undefined
    },
  })
  const password = encodeURIComponent(LOGIN.password)
  await using hub = await startHub({
    config: {
      forms: { contact: FORM },
      network: { allow: ['127.0.0.0/8', '::1/128'] },
      email: { url: `smtp://${LOGIN.user}:${password}@localhost:${mail.port}`, from: 'Forms <forms@example.org>' },
      installations: [
        {
          id: 'mail',
          use: 'email',
          pii: ['email'],
          with: {
            to: ['ann@acme.example', 'gone@acme.example', 'slow@acme.example'],
            subject: 'From {{data.name}}',
            html: '<b>{{{data.name}}}</b>',
            replyTo: '{{data.email}}',
            respondent: {},
          },
          retry: { schedule: ['50ms', '50ms'] },
        },
      ],
    },
    env: { NODE_EXTRA_CA_CERTS: TLS_CA_FILE },
  })
  const data = { email: 'ada@example.com', name: 'Ada <i>\r\nBcc: all@evil.example' }
  await hub.api('POST', '/api/v2/forms/contact/responses', { data }, { key: null })
  await settled(hub)
  expect(mail.mails.map(({ to }) => to[0]).sort()).toEqual(['ada@example.com', 'ann@acme.example', 'slow@acme.example'])
  const ann = mail.mails.find(({ to }) => to[0] === 'ann@acme.example')
  expect(ann).toMatchObject({ secure: true, user: LOGIN.user })
  expect(ann?.headers).toMatchObject({ subject: 'From Ada <i> Bcc: all@evil.example', 'reply-to': 'ada@example.com' })
  expect(ann?.headerNames).not.toContain('bcc')
  expect(ann?.body).toContain('<b>Ada &lt;i&gt;')
  const { items } = (await hub.api<{ items: Listed[] }>('GET', '/api/v2/deliveries')).body
  const ends = items.map(({ state, error_code, attempts }) => `${state} ${error_code ?? ''} ${attempts}`.trim())
  expect(ends.sort()).toEqual(['dead smtp_550 1', 'delivered  1', 'delivered  1', 'delivered  2'].sort())
  const dead = items.find(({ state }) => state === 'dead')
  expect(dead?.error).toContain('5.1.1 no such user')
  expect(JSON.stringify(items)).not.toContain(LOGIN.password)
})
