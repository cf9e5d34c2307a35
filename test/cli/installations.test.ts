/** `manifold installations`: an operator's hand on what runs; and errors as JSON where JSON was asked for. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { DECK, hook, HOOK_SECRET, sceneConfig } from '../support/scene.ts'
import { runCli } from './run-cli.ts'

let receiver: Receiver
let hub: Hub
beforeAll(async () => {
  receiver = await startReceiver()
  hub = await startHub({
    config: sceneConfig({ installations: [hook('one', `${receiver.url}/one`), hook('two', receiver.url)] }),
  })
})
afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const cli = (...args: string[]) => manifold(hub, ['installations', ...args])
const submit = (key: string) => hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key } })
const keysAt = (path: string) =>
  receiver.requests.filter((request) => request.path === path).map((request) => request.json()['key'])

test('list and show, with secrets hidden', async () => {
  expect((await cli()).stdout).toMatch(/one +webhooks +ready[^]*two +webhooks +ready/)
  expect((await cli('list', '--state', 'paused', '--json')).json()).toMatchObject({ items: [] })
  const { stdout } = await cli('show', 'one')
  expect(stdout).toContain(`"url":"${receiver.url}/one"`)
  expect(stdout).not.toContain(HOOK_SECRET)
})

test('pause lets events wait, resume goes on with them', async () => {
  expect((await cli('pause', 'one', '--reason', 'moving house')).stderr).toBe('one is paused: moving house\n')
  await submit('a')
  await receiver.received(1)
  expect([keysAt('/one'), keysAt('/')]).toEqual([[], ['a']])
  expect((await cli('resume', 'one', '--json')).json()).toMatchObject({ id: 'one', state: 'ready' })
  await settled(hub)
  expect(keysAt('/one')).toEqual(['a'])
})

test('several are resumed at once', async () => {
  await cli('pause', 'one')
  await cli('pause', 'two')
  const { stderr } = await cli('resume', 'one', 'two')
  expect(stderr).toBe('one is ready\ntwo is ready\n')
  expect((await cli('resume', 'one', 'two', '--json')).json()).toMatchObject({ items: [{ id: 'one' }, { id: 'two' }] })
  expect((await cli('resume')).code).toBe(2)
})

test('test sends the newest event once more, backfill reads what was there before', async () => {
  const sent = await cli('test', 'one', '--form', DECK)
  expect([sent.code, sent.stdout]).toEqual([0, expect.stringMatching(/^evt_\S+: dlv_\S+\n$/)])
  expect(sent.stderr).toMatch(/^one will handle evt_\S+ now as if it had just come\. What it does is real: /)
  await settled(hub)
  expect(keysAt('/one')).toEqual(['a', 'a'])
  const { cursor } = (await cli('show', 'one', '--json')).json() as { cursor: number }
  const would = await cli('backfill', 'one', '--from', 'beginning', '--dry-run')
  expect(would.stdout).toMatch(/^\d+ events would be read again, from 0 on\n$/)
  expect((await cli('show', 'one', '--json')).json()).toMatchObject({ cursor, lag: 0 })
  const filled = await cli('backfill', 'one', '--from', 'beginning')
  expect([filled.code, filled.stderr]).toEqual([
    0,
    expect.stringMatching(
      /^\d+ events of the log will be read again\. one handles [^]*\nReads the log again from 0 on; /,
    ),
  ])
  const asked = await cli('backfill', 'one', '--from', 'beginning', '--yes', '--json')
  expect([asked.code, asked.stderr, asked.json()]).toEqual([
    0,
    '',
    { dry_run: false, cursor: 0, events: expect.any(Number) as number },
  ])
  await settled(hub)
  // What it had delivered is not delivered again.
  expect(keysAt('/one')).toEqual(['a', 'a'])
})

test('an error is problem details on stderr where --json was asked for, with the exit code in it', async () => {
  const problems = async (args: readonly string[]) => {
    const { code, stdout, stderr } = await manifold(hub, args)
    return { code, stdout, problem: JSON.parse(stderr) as Record<string, unknown> }
  }
  expect(await problems(['installations', 'show', 'nobody', '--json'])).toEqual({
    code: 1,
    stdout: '',
    problem: expect.objectContaining({
      type: 'urn:manifold:problem:not_found',
      status: 404,
      code: 'not_found',
      exit_code: 1,
    }) as object,
  })
  expect(await problems(['replay', '--last', '2', '--json'])).toMatchObject({
    code: 2,
    stdout: '',
    problem: {
      type: 'about:blank',
      detail: '--last needs --installation.',
      hint: 'see: manifold status',
      exit_code: 2,
    },
  })
  expect(await problems(['replay', '--laast', '2', '--json'])).toMatchObject({
    code: 2,
    problem: { detail: expect.stringContaining('--laast') as string, exit_code: 2 },
  })
  const alone = await runCli(hub.dataDir, ['status', '--data', 'nowhere', '--json'])
  expect([alone.code, alone.stdout, JSON.parse(alone.stderr)]).toMatchObject([69, '', { exit_code: 69 }])
})
