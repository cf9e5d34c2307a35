/** A plugin's files change under a hub in production: it tells, goes on as it was, and takes them over when somebody says yes. */
import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { startFleet } from '../support/fleet.ts'
import { startHub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, sceneConfig } from '../support/scene.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { CODE, HELLO, writePlugin } from '../registry/plugin-folder.ts'
import { runCli } from './run-cli.ts'

interface PluginRow {
  readonly id: string
  readonly state: string
  readonly code: string | null
  readonly granted: readonly string[] | null
  readonly needs_approval: {
    readonly from: { readonly version: string; readonly code: string; readonly grants: readonly string[] }
    readonly to: { readonly version: string; readonly code: string; readonly hash: string }
    readonly running: string | null
    readonly gone: boolean
    readonly diff: readonly string[]
    readonly sources: { readonly files: readonly object[]; readonly diff: string; readonly whole: boolean } | null
  } | null
}

test('changed files wait in the API, in status and in the list, until they are approved', async () => {
  await using temp = await tempDir('approval')
  await writePlugin(temp.file('mine'), 'hey')
  await using hub = await startHub({
    args: ['--production'],
    config: {
      pluginDirs: [temp.file('mine')],
      installations: [{ id: 'one', use: 'hey', with: { url: 'https://hooks.example' } }],
    },
  })
  const read = async () => (await hub.api<PluginRow>('GET', '/api/v2/plugins/hey')).body
  const cli = (...args: string[]) =>
    runCli(temp.path, [...args, '--data', hub.dataDir], {
      env: { MANIFOLD_CONFIG: hub.configFile },
    })
  const before = await read()
  expect(before).toMatchObject({ state: 'loaded', needs_approval: null })
  expect(before.granted).toContain('http method POST')

  await writePlugin(temp.file('mine'), 'hey', { code: CODE.replace('event.id', '"v2"') })
  const waiting = await until('the hub to notice', read, { accept: ({ state }) => state === 'needs-approval' })
  expect(waiting.code).toBe(before.code)
  expect(waiting.needs_approval).toMatchObject({
    from: { version: '1.0.0', code: before.code, grants: before.granted },
    to: { version: '1.0.0', grants: before.granted },
    running: '1.0.0',
    diff: [expect.stringMatching(new RegExp(`^! code: ${before.code?.slice(0, 12)} was granted`))],
    sources: { files: [{ path: 'index.ts', change: 'changed', added: 1, removed: 1 }], whole: true },
  })
  expect(waiting.needs_approval?.sources?.diff).toMatch(
    /^--- granted\/index\.ts\n\+\+\+ index\.ts\n@@ [^]*\n-.*event\.id.*\n\+.*"v2".*\n/,
  )
  const status = await cli('status')
  expect([status.code, status.stdout]).toEqual([
    0,
    expect.stringMatching(/hey 1\.0\.0 waits for approval, 1\.0\.0 as it was granted runs on:\n {2}! code: /),
  ])
  expect((await cli('plugin', 'list')).stdout).toMatch(/hey +1\.0\.0 +community +needs-approval/)
  expect((await cli('plugin', 'info', 'hey')).stdout).toMatch(/granted: version 1\.0\.0[^]*waits for approval/)

  // What the hub refuses is not called ready beside it, though nobody told this command how strict the hub is.
  const unmeant = await cli('plugin', 'approve', 'hey')
  expect([unmeant.code, unmeant.stderr]).toEqual([
    2,
    expect.stringMatching(/changed files:\n {2}~ index\.ts \(\+1 -1\)\n[^]*\n\+.*"v2"[^]*\nhash, .*: [0-9a-f]{64}\n/),
  ])
  expect(unmeant.stderr).toContain(waiting.needs_approval?.to.hash)
  expect((await cli('plugin', 'info', 'hey')).stdout).toContain(waiting.needs_approval?.to.hash)
  const approved = await cli('plugin', 'approve', 'hey', '--yes')
  expect([approved.code, approved.stderr]).toEqual([
    0,
    expect.stringContaining('The running hub takes it up by itself'),
  ])
  const after = await until('the hub to take it over', read, { accept: ({ state }) => state === 'loaded' })
  expect(after.code).not.toBe(before.code)
  const { stdout } = await cli('status', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ approvals: [], installations: [{ id: 'one', state: 'ready' }] })

  await rm(temp.file('mine/hey'), { recursive: true })
  await until('the hub to notice', read, { accept: ({ needs_approval: waits }) => waits?.gone === true })
  const words = /the folder of hey is gone; version 1\.0\.0 runs on as it was granted/
  expect((await cli('status')).stdout).toMatch(new RegExp(`${words.source}\n  → put the folder back, or take `))
  const listed = await cli('plugin', 'list')
  expect(listed.stdout).toMatch(/hey +1\.0\.0 +community +gone +one/)
  expect(listed.stderr).toMatch(words)
  const nothing = await cli('plugin', 'approve', 'hey')
  expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringMatching(words)])
  expect(hub.logs.map(({ msg }) => String(msg))).toContainEqual(expect.stringMatching(words))
})

/** Posts which edition it is. */
const edition = (n: number): string => `import { definePlugin, send } from 'manifold/plugin'
export default definePlugin({
  on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', { edition: ${n} }, { key: event.id }) },
  actions: { post: { run: ([item], ctx) => send({ method: 'POST', url: ctx.config.url, json: item.input }) } },
})
`

test('over the API: a yes to what was shown and to nothing else; until then, also after a restart, the granted code runs', async () => {
  await using temp = await tempDir('approval-api')
  await using receiver = await startReceiver()
  await writePlugin(temp.file('mine'), 'hey', { code: edition(1) })
  await using hub = await startHub({
    args: ['--production'],
    config: sceneConfig({
      pluginDirs: [temp.file('mine')],
      installations: [{ id: 'one', use: 'hey', with: { url: receiver.url } }],
    }),
  })
  const read = async () => (await hub.api<PluginRow>('GET', '/api/v2/plugins/hey')).body
  const approve = (hash: string, key?: string) =>
    hub.api<PluginRow & { code: string; errors?: readonly { detail: string }[] }>(
      'POST',
      '/api/v2/plugins/hey/approve',
      { hash },
      key === undefined ? {} : { key },
    )
  const runs = async () => {
    const count = receiver.requests.length
    await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key: 'a' } })
    return (await receiver.received(count + 1)).at(-1)?.json()
  }
  const waits = () => until('the hub to notice', read, { accept: ({ state }) => state === 'needs-approval' })
  const alerts = async () => {
    const { body } = await hub.api<{ items: { type: string; data: Record<string, unknown> }[] }>(
      'GET',
      '/api/v2/events?type=alert.raised',
    )
    return body.items.map(({ data }) => data)
  }
  expect(await runs()).toEqual({ edition: 1 })
  expect((await approve('0'.repeat(64))).status).toBe(409)

  const wider = { ...HELLO, id: 'hey', permissions: { ...HELLO.permissions, kv: true } }
  await writePlugin(temp.file('mine'), 'hey', { manifest: wider, code: edition(2) })
  const shown = (await waits()).needs_approval
  expect(shown?.diff).toEqual([
    '+ kv',
    expect.stringMatching(/^! code: [0-9a-f]{12} was granted, [0-9a-f]{12} is on disk$/),
  ])
  expect(await runs()).toEqual({ edition: 1 })
  await until('the alert', alerts, { accept: (list) => list.some(({ kind }) => kind === 'plugin_needs_approval') })
  expect((await alerts()).filter(({ kind }) => kind === 'plugin_needs_approval')).toEqual([
    {
      kind: 'plugin_needs_approval',
      plugin: 'hey',
      version: '1.0.0',
      running: '1.0.0',
      diff: shown?.diff,
      reason: expect.stringMatching(/^hey 1\.0\.0 on disk is not what was granted \(\+ kv, .* runs on$/) as string,
      todo: 'read it, then: manifold plugin approve hey',
    },
  ])

  await hub.restart({ args: ['--production'] })
  expect(
    hub.logs.filter(({ msg }) => String(msg).includes('is not what was granted and waits')).length,
  ).toBeGreaterThan(1)
  expect([(await read()).state, await runs()]).toEqual(['needs-approval', { edition: 1 }])
  expect((await alerts()).filter(({ kind }) => kind === 'plugin_needs_approval')).toHaveLength(1)
  const told = await runCli(temp.path, ['alerts', '--data', hub.dataDir])
  expect(told.stdout).toMatch(
    /plugin_needs_approval hey: hey 1\.0\.0 on disk .*\n +→ read it, then: manifold plugin approve hey/,
  )

  // What one saw is not what is there any more.
  const [seen] = [shown?.to.hash ?? '']
  await writePlugin(temp.file('mine'), 'hey', { manifest: { ...wider, version: '1.0.1' }, code: edition(3) })
  const late = await approve(seen)
  expect([late.status, late.body.errors?.map(({ detail }) => detail)]).toEqual([
    409,
    ['+ kv', '! version: 1.0.0 was granted, 1.0.1 is on disk', expect.stringMatching(/^! code: /)],
  ])
  expect(await runs()).toEqual({ edition: 1 })

  const other = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'ops', scopes: ['deliveries:write'] })
  const now = (
    await until('the third to be seen', read, { accept: (row) => row.needs_approval?.to.version === '1.0.1' })
  ).needs_approval
  expect((await approve(now?.to.hash ?? '', other.body.key)).status).toBe(403)
  const granted = await approve(now?.to.hash ?? '')
  expect([granted.status, granted.body.state, granted.body.code]).toEqual([200, 'loaded', now?.to.code])
  expect(granted.body.granted).toContain('kv')
  await until('the new code to run', runs, { accept: (body) => body?.['edition'] === 3 })
  expect((await approve(now?.to.hash ?? '')).status).toBe(409)
})

test('where several processes run, each has its own files and lock, and the API says what to do instead of granting', async () => {
  await using temp = await tempDir('approval-fleet')
  await writePlugin(temp.file('mine'), 'hey')
  const config = sceneConfig({
    pluginDirs: [temp.file('mine')],
    installations: [{ id: 'one', use: 'hey', with: { url: 'https://hooks.example' } }],
  })
  await using fleet = await startFleet({ apis: 1, workers: 1, config })
  const [api] = fleet.apis
  const refused = await api?.api<{ detail: string }>('POST', '/api/v2/plugins/hey/approve', { hash: '0'.repeat(64) })
  expect([refused?.status, refused?.body.detail]).toEqual([
    409,
    expect.stringMatching(
      /^2 processes run \(http:.*each with files and a lock of its own\. Run "manifold plugin approve hey"/,
    ),
  ])
})
