/** The suite that every plugin must pass, whatever it is for. Each check lives the plugin through something real. */
import type { Manifest } from '../registry/manifest.ts'
import { manifestOf, folderOf } from './open-folder.ts'
import type { PluginSource } from './open-folder.ts'
import {
  declaresWhatItUses,
  failsWithItsPlace,
  handlesItsEvents,
  leavesNoTimers,
  looksAtResponses,
  repeatsItsKeys,
  repeatsItsRequests,
  settlesInTime,
} from './checks.ts'
import type { Findings, Life } from './checks.ts'
import { NamesDiffer } from './rooms.ts'
import type { TestRooms } from './rooms.ts'
import { sampleEvents, transformable } from './sample-events.ts'
import { sampleSettings } from './sample-settings.ts'
import type { Reply, SentRequest } from './scripted-http.ts'
import { openPlugin } from './test-plugin.ts'
import type { TestDelivery, TestPlugin, TestPluginOptions } from './test-plugin.ts'
import { resubmit } from './recorded-events.ts'
import type { RecordedEvent, TestResponse } from './recorded-events.ts'

export interface ConformanceOptions extends Omit<TestPluginOptions, 'dir' | 'files'> {
  /** Default: one of each type that the manifest names. */
  readonly events?: readonly RecordedEvent[]
  /** What receivers answer. Default: 200 and `{}`. */
  readonly reply?: Reply
}

/** One row of the suite. */
export interface Conformity {
  readonly name: string
  readonly findings: Findings
}

const SECOND_MS = 1_000
/** Longer than any batch waits for company. */
const BATCH_MS = 61 * SECOND_MS
const RETRY_MS = 600 * SECOND_MS
/** Longer than a retry, and the batch after it. */
const LATER_MS = RETRY_MS + BATCH_MS

/** Rejects with everything that is wrong; resolves with the names of what was looked at. */
export async function conformance(
  plugin: string | URL | Readonly<Record<string, string>>,
  options: ConformanceOptions = {},
): Promise<readonly string[]> {
  const isFolder = typeof plugin === 'string' || plugin instanceof URL
  const rows = await checkPlugin(isFolder ? { dir: plugin } : { files: plugin }, options)
  const wrong = rows.flatMap(({ name, findings }) => findings.map((finding) => `✖ ${name}: ${finding}`))
  if (wrong.length > 0) throw new Error(`The plugin does not conform.\n${wrong.join('\n')}`)
  return rows.map(({ name }) => name)
}

/** Every row with what was found. One that does not load has no further rows. */
export async function checkPlugin(source: PluginSource, options: ConformanceOptions): Promise<readonly Conformity[]> {
  await using closers = new AsyncDisposableStack()
  const dir = await folderOf(source, closers)
  let manifest: Manifest
  try {
    manifest = await manifestOf(dir)
  } catch (error) {
    return [{ name: LOADS, findings: [(error as Error).message] }]
  }
  const config = options.config ?? sampleSettings(manifest.config)
  // What is put aside says why.
  const told = manifest.transform === undefined ? {} : ({ whenFails: 'closed' } as const)
  const subject: Subject = {
    manifest,
    events: options.events ?? sampleEvents(manifest),
    reply: options.reply ?? { json: {} },
    install: { retryMs: [RETRY_MS, RETRY_MS], concurrency: 1, ...options, ...told, dir, config },
  }
  let day: Day
  try {
    day = await ordinaryDay(subject)
  } catch (error) {
    const findings = [(error as Error).message]
    return error instanceof NamesDiffer ? [passed(LOADS), { name: NAMES, findings }] : [{ name: LOADS, findings }]
  }
  const troubled = await troubledDay(subject)
  const all: Life = {
    runs: [...day.life.runs, ...troubled.life.runs],
    deliveries: [...day.life.deliveries, ...troubled.life.deliveries],
    refusals: [...day.life.refusals, ...troubled.life.refusals],
  }
  return [
    passed(LOADS),
    passed(NAMES),
    { name: 'handles the events it asks for', findings: handlesItsEvents(day.life) },
    ...(manifest.transform === undefined
      ? []
      : [{ name: 'looks at responses', findings: looksAtResponses(day.transformed, day.life) }]),
    { name: 'declares what it uses', findings: declaresWhatItUses(all) },
    { name: 'settles in time', findings: settlesInTime(all) },
    { name: 'leaves no timers behind', findings: leavesNoTimers(all) },
    { name: 'gives the same keys to the same event', findings: day.repeats },
    { name: 'repeats an interrupted action as the same one', findings: troubled.repeats },
    { name: 'fails with file and line', findings: failsWithItsPlace(all) },
  ]
}

const LOADS = 'loads within its limits'
const NAMES = 'manifest and code name the same things'

/** What a plugin has passed that could be loaded at all. */
export const LOADING_ROWS: ReadonlySet<string> = new Set([LOADS, NAMES])
const passed = (name: string): Conformity => ({ name, findings: [] })

interface Subject {
  readonly manifest: Manifest
  readonly events: readonly RecordedEvent[]
  readonly reply: Reply
  readonly install: TestPluginOptions
}

interface Day {
  readonly life: Life
  /** What the same events led to that they had not led to before. */
  readonly repeats: Findings
  /** What became of the responses, sent once more through the transform. */
  readonly transformed: readonly TestResponse[]
}

/** Everything the manifest names, with receivers that take it; then the log once more, a little later. */
async function ordinaryDay({ manifest, events, reply, install }: Subject): Promise<Day> {
  const { plugin, rooms } = await openPlugin(install)
  await using _closing = plugin
  plugin.http.on('* *', reply)
  await plugin.emit(...events)
  // At once, by the same isolate: what it remembers of the first time shows. Then later, by another one.
  const made = await plugin.deliveries()
  await rooms.rereadLog()
  const atOnce = repeatsItsKeys(made, await plugin.deliveries())
  const first = await leap(plugin, rooms, LATER_MS)
  await rooms.rereadLog()
  const later = repeatsItsKeys(first, await plugin.settle())
  const repeats = atOnce.length > 0 ? atOnce : later
  const responses = manifest.transform === undefined ? [] : transformable(events)
  const transformed: TestResponse[] = []
  for (const event of responses) transformed.push(await resubmit(rooms, event))
  for (const name of Object.keys(manifest.schedules)) await plugin.fire(name)
  // What it finds in settings that are made up is its own business.
  if (manifest.check) await plugin.check()
  // What a route makes of a stranger's request is its own business.
  for (const route of Object.keys(manifest.routes)) await plugin.request(route).catch(() => undefined)
  await leap(plugin, rooms, LATER_MS)
  return { life: await lifeOf(plugin, rooms), repeats, transformed }
}

/** Connections break after the request; then everything goes well. Each event on its own, to tell requests apart. */
async function troubledDay({ manifest, events, reply, install }: Subject): Promise<{ life: Life; repeats: Findings }> {
  const { plugin, rooms } = await openPlugin(install)
  await using _closing = plugin
  const repeats: string[] = []
  for (const event of events) {
    plugin.http.on('* *', { error: 'http_reset' })
    plugin.http.forget()
    await plugin.emit(event)
    await leap(plugin, rooms, BATCH_MS)
    const sent = [...plugin.http.requests]
    plugin.http.on('* *', reply)
    plugin.http.forget()
    await leap(plugin, rooms, LATER_MS)
    repeats.push(...repeatsItsRequests(distinct(sent), plugin.http.requests))
  }
  // Without an input and without the event it was made for.
  for (const action of Object.keys(manifest.actions)) await plugin.run(action)
  return { life: await lifeOf(plugin, rooms), repeats }
}

/** Passes over what lies between: a schedule of every second fires once then, and says what it missed. */
async function leap(plugin: TestPlugin, rooms: TestRooms, spanMs: number): Promise<readonly TestDelivery[]> {
  await plugin.settle()
  rooms.clock.moveTo(plugin.now() + spanMs)
  await plugin.settle()
  // What was enqueued then may wait for company in its turn.
  rooms.clock.moveTo(plugin.now() + BATCH_MS)
  return await plugin.settle()
}

/** A run may have been interrupted at any of several equal requests. */
const distinct = (requests: readonly SentRequest[]): readonly SentRequest[] => [
  ...new Map(
    requests.map((request) => [JSON.stringify([request.method, request.url, request.headers]), request]),
  ).values(),
]

const lifeOf = async (plugin: TestPlugin, rooms: TestRooms): Promise<Life> => ({
  runs: plugin.runs,
  deliveries: await plugin.deliveries(),
  refusals: rooms.recorder.refusals.map(({ message }) => message),
})
