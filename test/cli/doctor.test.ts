/** `manifold doctor` on the servers a fleet shares: what it says of them, without their passwords. */
import { writeFile } from 'node:fs/promises'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { isToldByFile, lacks } from '../../core/cli/missing-variables.ts'
import { startMailReceiver, TLS_CA_FILE } from '../support/mail-receiver.ts'
import type { MailReceiver } from '../support/mail-receiver.ts'
import { freshDatabase, redis } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'
import { runCli } from './run-cli.ts'

interface Report {
  readonly ok: boolean
  readonly findings: readonly { readonly name: string; readonly level: string; readonly detail: string }[]
}

async function doctor(
  env: Record<string, string>,
  file?: string,
): Promise<{ report: Report; of: (name: string) => string[] }> {
  await using dir = await tempDir('doctor')
  if (file !== undefined) await writeFile(dir.file('manifold.yaml'), file)
  const ended = await runCli(dir.path, ['doctor', '--json'], { env })
  expect(ended.stdout + ended.stderr).not.toContain('hush')
  const report = JSON.parse(ended.stdout) as Report
  const of = (name: string) =>
    report.findings.filter((each) => each.name === name).map(({ level, detail }) => `${level}: ${detail}`)
  return { report, of }
}

test('says nothing of servers that are not set', async () => {
  const { of } = await doctor({})
  expect(of('redis')).toEqual([])
  expect(of('hub')).toEqual(['warn: none runs on this data folder'])
  expect(of('database')).toEqual(['ok: none yet; the first start makes it'])
})

test('without a hub nobody checks the credentials of installations, and that is said', async () => {
  const { of } = await doctor(
    {},
    'installations: [{ id: a, use: slack, with: { token: xoxb-1, channel: C1 } }, { id: b, use: webhooks, with: { url: "https://x.example" } }]\n',
  )
  expect(of('hub')).toEqual([
    'warn: none runs on this data folder: credentials and settings of 1 installation were not checked',
  ])
})

test('breaks every limit of the sandbox on purpose, in both kinds of processes, a line each', async () => {
  const { report } = await doctor({})
  const lines = report.findings.filter(({ name }) => /sandbox/.test(name))
  expect(lines.filter(({ level }) => level !== 'ok')).toEqual([])
  for (const kind of ['sandbox', 'hardened sandbox'])
    for (const what of ['process', 'heap', 'memory outside the heap', 'network'])
      expect(lines.map(({ name }) => name)).toContain(`${kind}, ${what}`)
})

test('a Redis that is away costs speed only, and is no failure', async () => {
  const away = await doctor({ REDIS_URL: 'redis://someone:hush-hush@127.0.0.1:1' })
  expect(away.report.ok).toBe(true)
  expect(away.of('redis')).toEqual([expect.stringMatching(/^warn: 127\.0\.0\.1:1 cannot be used \(.+\): hubs go on/)])
  const there = await doctor({ REDIS_URL: redis() })
  expect(there.of('redis')).toEqual([expect.stringMatching(/^ok: .+, Redis \d+\..*losing it costs only speed/)])
})

test('a Postgres that would lose what it accepted is a failure', async () => {
  await using database = await freshDatabase()
  const good = await doctor({ DATABASE_URL: database.url })
  expect(good.of('database')).toEqual([
    expect.stringMatching(/^ok: Postgres \(.+\), PostgreSQL \d+/),
    ...good.of('database').filter((line) => line.startsWith('warn: fsync is off')),
    'ok: none yet; the first start makes it',
  ])
  const client = new Client({ connectionString: database.url })
  await client.connect()
  await client.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET synchronous_commit = off`)
  await client.end()
  const bad = await doctor({ DATABASE_URL: database.url })
  expect(bad.report.ok).toBe(false)
  expect(bad.of('database')).toContainEqual(expect.stringContaining('fail: synchronous_commit is off'))
})

test('tries the mail server without a message: greeting, TLS, login', async () => {
  await using mail = await startMailReceiver({ login: { user: 'hub', password: 'hush-hush' } })
  const look = async ({ port }: Pick<MailReceiver, 'port'>, password: string): Promise<string[]> => {
    await using dir = await tempDir('doctor')
    const config = {
      network: { allow: ['127.0.0.0/8', '::1/128'] },
      email: { url: `smtp://hub:${password}@localhost:${port}`, from: 'forms@example.org' },
    }
    await writeFile(dir.file('manifold.yaml'), JSON.stringify(config))
    const env = { NODE_EXTRA_CA_CERTS: TLS_CA_FILE, MANIFOLD_CONFIG: dir.file('manifold.yaml') }
    const { of } = await doctor(env)
    return of('mail server')
  }
  expect(await look(mail, 'hush-hush')).toEqual([
    `ok: localhost:${mail.port} answers, over TLS (STARTTLS), logged in as hub`,
  ])
  expect(await look(mail, 'hush-wrong')).toEqual([
    expect.stringMatching(/^fail: The mail server localhost does not let the hub send \(Invalid login/),
  ])
  expect(await look({ port: 1 }, 'hush-hush')).toEqual([
    expect.stringMatching(/^fail: The mail server localhost cannot be reached/),
  ])
  expect(mail.mails).toEqual([])
})

test('a variable that the shell has and the running hub lacks: the hub is to be restarted', () => {
  const problems = [{ message: 'environment variable SLACK_TOKEN is not set' }, { message: 'is not a URL' }]
  expect(lacks(problems, { SLACK_TOKEN: 'x' })).toBe(
    'restart the hub: variables are read at start, and it was started without SLACK_TOKEN',
  )
  expect(lacks(problems, { SLACK_TOKEN: '' })).toBeNull()
  expect(lacks([{ message: 'is not a URL' }], { SLACK_TOKEN: 'x' })).toBeNull()
})

test('a variable that is missing: told once, by name, with the places that ask for it and where to set it', async () => {
  await using dir = await tempDir('doctor')
  const crm = (id: string) =>
    `  - { id: ${id}, use: webhooks, with: { url: "https://crm.example", secret: "\${CRM_SECRET}" } }\n`
  await writeFile(dir.file('manifold.yaml'), `installations:\n${crm('one')}${crm('two')}`)
  const { report, of } = await doctor({ MANIFOLD_CONFIG: dir.file('manifold.yaml') })
  expect(of('variable CRM_SECRET')).toEqual([
    'fail: is not set; asked for by one (line 2, with.secret), two (line 3, with.secret)',
  ])
  expect(JSON.stringify(report.findings).match(/CRM_SECRET is not set/g)).toBeNull()
  const reason = 'line 2, with.secret: environment variable CRM_SECRET is not set'
  expect([isToldByFile(reason, {}), isToldByFile(reason, { CRM_SECRET: 'x' }), isToldByFile('not a URL', {})]).toEqual([
    true,
    false,
    false,
  ])
})
