/** A look at the mail server: what it says of one that answers, of a wrong login, of nobody there; no message leaves. */
import { expect, test } from 'vitest'
import { lookAtMail } from '../../core/capabilities/look-at-mail.ts'
import { parseMailUrl } from '../../core/config/mail-settings.ts'
import type { MailSettings } from '../../core/config/config.ts'
import { startMailReceiver } from '../support/mail-receiver.ts'

const LIMITS = { emailConnectTimeoutMs: 5_000 }
const settings = (url: string, tls?: 'none'): MailSettings => {
  const server = parseMailUrl(url)
  if (server === null) throw new Error(`${url} is no URL of a mail server`)
  return { ...server, ...(tls === undefined ? {} : { tls }), from: { name: '', address: 'forms@example.org' } }
}

test('greeting, and nothing after it', async () => {
  await using mail = await startMailReceiver({ tls: 'none' })
  const open = settings(`smtp://localhost:${mail.port}`, 'none')
  expect(await lookAtMail(open, ['127.0.0.0/8', '::1/128'], LIMITS)).toEqual({
    level: 'ok',
    detail: `localhost:${mail.port} answers, in the clear, without a login`,
    fix: null,
  })
  const closed = await lookAtMail({ ...open, tls: 'starttls' }, ['127.0.0.0/8', '::1/128'], LIMITS)
  expect(closed).toMatchObject({
    level: 'fail',
    detail: expect.stringMatching(/was reached and refuses STARTTLS .*tls: none/),
  })
  expect(mail.connections).toBe(2)
  expect(mail.mails).toEqual([])
})

test('a certificate that nobody vouches for, a private address, nobody there: each with what to do', async () => {
  await using mail = await startMailReceiver({ login: { user: 'hub', password: 'hush-hush' } })
  const url = `smtp://hub:hush-hush@localhost:${mail.port}`
  const seen = [
    await lookAtMail(settings(url), ['127.0.0.0/8', '::1/128'], LIMITS),
    await lookAtMail(settings(url), [], LIMITS),
    await lookAtMail(settings('smtp://hub:hush-hush@localhost:1'), ['127.0.0.0/8', '::1/128'], LIMITS),
  ]
  expect(seen.map(({ level }) => level)).toEqual(['fail', 'fail', 'fail'])
  expect(seen[0]?.detail).toMatch(/was reached, and the hub does not trust its certificate .*NODE_EXTRA_CA_CERTS=/)
  expect(seen[1]?.fix).toContain('network.allow')
  expect(seen[2]?.detail).toContain('cannot be reached')
  expect(JSON.stringify(seen)).not.toContain('hush')
  expect(mail.mails).toEqual([])
})
