/** Makes an entry of the run history: what a run asked for in names, keys and sizes, its requests and lines within bounds, secrets masked. Pure. */
import { rfc3339 } from '../clock.ts'
import type { Json } from '../contract/index.ts'
import type { Limits } from '../limits.ts'
import type { Exchange, RunEffect, RunItem, RunKind, RunLog, RunRecord, RunRequest } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { RunResult } from '../sandbox/sandbox.ts'
import type { Effects } from '../storage/store.ts'
import type { Passing } from '../transform/changes.ts'

/** Why a run did not do what it was for. `cause` has the way there in the plugin's files. */
export interface RunFailure {
  readonly code: string
  readonly error: string
  readonly cause?: unknown
}

/** A run that is over, judged, and whose effects are or are about to be on disk. */
export interface RunEnd {
  readonly id: string
  readonly installation: Installation
  readonly kind: RunKind
  readonly name: string
  /** Of the request that a route was asked by, as its caller was told it. */
  readonly requestId?: string
  readonly attempt: number
  /** Unix ms. */
  readonly startedAtMs: number
  readonly durationMs: number
  readonly items: readonly RunItem[]
  /** What the sandbox answered; null when it did not get that far. */
  readonly result: RunResult | null
  /** What was taken of what it asked for. */
  readonly effects: Effects
  /** Of a transform that changed a response: that response before and after. */
  readonly changes?: { readonly before: Passing; readonly after: Passing }
  /** Secrets masked. */
  readonly exchanges: readonly Exchange[]
  /** Null: it did what it was for. */
  readonly failure: RunFailure | null
  /** Takes the installation's secrets out of a text. */
  readonly mask: (text: string) => string
}

/** It was under way when it was interrupted, as where its process was killed; the others of its batch had not begun. */
export const wasCutOff = (result: RunResult | null): boolean =>
  result !== null && result.error?.code === 'plugin_interrupted' && result.durationMs > 0

const BUNDLE_CHARS = 12
const STACK_CHARS_MAX = 2_000

/** The entry, with what is too much left out and counted. */
export function recordOf(end: RunEnd, limits: Pick<Limits, 'runLogBytesMax' | 'runEffectsBytesMax'>): RunRecord {
  const { installation, failure, result, mask } = end
  const { bundle, manifest } = installation.plugin
  const effects = within(effectsOf(end), limits.runEffectsBytesMax)
  const requests = within(end.exchanges.map(requestOf), limits.runEffectsBytesMax)
  const logs = within(maskedLines(result?.logs ?? [], mask), limits.runLogBytesMax)
  return {
    id: end.id,
    workspace: installation.workspace,
    installation: installation.id,
    plugin: manifest.id,
    version: bundle.version,
    bundle: bundle.hash.slice(0, BUNDLE_CHARS),
    kind: end.kind,
    name: end.name,
    attempt: end.attempt,
    startedAt: rfc3339(end.startedAtMs),
    durationMs: rounded(end.durationMs),
    cpuMs: rounded(result?.cpuMs ?? 0),
    outcome: failure === null ? 'ok' : 'failed',
    errorCode: failure?.code ?? null,
    error: failure === null ? null : mask(failure.error),
    stack: failure === null ? null : stackOf(failure, mask),
    items: end.items,
    effects: effects.kept,
    requests: requests.kept,
    logs: logs.kept,
    leftOut: effects.leftOut + requests.leftOut + logs.leftOut + (result?.logsDropped ?? 0),
    more: 0,
  }
}

/** Lines with the secrets taken out of words and fields. */
export const maskedLines = (lines: readonly RunLog[], mask: (text: string) => string): readonly RunLog[] =>
  lines.map((line) => ({
    ...line,
    message: mask(line.message),
    ...(line.fields === undefined ? {} : { fields: maskedJson(line.fields, mask) as { readonly [key: string]: Json } }),
  }))

/** Fields have been found to be shallow when they left the sandbox. */
function maskedJson(value: Json, mask: (text: string) => string): Json {
  if (typeof value === 'string') return mask(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: Json) => maskedJson(item, mask))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [mask(key), maskedJson(item, mask)]))
}

function effectsOf({ effects, changes, result, mask }: RunEnd): readonly RunEffect[] {
  return [
    ...effects.deliveries.map(
      ({ name, key, id }) => ({ kind: 'enqueue', action: name, key: mask(key), deliveryId: id }) as const,
    ),
    ...effects.kv.map(
      ({ key, value }) =>
        ({ kind: 'kv', key: mask(key), bytes: value === undefined ? null : Buffer.byteLength(value) }) as const,
    ),
    ...effects.events.map(({ type, id }) => ({ kind: 'emit', type, eventId: id }) as const),
    ...effects.tallies.map(({ name, by }) => ({ kind: 'tally', name: mask(name), by }) as const),
    ...(result?.effects.metric ?? []).map(({ name, by }) => ({ kind: 'metric', name: mask(name), by }) as const),
    ...(changes === undefined
      ? []
      : (['data', 'meta'] as const).flatMap((part) =>
          changesOf(part, changes).map((each) => ({ ...each, key: mask(each.key) })),
        )),
  ]
}

/** What differs, by key. */
function changesOf(
  part: 'data' | 'meta',
  { before, after }: NonNullable<RunEnd['changes']>,
): readonly Extract<RunEffect, { kind: 'change' }>[] {
  if (before[part] === after[part]) return []
  const [old, now] = [before, after].map((each) => textsOf(each[part])) as [Map<string, string>, Map<string, string>]
  const keys = new Set([...old.keys(), ...now.keys()])
  return [...keys].flatMap((key) => {
    const text = now.get(key)
    if (text === old.get(key)) return []
    return [{ kind: 'change', part, key, bytes: text === undefined ? null : Buffer.byteLength(text) }]
  })
}

const textsOf = (json: string): Map<string, string> =>
  new Map(
    Object.entries(JSON.parse(json) as { [key: string]: Json }).map(([key, value]) => [key, JSON.stringify(value)]),
  )

const requestOf = ({ method, url, status, durationMs, error }: Exchange): RunRequest => ({
  method,
  url: url.replace(/[?#].*$/s, ''),
  status,
  durationMs,
  error,
})

/** As many from the first on as fit together. */
function within<Item>(
  items: readonly Item[],
  bytesMax: number,
): { readonly kept: readonly Item[]; readonly leftOut: number } {
  let bytes = 0
  for (const [place, item] of items.entries()) {
    bytes += Buffer.byteLength(JSON.stringify(item))
    if (bytes > bytesMax) return { kept: items.slice(0, place), leftOut: items.length - place }
  }
  return { kept: items, leftOut: 0 }
}

/** The frames below the message, which is told already. */
function stackOf({ cause }: RunFailure, mask: (text: string) => string): string | null {
  if (!(cause instanceof Error) || cause.stack === undefined) return null
  const frames = cause.stack
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .map((line) => line.trim())
    .join('\n')
  return frames === '' ? null : mask(frames).slice(0, STACK_CHARS_MAX)
}

const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000
