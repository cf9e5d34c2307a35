/** Trips the limits of plugins, by plugins that break them. */
import { writeFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { LIMITS } from '../../../core/limits.ts'
import type { LimitName } from '../../../core/limits.ts'
import { discoverPlugins } from '../../../core/registry/discover.ts'
import { bundlePlugin } from '../../../core/sandbox/bundle.ts'
import { manifestSchema } from '../../../core/registry/manifest.ts'
import { deliveriesOf } from '../../support/hostility.ts'
import { settled, startHub } from '../../support/hub.ts'
import { DECK, FAULT_PLUGINS, sceneConfig } from '../../support/scene.ts'
import { tempDir } from '../../support/temp.ts'
import { until } from '../../support/wait.ts'
import { PATH, ask } from './world.ts'
import type { LimitCase, LimitCases, World } from './world.ts'

/** Those of transforms stand in `transforms.ts`. */
type PluginLimit = Exclude<Extract<LimitName, `plugin${string}` | `child${string}`>, `pluginTransform${string}`>

const HANGS = {
  in: 'test/faults/17-plugin-hangs.test.ts',
  test: 'F-17 endless loop, microtask loop, never settling, long native call: each a recorded failure, neighbours whole',
}
const BOMBS = {
  in: 'test/faults/18-plugin-bombs.test.ts',
  test: 'F-18 heap, string, ArrayBuffer and promise bombs: child bounded, hub unharmed, each a recorded failure, neighbours whole',
}
const FLOOD = {
  in: 'test/faults/20-plugin-floods.test.ts',
  test: 'F-20 a million log lines and one of ten million characters: bounded and cut, neighbours whole',
}

const FEW_POINTS = {
  in: 'test/accounting/warden.test.ts',
  test: 'one delivery at a time below 80 %, in a process of its own; as before at 90 %',
}
const APART = {
  in: 'test/accounting/appetite.test.ts',
  test: 'most of a core by long runs is heavy; less of it, or as much by short runs, is not',
}
const CPU_COST = {
  in: 'test/accounting/cost.test.ts',
  test: 'is free up to a bound for each run, and costs by the millisecond above it',
}
const BREACH_COST = {
  in: 'test/accounting/cost.test.ts',
  test: 'cost what the limits say, and name the handler',
}

/** The greedy plugin asks for this and fails with one of these codes: the log has it by the request, who asked has not. */
const greed =
  (what: string, codes: readonly string[]): LimitCase =>
  async ({ plain }: World) => {
    const fine = await ask(plain, 'nothing')
    expect([fine.status, fine.body], fine.text).toEqual([200, 'content'])
    const { body, text } = await ask(plain, what)
    expect(body.code, text).toBe('plugin_failed')
    const line = await until('the failure in the log', () =>
      plain.logs.find(({ msg, request }) => msg === 'a route failed' && request === body.instance),
    )
    expect(codes, text).toContain(line?.['code'])
  }

const CACHE = {
  in: 'test/native/plugin-cache.test.ts',
  test: 'an installation puts so much and no more while texts live, and none that is too long',
}
const MANIFEST = { id: 'x', name: 'X', version: '1.0.0', hub: '^1.0', main: 'index.ts' }
/** A manifest may ask for as much as the ceiling, and no more. */
export const ceiling = (name: 'heapMb' | 'sliceMs' | 'cpuMs' | 'transformWallMs', max: number) => () => {
  const accepts = (value: number) => manifestSchema.safeParse({ ...MANIFEST, limits: { [name]: value } }).success
  expect([accepts(max), accepts(max + 1)]).toEqual([true, false])
}

export const plugins: LimitCases<PluginLimit> = {
  pluginHeapMb: BOMBS,
  pluginHeapMbCeiling: ceiling('heapMb', LIMITS.pluginHeapMbCeiling),
  pluginSliceMs: HANGS,
  pluginSliceMsCeiling: ceiling('sliceMs', LIMITS.pluginSliceMsCeiling),
  pluginCpuMs: HANGS,
  pluginCpuMsCeiling: ceiling('cpuMs', LIMITS.pluginCpuMsCeiling),
  pluginEventWallMs: HANGS,
  pluginActionWallMs: async ({ tight }) => {
    await tight.api('POST', PATH, { data: { key: 'sleep' } })
    const ended = await until('the action to be ended', () => deliveriesOf(tight, 'sleeper'), {
      accept: (all) => all.some(({ kind, state }) => kind === 'action' && state === 'dead'),
    })
    expect(ended.find(({ kind }) => kind === 'action')).toMatchObject({ error_code: 'plugin_wall' })
  },
  pluginScheduleWallMs: async ({ tight }) => {
    const ended = await until('the schedule to be ended', () => deliveriesOf(tight, 'sleeper'), {
      accept: (all) => all.some(({ kind, state }) => kind === 'schedule' && state === 'dead'),
    })
    expect(ended.find(({ kind }) => kind === 'schedule')).toMatchObject({ error_code: 'plugin_wall' })
  },
  pluginRouteWallMs: async ({ tight }) => {
    // The public rate of this hub is one a second, for plugins' routes as well.
    const answer = await until('a turn', () => ask(tight, 'endless time'), {
      accept: ({ status }) => status !== 429,
      everyMs: 300,
    })
    expect([answer.status, answer.body.code], answer.text).toEqual([504, 'plugin_wall'])
  },
  pluginLoadMs: async () => {
    const installations = [{ id: 'slow', use: 'slow-load' }]
    await using hub = await startHub({ config: sceneConfig({ installations, pluginDirs: [FAULT_PLUGINS] }) })
    const shown = await until('the plugin to be set aside', () => hub.api('GET', '/api/v2/installations/slow'), {
      accept: ({ body }) => body['state'] !== 'ready',
    })
    expect(shown.body['reason'], shown.text).toBeTruthy()
    expect((await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key: 'x' } })).status).toBe(201)
  },
  pluginHostOpsMax: greed('host operations', ['capability_limit']),
  pluginHttpCallsMax: greed('http calls', ['capability_limit']),
  pluginFindingsMax: { in: 'test/sandbox/report.test.ts', test: 'findings of a check are few, and say where' },
  pluginTokensMax: {
    in: 'test/capabilities/tokens.test.ts',
    test: 'so many tokens are held; the one that was asked for longest ago is obtained again',
  },
  pluginEmailsMax: { in: 'test/capabilities/email.test.ts', test: 'one e-mail a delivery' },
  pluginLogLinesMax: FLOOD,
  pluginLogLineCharsMax: FLOOD,
  pluginHookRequestBytesMax: {
    in: 'test/capabilities/bad-receivers.test.ts',
    test: 'a request body over the cap is not sent',
  },
  pluginHttpRequestBytesMax: greed('a large request', ['capability_limit', 'capability_input']),
  pluginHttpResponseBytesMax: async ({ plain }) => {
    const answer = await ask(plain, 'a large response')
    expect(answer.body, answer.text).toEqual({ chars: LIMITS.pluginHttpResponseBytesMax, truncated: true })
  },
  pluginCacheTextBytesMax: CACHE,
  pluginCacheBytesMax: CACHE,
  pluginCacheTtlMs: CACHE,
  pluginResultBytesMax: {
    in: 'test/sandbox/breach.test.ts',
    test: 'too large an answer and what is no JSON are invalid results',
  },
  pluginDiffBytesMax: {
    in: 'test/registry/source-diff.test.ts',
    test: 'a diff is cut at a line and says so, however much has changed',
  },
  pluginBundleBytesMax: async () => {
    await using dir = await tempDir('bundle')
    const bundle = async (chars: number) => {
      const code = `const text = '${'x'.repeat(chars)}'\nexport default { on: { 'response.submitted': () => { if (text === '') throw new Error('empty') } } }`
      await writeFile(dir.file('index.ts'), code)
      return await bundlePlugin({
        dir: dir.path,
        main: 'index.ts',
        pluginId: 'x',
        version: '1.0.0',
        bytesMax: LIMITS.pluginBundleBytesMax,
      })
    }
    await bundle(LIMITS.pluginBundleBytesMax / 2)
    await expect(bundle(LIMITS.pluginBundleBytesMax)).rejects.toThrow(/bytes|large|MB/)
  },
  pluginTimersMax: greed('timers', ['plugin_threw', 'capability_limit']),
  pluginKvKeyCharsMax: greed('a long key', ['capability_limit', 'capability_input']),
  pluginKvValueBytesMax: greed('a large value', ['capability_limit', 'capability_input', 'plugin_invalid_result']),
  pluginKvKeysMax: async () => {
    const installations = [{ id: 'hoarder', use: 'hoarder', retry: { schedule: [] } }]
    await using hub = await startHub({ config: sceneConfig({ installations, pluginDirs: [FAULT_PLUGINS] }) })
    const events = LIMITS.pluginKvKeysMax / 50
    const send = (count: number) =>
      hub.api(
        'POST',
        `${PATH}/batch`,
        Array.from({ length: count }, (_, n) => ({ data: { key: `${n}` } })),
      )
    await send(events)
    await settled(hub)
    expect(await deliveriesOf(hub, 'hoarder')).toEqual([])
    await send(1)
    await settled(hub)
    expect(await deliveriesOf(hub, 'hoarder')).toMatchObject([
      { kind: 'handler', state: 'dead', error_code: 'capability_limit' },
    ])
  },
  pluginTalliesMax: {
    in: 'test/delivery/memory-quota.test.ts',
    test: 'new names are refused over the limit, those that are there still add',
  },
  pluginRouteBodyBytesMax: async ({ plain }) => {
    const answer = await ask(plain, 'x'.repeat(LIMITS.pluginRouteBodyBytesMax + 1))
    expect([answer.status, answer.body.code]).toEqual([413, 'body_too_large'])
  },
  pluginPointsMax: {
    in: 'test/accounting/points.test.ts',
    test: 'is full at first, fills by itself and never over its brim',
  },
  pluginPointsPerSecond: { in: 'test/accounting/points.test.ts', test: 'says when there will be so many' },
  pluginDegradedFraction: FEW_POINTS,
  pluginReadyFraction: FEW_POINTS,
  pluginApartCpuFraction: APART,
  pluginApartRunMs: APART,
  pluginCpuFreeMs: CPU_COST,
  pluginReadFreeMs: {
    in: 'test/sandbox/tampered.test.ts',
    test: 'of a size that is still read: its run pays for the reading',
  },
  pluginCpuPointsPerSecond: CPU_COST,
  pluginWallBreachPoints: {
    in: 'test/accounting/cost.test.ts',
    test: 'of time cost only those who waited for nobody',
  },
  pluginCpuBreachPoints: BREACH_COST,
  pluginMemoryBreachPoints: BREACH_COST,
  pluginKilledPoints: {
    in: 'test/accounting/warden.test.ts',
    test: 'a killed process costs most: some of them are a pause',
  },
  pluginBridgePoints: BREACH_COST,
  pluginLoadBreachPoints: BREACH_COST,
  pluginPauseMs: {
    in: 'test/accounting/warden.test.ts',
    test: 'a pause with its reason and its end; then one at a time, then as before',
  },
  pluginPausesMax: {
    in: 'test/accounting/warden.test.ts',
    test: 'the third time within a day it stays out, until a person lets it in, with all its points',
  },
  pluginPausesWindowMs: { in: 'test/accounting/warden.test.ts', test: 'pauses of another day do not count' },
  childRssMb: BOMBS,
  childHeartbeatMs: { in: 'test/sandbox/processes.test.ts', test: 'a child that stops answering is killed' },
  childRestartBackoffMs: {
    in: 'test/sandbox/processes.test.ts',
    test: 'a plugin that always gets its process killed restarts at most once per backoff',
  },
  childProgramsKeptMax: {
    in: 'test/sandbox/program-cache.test.ts',
    test: 'programs of other sources are kept up to a number; the longest unused go first',
  },
  childMessageBytesMax: {
    in: 'test/attacks/32-channel.test.ts',
    test: 'a message that is longer than any may be: a plugin that makes one is ended, and so is a process that claims one',
  },
  childBytesPerSecondMax: {
    in: 'test/attacks/32-channel.test.ts',
    test: 'a flood of what an honest one may send: ended when it is more than anybody needs',
  },
  childUnreadMsMax: {
    in: 'test/attacks/32-channel.test.ts',
    test: 'a process that takes nothing any more, though it beats: ended before what waits for it fills the hub',
  },
}

/** Fails early, with the reason, when a fixture itself is not right. */
export async function fixturesAreWhole(): Promise<void> {
  const { broken } = await discoverPlugins([{ dir: FAULT_PLUGINS, origin: 'community' }])
  expect(broken).toEqual([])
}
