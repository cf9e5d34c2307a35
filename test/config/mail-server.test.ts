/** `email:` of manifold.yaml: what a mail server may be, who e-mail is from, and that a password is not quoted. */
import { describe, expect, it } from 'vitest'
import { formatProblem } from '../../core/config/format-problems.ts'
import { loadConfig } from '../../core/config/load.ts'

const load = (text: string, env: Record<string, string> = {}) => loadConfig({ file: null, text, env, plugins: [] })

async function good(text: string, env: Record<string, string> = {}) {
  const result = await load(text, env)
  if ('problems' in result) throw new Error(result.problems.map(({ message }) => message).join())
  return result.config
}

async function mistakes(text: string) {
  const result = await load(text)
  return 'problems' in result ? result.problems.map((problem) => formatProblem(problem, '/')) : []
}

describe('the mail server', () => {
  const email = (url: string, from = 'forms@example.org', more = '') =>
    `email: { url: "${url}", from: "${from}"${more} }\n`
  const told = (lines: readonly string[]) => lines.map((line) => line.replace(/^.*?:\d+:\d+ /, ''))

  it.each([
    ['smtp://mail.example.org', { host: 'mail.example.org', port: 587, tls: 'starttls', user: null, password: null }],
    ['smtps://mail.example.org', { port: 465, tls: 'implicit' }],
    ['smtp://hub:p%40ss@mail.example.org:2525', { port: 2525, user: 'hub', password: 'p@ss' }],
    ['smtp://[::1]:25', { host: '::1', port: 25 }],
  ])('%s', async (url, wanted) => {
    const { email: read } = await good(email(url, 'Forms, Inc. <forms@example.org>'))
    expect(read).toMatchObject({ ...wanted, from: { name: 'Forms, Inc.', address: 'forms@example.org' } })
  })

  it('in the clear only where it is said, and never with a password', async () => {
    expect((await good(email('smtp://127.0.0.1:1025', 'a@b.example', ', tls: none'))).email?.tls).toBe('none')
    for (const url of ['smtp://hub:secret-word@mail.example.org', 'smtps://mail.example.org'])
      expect(told(await mistakes(email(url, 'a@b.example', ', tls: none')))).toEqual([
        'email must not have a password, nor smtps, where tls is none',
      ])
  })

  it('there is none unless it is named, and it comes out of the environment like anything else', async () => {
    expect((await good('version: 1\n')).email).toBeNull()
    const text = email('smtp://hub:${PASS}@mail.example.org')
    expect((await good(text, { PASS: 'from outside' })).email?.password).toBe('from outside')
  })

  const WRONG = [
    'mail.example.org',
    'http://mail.example.org',
    'smtp://',
    'smtp://hub@mail.example.org',
    'smtp://mail.example.org/?tls=no',
    'smtp://hub:secret-word@mail.example.org:99999',
  ]
  it.each(WRONG)('%s is no mail server, and is not quoted', async (url) => {
    expect(told(await mistakes(email(url)))).toEqual([
      'email.url must be a URL such as smtp://user:password@mail.example.org:587 or smtps://mail.example.org',
    ])
  })

  it.each(['Forms', 'Forms <forms>', 'a@b.example, c@d.example', 'Forms\\n <a@b.example>'])(
    'e-mail cannot be from %s',
    async (from) => {
      expect((await mistakes(email('smtp://mail.example.org', from))).join()).toContain(
        'email.from must be an address, or a name and an address in <>',
      )
    },
  )
})
