/** What did my transform do with this response: it is in the history of runs, and goes with the response. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCli } from '../cli/run-cli.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { startReceiver } from '../support/receiver.ts'
import { config, hook, judge, send } from '../support/transforms.ts'
import { until } from '../support/wait.ts'

const JUDGE = new URL('../fixtures/flow-plugins/judge/index.ts', import.meta.url).pathname
const placeOf = (text: string): string =>
  `index.ts:${
    readFileSync(JUDGE, 'utf8')
      .split('\n')
      .findIndex((line) => line.includes(text)) + 1
  }:`

interface Run {
  readonly id: string
  readonly installation: string
  readonly outcome: string
  readonly more: number
  readonly items: readonly object[]
  readonly [part: string]: unknown
}
const runsOf = async (hub: Hub, query: string): Promise<readonly Run[]> =>
  (await hub.api<{ items: readonly Run[] }>('GET', `/api/v2/runs?${query}`)).body.items

/** The database and its WAL, where there is one. */
const bytesOf = (hub: Hub): string =>
  ['manifold.db', 'manifold.db-wal']
    .map((name) => join(hub.dataDir, name))
    .map((file) => (existsSync(file) ? readFileSync(file, 'latin1') : ''))
    .join('')

test('each look at a response is a run: what it came to, what it changed by key and size, its lines, its CPU', async () => {
  await using hub = await startHub({ config: config([judge('normalise'), judge('geo'), judge('peeks')]) })
  const { body, text } = await send(hub, 'hello')
  const runs = await runsOf(hub, `response=${body.id}`)
  expect(runs.map(({ installation }) => installation).toSorted(), text).toEqual(['geo', 'normalise', 'peeks'])
  const by = (id: string) => runs.find(({ installation }) => installation === id)
  for (const run of runs)
    expect(run).toMatchObject({ kind: 'transform', name: 'contact', plugin: 'judge', attempt: 1, outcome: 'ok' })
  const about = { event_id: body.event_id, delivery_id: null, form_id: 'contact', response_id: body.id }
  expect(by('normalise')).toMatchObject({
    items: [{ ...about, outcome: 'changed' }],
    effects: [{ kind: 'change', part: 'data', key: 'email', bytes: '"ada@example.com"'.length }],
  })
  expect(by('geo')).toMatchObject({
    items: [{ ...about, outcome: 'changed' }],
    effects: [{ kind: 'change', part: 'meta', key: 'country', bytes: '"nowhere"'.length }],
  })
  expect(by('peeks')).toMatchObject({
    items: [{ ...about, outcome: 'kept' }],
    effects: [{ kind: 'metric', name: 'peeks_total', by: 1 }],
    logs: [{ level: 'info', message: 'seen' }],
  })
  for (const run of runs) expect(run['cpu_ms']).toBeGreaterThan(0)
  // By the event that became of it they are found as well, and the kind keeps others out.
  expect((await runsOf(hub, `event=${body.event_id}&kind=transform`)).map(({ id }) => id)).toEqual(
    runs.map(({ id }) => id),
  )
  expect(await runsOf(hub, `event=${body.event_id}&kind=handler`)).toEqual([])
  // Its lines are in the hub's log, with the run and the response.
  const said = hub.logs.find(({ msg }) => msg === 'seen')
  expect(said).toMatchObject({ run: by('peeks')?.id, response: body.id, installation: 'peeks' })
  const shown = (await hub.api<Run>('GET', `/api/v2/runs/${by('geo')?.id}`)).body
  expect([shown['input'], String(shown['input_missing'])]).toEqual([null, expect.stringContaining('not kept')])
})

test('one that throws is told with file and line, one that is late with its time; what is put aside is found by its id there', async () => {
  const installations = [judge('throws'), judge('waits', { whenFails: 'closed' }), judge('flags')]
  await using hub = await startHub({
    config: config(installations, { limits: { pluginTransformWallMs: 300, transformChainMsMax: 10_000 } }),
  })
  const thrown = await send(hub, 'throw')
  const late = await send(hub, 'wait')
  const spam = await send(hub, 'spam')
  const [threw] = (await runsOf(hub, `response=${thrown.body.id}&outcome=failed`)) as [Run]
  expect(threw).toMatchObject({ installation: 'throws', error_code: 'plugin_threw', items: [{ outcome: 'failed' }] })
  expect(threw['error']).toContain(placeOf("throw new Error('no idea')"))
  expect(threw['stack']).toContain(placeOf("throw new Error('no idea')"))
  // Its sender was answered at the wall; the sandbox tells of the run when it has ended it, a moment later.
  const failedOnes = () => runsOf(hub, `response=${late.body.id}&outcome=failed`)
  const [waited] = (await until('the late run', failedOnes, { accept: ({ length }) => length === 1 })) as [Run]
  expect(waited).toMatchObject({ installation: 'waits', error_code: 'plugin_wall', items: [{ outcome: 'failed' }] })
  expect(waited['duration_ms']).toBeGreaterThan(200)
  const flagged = (await runsOf(hub, `response=${spam.body.id}`)).find(({ installation }) => installation === 'flags')
  expect(flagged).toMatchObject({ outcome: 'ok', items: [{ response_id: spam.body.id, outcome: 'flagged' }] })
  const cli = await runCli(hub.dataDir, ['runs', '--kind', 'transform', '--failed', '--data', hub.dataDir])
  expect(cli.stdout.split('\n').filter((line) => line.includes('transform contact'))).toHaveLength(2)
  const ofSpam = await runCli(hub.dataDir, ['runs', '--response', String(spam.body.id), '--data', hub.dataDir])
  expect(ofSpam.stdout).toMatch(/flags +transform contact +flagged /)
  const answers = JSON.stringify({ email: 'a@b.example', text: 'spam' })
  const sent = await runCli(hub.dataDir, ['send', 'contact', '--answers', answers, '--data', hub.dataDir])
  expect(sent.stdout).toMatch(/^rsp_\S+ is in quarantine: flagged by flags \(flagged/)
  expect(sent.stderr).toMatch(/manifold quarantine show rsp_/)
  const page = await runCli(hub.dataDir, ['runs', 'show', threw.id, '--data', hub.dataDir])
  for (const part of [
    `response ${thrown.body.id}, failed`,
    'error: plugin_threw',
    placeOf("throw new Error('no idea')"),
  ])
    expect(page.stdout, page.stderr).toContain(part)
})

test('a repeat, of which nothing is stored, leaves no run; a response completed later has those of both', async () => {
  await using hub = await startHub({ config: config([judge('normalise')]) })
  const first = await send(hub, 'so far', { status: 'partial', client_id: 'c1' })
  const second = await send(hub, 'all of it', { client_id: 'c1' })
  expect(second.body.id).toBe(first.body.id)
  expect(await runsOf(hub, `response=${first.body.id}`)).toHaveLength(2)
  expect((await send(hub, 'all of it', { client_id: 'c1' })).body.id).toBe(first.body.id)
  expect(await allItems(hub, '/api/v2/runs?kind=transform')).toHaveLength(2)
})

test('deleting the response takes its runs along', async () => {
  await using hub = await startHub({ config: config([judge('peeks')]) })
  const [gone, stays] = [await send(hub, 'private words'), await send(hub, 'other words')]
  const [run] = (await runsOf(hub, `response=${gone.body.id}`)) as [Run]
  expect(JSON.stringify(run)).toContain('private words')
  expect((await hub.api('DELETE', `/api/v2/responses/${gone.body.id}`)).status).toBe(204)
  expect((await hub.api('GET', `/api/v2/runs/${run.id}`)).status).toBe(404)
  expect(JSON.stringify(await allItems(hub, '/api/v2/runs'))).not.toContain('private words')
  expect(await runsOf(hub, `response=${stays.body.id}`)).toHaveLength(1)
})

test('1,000 responses in a burst: a bounded number of runs is recorded, the rest is counted, and the log stays small', async () => {
  await using hub = await startHub({ config: config([judge('throws')]) })
  const row = { data: { email: 'ada@example.com', text: 'throw' } }
  const rows = Array.from({ length: 500 }, () => row)
  const startedMs = performance.now()
  for (let n = 0; n < 2; n += 1)
    expect((await hub.api('POST', '/api/v2/forms/contact/responses/batch', rows)).status).toBe(200)
  const runs = await allItems<Run>(hub, '/api/v2/runs?kind=transform')
  const seconds = Math.ceil((performance.now() - startedMs) / 1_000)
  expect(await hub.metric('manifold_transforms_total', { outcome: 'failed' })).toBe(1_000)
  expect(runs.reduce((sum, { more }) => sum + 1 + more, 0)).toBe(1_000)
  expect(runs.length).toBeLessThanOrEqual(100 + 10 * seconds + 1)
  await hub.kill('SIGTERM')
  const lines = hub.logs.filter(({ msg }) => String(msg).startsWith('a transform failed'))
  const told = new Map(lines.map((line) => [String(line['code']), 0]))
  for (const { code, more } of lines) told.set(String(code), (told.get(String(code)) ?? 0) + 1 + Number(more ?? 0))
  expect(lines.length).toBeLessThanOrEqual(2 * told.size)
  // Each first one, and when the hub ends the number of the others.
  expect([...told.values()].reduce((sum, each) => sum + each, 0)).toBe(1_000 + lines.filter(({ more }) => more).length)
})

test('what is discarded from quarantine is in no byte of the database: not in runs, events, deliveries or attempts', async () => {
  const canary = 'canary-3b9f'
  await using receiver = await startReceiver({ status: 500 })
  // A receiver that is told of it, in vain: its delivery waits.
  const watcher = { ...hook(receiver.url, 'response.quarantined'), retry: { schedule: ['1h'] } }
  await using hub = await startHub({ config: config([judge('peeks'), judge('flags'), watcher]) })
  const [early, late] = [await send(hub, `spam ${canary}`), await send(hub, `spam, later: ${canary}`)]
  expect(await runsOf(hub, `response=${early.body.id}&kind=transform`)).toHaveLength(2)
  await until('the receiver to be asked', () => receiver.requests.length === 2)
  expect(bytesOf(hub)).toContain(canary)
  const discarded = await runCli(hub.dataDir, ['quarantine', 'discard', '--all', '--yes', '--data', hub.dataDir])
  expect([discarded.code, discarded.stdout], discarded.stderr).toEqual([0, '2 deleted\n'])
  for (const { body } of [early, late]) {
    expect(await runsOf(hub, `response=${body.id}`)).toEqual([])
    const deliveries = await hub.api<{ items: Run[] }>('GET', `/api/v2/deliveries?response=${body.id}`)
    expect(deliveries.body.items).toMatchObject([{ state: 'dead', error_code: 'event_erased' }])
    const events = await hub.api<{ items: Run[] }>('GET', '/api/v2/events?type=response.discarded')
    expect(JSON.stringify(events.body.items)).toContain(body.id)
  }
  await until('the last byte of it to go', () => !bytesOf(hub).includes(canary))
  // What was still on its way into the history does not bring it back.
  await hub.kill('SIGTERM')
  expect(bytesOf(hub)).not.toContain(canary)
})
