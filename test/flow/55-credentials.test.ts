/** A credential that expires: the installation stands still, one alert says so, and what waited goes out when it is mended. */
import { expect, test } from 'vitest'
import { deliveriesOf } from '../support/hostility.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'
import { runCli } from '../cli/run-cli.ts'

const PLUGINS = new URL('../fixtures/flow-plugins', import.meta.url).pathname
const GOOD = 'canary-token-that-works-0123456789'
const BAD = 'canary-token-that-expired-0123456789'

/** Accepts one token only. Its refusal repeats the token, as careless vendors do. */
const guarded = (): Promise<Receiver> =>
  startReceiver(({ headers, path }) =>
    path !== '/' || headers['authorization'] === `Bearer ${GOOD}`
      ? { status: 200 }
      : { status: 401, body: `expired: ${String(headers['authorization'])}` },
  )

const configOf = (url: string, token: string) => ({
  forms: { shop: { name: 'Shop', fields: [{ key: 'n', type: 'number' }] } },
  network: { allow: ['127.0.0.1/32'] },
  pluginDirs: [PLUGINS],
  installations: [
    { id: 'crm', use: 'keyed', with: { url, token }, retry: { schedule: ['10ms'] } },
    { id: 'other', use: 'webhooks', with: { url: `${url}/other` } },
  ],
})

const order = async (hub: Hub, n: number): Promise<void> => {
  const answer = await hub.api('POST', '/api/v2/forms/shop/responses', { data: { n } })
  expect(answer.status, answer.text).toBe(201)
}
const installationOf = async (hub: Hub) => (await hub.api('GET', '/api/v2/installations/crm')).body
const refused = (hub: Hub) =>
  until('the installation to stand still', () => installationOf(hub), {
    accept: ({ state }) => state === 'disabled',
  })
const alertsOf = async (hub: Hub) =>
  (await allItems<{ data: { installation?: string; code?: string } }>(hub, '/api/v2/events?type=alert.raised'))
    .map(({ data }) => data)
    .filter(({ installation }) => installation === 'crm')
/** What the receiver took, in order of `n`. */
const taken = (receiver: Receiver): readonly number[] =>
  receiver.requests
    .filter(
      ({ headers, method, path }) => method === 'POST' && path === '/' && headers['authorization'] === `Bearer ${GOOD}`,
    )
    .map((request) => request.json<{ n: number }>().n)
    .toSorted((a, b) => a - b)

test('a refused credential: one alert with what to do, nothing dead; new settings send all that waited, once', async () => {
  await using receiver = await guarded()
  await using hub = await startHub({ config: configOf(receiver.url, BAD) })
  for (let n = 1; n <= 5; n++) await order(hub, n)
  const shown = await refused(hub)
  // These never get as far as a delivery.
  for (let n = 6; n <= 8; n++) await order(hub, n)
  expect(shown['reason']).toMatch(/^credential: The receiver says: expired/)
  expect(shown['credential']).toMatchObject({
    state: 'refused',
    since: shown['state_since'],
    message: expect.stringMatching(/^The receiver says: expired/),
  })
  const waiting = await deliveriesOf(hub, 'crm')
  expect(new Set(waiting.map(({ state }) => state))).toEqual(new Set(['pending']))
  const tried = waiting.filter(({ attempts }) => attempts > 0)
  expect(tried.length).toBeGreaterThan(0)
  expect(tried.every(({ attempts, error_code: code }) => attempts === 1 && code === 'credential_refused')).toBe(true)
  const detail = await hub.api<{ attempt_log: object[] }>('GET', `/api/v2/deliveries/${String(tried[0]?.['id'])}`)
  expect(detail.body.attempt_log).toMatchObject([
    { n: 1, outcome: 'unauthorized', error_code: 'credential_refused', exchanges: [{ status: 401 }] },
  ])
  const alerts = await until('the alert', () => alertsOf(hub), { accept: (list) => list.length > 0 })
  expect(alerts).toEqual([
    {
      kind: 'installation_disabled',
      installation: 'crm',
      code: 'credential_refused',
      reason: shown['reason'],
      todo: expect.stringContaining('manifold installations resume crm'),
    },
  ])

  const listed = await runCli(hub.dataDir, ['alerts', '--installation', 'crm', '--data', hub.dataDir])
  expect(listed.stdout).toMatch(
    /installation_disabled crm: credential: The receiver says: expired[^]*→ Mend the credential.*restart it/,
  )
  const none = await runCli(hub.dataDir, ['alerts', '--installation', 'other', '--data', hub.dataDir, '--json'])
  expect(JSON.parse(none.stdout)).toMatchObject({ items: [] })

  await hub.writeConfig(configOf(receiver.url, GOOD))
  await until('all of them to arrive', () => taken(receiver), { accept: (list) => list.length >= 8 })
  await settled(hub)
  expect(taken(receiver)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(await installationOf(hub)).toMatchObject({ state: 'ready', reason: null, credential: { state: 'ok' } })
  expect(await alertsOf(hub)).toHaveLength(1)
  expect(hub.stderr).not.toContain(BAD)
  expect(JSON.stringify([await deliveriesOf(hub, 'crm'), detail.body, alerts, shown])).not.toContain(BAD)
})

test('a restart with the same settings stands still without another alert; with another secret it goes on', async () => {
  await using receiver = await guarded()
  await using hub = await startHub({
    config: configOf(receiver.url, '${CRM_TOKEN}'),
    env: { CRM_TOKEN: BAD },
  })
  await order(hub, 1)
  await refused(hub)
  await until('the alert', () => alertsOf(hub), { accept: (list) => list.length > 0 })
  await hub.restart({ env: { CRM_TOKEN: BAD } })
  await order(hub, 2)
  expect(await installationOf(hub)).toMatchObject({ state: 'disabled', credential: { state: 'refused' } })
  const asked = receiver.requests.filter(({ method, path }) => method === 'POST' && path === '/').length
  expect(asked).toBe(1)
  expect(await alertsOf(hub)).toHaveLength(1)
  await hub.restart({ env: { CRM_TOKEN: GOOD } })
  await until('both to arrive', () => taken(receiver), { accept: (list) => list.length >= 2 })
  expect(taken(receiver)).toEqual([1, 2])
})

test('mended at the receiver: a resume is enough; one that is refused again raises another alert', async () => {
  let isMended = false
  await using receiver = await startReceiver(({ path }) => ({ status: isMended || path !== '/' ? 200 : 401 }))
  await using hub = await startHub({ config: configOf(receiver.url, GOOD) })
  await order(hub, 1)
  await refused(hub)
  expect((await hub.api('POST', '/api/v2/installations/crm/resume')).status).toBe(200)
  await until('the second alert', () => alertsOf(hub), { accept: (list) => list.length === 2 })
  await refused(hub)
  isMended = true
  expect((await hub.api('POST', '/api/v2/installations/crm/resume')).status).toBe(200)
  await settled(hub)
  const [delivery] = await deliveriesOf(hub, 'crm')
  expect(delivery).toMatchObject({ state: 'delivered', attempts: 3 })
  expect(await alertsOf(hub)).toHaveLength(2)
  expect((await hub.api('GET', '/api/v2/installations/other')).body['state']).toBe('ready')
})

test('a check of new settings, by itself and when it is asked for: found before anything is sent, with its line', async () => {
  await using receiver = await guarded()
  await using hub = await startHub({ config: configOf(receiver.url, BAD) })
  const checked = await until('the check', () => installationOf(hub), { accept: ({ check }) => check !== null })
  const finding = {
    level: 'error',
    message: expect.stringMatching(/^The receiver says: expired/),
    at: '/token',
    code: null,
  }
  expect(checked).toMatchObject({ state: 'ready', check: { findings: [finding] } })
  const [line] = hub.logs.filter(({ setting }) => setting === '/token')
  expect(line).toMatchObject({
    level: 'error',
    installation: 'crm',
    place: expect.stringMatching(/manifold\.yaml:\d+:\d+$/),
  })
  expect(receiver.requests.map(({ method }) => method)).toEqual(['GET'])

  const asked = await hub.api('POST', '/api/v2/installations/crm/check')
  expect(asked.body).toEqual({ at: expect.any(String), findings: [finding] })
  expect((await hub.api('POST', '/api/v2/installations/other/check')).body).toEqual({ at: null, findings: [] })
  expect((await hub.api('POST', '/api/v2/installations/none/check')).status).toBe(404)
  const runs = await hub.api<{ items: object[] }>('GET', '/api/v2/runs?kind=check')
  expect(runs.body.items[0]).toMatchObject({
    installation: 'crm',
    logs: [{ message: 'looked' }],
    requests: [{ status: 401 }],
  })

  // One that stands still is looked at as well: that is when somebody wants to know.
  await order(hub, 1)
  await refused(hub)
  await hub.restart()
  expect((await hub.api('POST', '/api/v2/installations/crm/check')).body).toMatchObject({ findings: [finding] })
  const cli = await runCli(hub.dataDir, ['installations', 'check', 'crm', '--data', hub.dataDir])
  expect([cli.code, cli.stdout]).toEqual([1, expect.stringMatching(/crm: with\.token: The receiver says: expired/)])
  expect((await runCli(hub.dataDir, ['installations', 'check', 'other', '--data', hub.dataDir])).code).toBe(0)
  const doctor = await runCli(hub.dataDir, ['doctor', '--config', hub.configFile, '--data', hub.dataDir, '--json'])
  const { findings } = JSON.parse(doctor.stdout) as { findings: { name: string; level: string }[] }
  expect(findings).toContainEqual(expect.objectContaining({ name: 'check of crm', level: 'fail' }))
  expect(doctor.code).toBe(1)

  // What the receiver said was said of a response: it goes with it, and what it was about stays known.
  const [waiting] = await deliveriesOf(hub, 'crm')
  await hub.api('DELETE', `/api/v2/responses/${String(waiting?.response_id)}`)
  const rest = await installationOf(hub)
  expect(rest).toMatchObject({ state: 'disabled', credential: { state: 'refused' } })
  expect(rest['reason']).toMatch(/^credential: what the receiver said went/)
  const raised = await hub.api<{ items: { data: unknown }[] }>('GET', '/api/v2/events?type=alert.raised')
  expect(raised.body.items.map(({ data }) => data)).toEqual([null])

  await hub.writeConfig(configOf(receiver.url, GOOD))
  const mended = await until('the check of the new settings', () => installationOf(hub), {
    accept: ({ check }) => check !== null && (check as { findings: [] }).findings.length === 0,
  })
  expect(mended['credential']).toMatchObject({ state: 'ok' })
  expect(hub.stderr + JSON.stringify([checked, asked.body, runs.body]) + cli.stdout + doctor.stdout).not.toContain(BAD)
}, 180_000)
