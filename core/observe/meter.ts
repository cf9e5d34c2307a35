/** The hub's own numbers: the counters the rooms count with, and the gauges that are asked when somebody scrapes. */
import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import type { Usage } from '../accounting/usage.ts'
import type { CacheCounts } from '../cache/cache.ts'
import type { LaneKind } from '../queue/queue.ts'
import type { SandboxStats } from '../sandbox/sandbox.ts'
import type { LaneCounts } from '../storage/store.ts'
import type { Counters, Logger } from './observe.ts'
import { askedCounter } from './asked-counter.ts'
import { registerPluginGauges } from './plugin-gauges.ts'
import { TallyCounter, TallyHistogram } from './tallies.ts'

const DURATION_BOUNDS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const END_TO_END_BOUNDS_SECONDS = [...DURATION_BOUNDS_SECONDS, 300, 1_800, 7_200]
const MS_PER_SECOND = 1_000
/** For each installation: one that invents names must not use up those of the others. */
const PLUGIN_METRICS_MAX = 200
const METRIC_NAME = /^[a-z][a-z0-9_]{0,63}$/

/** Where gauges come from; each is asked at scrape time, and one that throws is left out and logged. */
export interface GaugeSources {
  /** Events between each installation's cursor and the head of the log. */
  readonly lagEvents?: () => Promise<Iterable<readonly [installation: string, events: number]>>
  readonly queueDepth?: () => Readonly<Record<LaneKind, number>>
  /** One for what follows from the log, one for transforms. */
  readonly sandboxes?: () => readonly SandboxStats[]
  /** What plugins used, by key, of those that run here. */
  readonly usage?: () => ReadonlyMap<string, Usage>
  readonly deliveries?: () => Promise<readonly LaneCounts[]>
  /** Responses in quarantine. */
  readonly quarantine?: () => Promise<Readonly<Record<string, number>>>
  readonly storage?: () => Promise<{ readonly bytes: number; readonly walBytes: number }>
  /** `l1` is memory, `l2` what processes share. */
  readonly caches?: () => Iterable<readonly [cache: string, level: 'l1' | 'l2', counts: CacheCounts]>
  readonly redis?: () => { readonly up: boolean; readonly feedDropped: number; readonly rateLimitFallbacks: number }
}

/** Counts what the rooms tell it. Every method is a map look-up and an addition. */
export function openMeter(registry: Registry): Counters {
  const counter = <Label extends string>(name: string, help: string, labels: readonly Label[]) =>
    new TallyCounter({ registry, name, help, labels })
  const accepted = counter(
    'manifold_responses_accepted_total',
    'Responses answered with success, by what became of them',
    ['kind'],
  )
  const rejected = counter('manifold_responses_rejected_total', 'Responses refused, by error code', ['code'])
  const tracked = counter('manifold_events_tracked_total', 'Behaviour events by what became of them', ['kind'])
  const transformed = counter(
    'manifold_transforms_total',
    'Responses that a transform looked at, by what it made of them',
    ['installation', 'outcome'],
  )
  const handled = counter('manifold_events_handled_total', 'Events whose handler effects are committed', [
    'installation',
  ])
  const failures = counter('manifold_handler_failures_total', 'Handler runs that failed', ['installation', 'code'])
  const attempts = counter('manifold_attempts_total', 'Delivery attempts by outcome', ['installation', 'outcome'])
  const restarts = counter('manifold_sandbox_restarts_total', 'Sandbox processes that were replaced', ['group', 'why'])
  const reloads = counter('manifold_config_reloads_total', 'Readings of manifold.yaml by result', ['result'])
  const attemptSeconds = new TallyHistogram({
    registry,
    name: 'manifold_attempt_duration_seconds',
    help: 'How long one delivery attempt took',
    labels: ['installation'],
    bounds: DURATION_BOUNDS_SECONDS,
  })
  const endToEndSeconds = new TallyHistogram({
    registry,
    name: 'manifold_end_to_end_seconds',
    help: 'From the receipt of the response to its delivery',
    labels: ['installation'],
    bounds: END_TO_END_BOUNDS_SECONDS,
  })
  const breakerOpen = new Gauge({
    name: 'manifold_breaker_open',
    help: '1 while the circuit breaker of the installation is open',
    labelNames: ['installation'],
    registers: [registry],
  })
  const reloadOk = new Gauge({
    name: 'manifold_config_last_reload_ok',
    help: '1 when the last reading of manifold.yaml was taken over, 0 when the running configuration was kept',
    registers: [registry],
  })
  const reloadAt = new Gauge({
    name: 'manifold_config_last_success_timestamp_seconds',
    help: 'When the running configuration was taken over',
    registers: [registry],
  })
  const pluginMetric = openPluginMetrics(registry)
  return {
    responseAccepted: (kind, count = 1) => accepted.add(count, kind),
    responseRejected: (code) => rejected.add(1, code),
    eventTracked: (kind, count) => {
      if (count > 0) tracked.add(count, kind)
    },
    transformed: (installation, outcome) => transformed.add(1, installation, outcome),
    eventsHandled: (installation, count) => handled.add(count, installation),
    attempt: (installation, outcome, durationMs) => {
      attempts.add(1, installation, outcome)
      attemptSeconds.record(durationMs / MS_PER_SECOND, installation)
    },
    handlerFailed: (installation, code) => failures.add(1, installation, code),
    sandboxRestart: (group, why) => restarts.add(1, group, why),
    pluginMetric,
    endToEnd: (installation, durationMs) => endToEndSeconds.record(durationMs / MS_PER_SECOND, installation),
    breaker: (installation, state) => breakerOpen.set({ installation }, state === 'open' ? 1 : 0),
    configReload: (ok) => {
      reloads.add(1, ok ? 'ok' : 'refused')
      reloadOk.set(ok ? 1 : 0)
      if (ok) reloadAt.setToCurrentTime()
    },
  }
}

/** Plugins name their own counters; names are checked and their number is bounded. */
function openPluginMetrics(registry: Registry): Counters['pluginMetric'] {
  const dropped = new TallyCounter({
    registry,
    name: 'manifold_plugin_metrics_dropped_total',
    help: 'Plugin metrics with an unusable name, a negative step, or above the number of names kept',
    labels: ['installation'],
  })
  const byName = new Map<string, TallyCounter<'installation'>>()
  const namesOf = new Map<string, Set<string>>()
  return (installation, name, by) => {
    let tally = byName.get(name)
    const names = namesOf.get(installation) ?? new Set()
    namesOf.set(installation, names)
    if (!Number.isFinite(by) || by < 0) return dropped.add(1, installation)
    if (!names.has(name) && names.size >= PLUGIN_METRICS_MAX) return dropped.add(1, installation)
    if (tally === undefined) {
      if (!METRIC_NAME.test(name)) return dropped.add(1, installation)
      // `metrics_dropped_total` is taken; a plugin's name must not collide with the hub's own.
      if (registry.getSingleMetric(`manifold_plugin_${name}`) !== undefined) return dropped.add(1, installation)
      tally = new TallyCounter({
        registry,
        name: `manifold_plugin_${name}`,
        help: 'Counted by plugins through ctx.metric',
        labels: ['installation'],
      })
      byName.set(name, tally)
    }
    names.add(name)
    tally.add(by, installation)
  }
}

interface GaugeOptions {
  readonly registry: Registry
  readonly sources: () => GaugeSources
  readonly logger: Logger
}

/** Registers the gauges that ask their source when scraped. */
export function registerGauges({ registry, sources, logger }: GaugeOptions): void {
  const gauge = <Label extends string>(
    { name, help, labels }: { readonly name: string; readonly help: string; readonly labels: readonly Label[] },
    fill: (set: (labels: Record<Label, string>, value: number) => void) => void | Promise<void>,
  ) =>
    new Gauge({
      name,
      help,
      labelNames: labels,
      registers: [registry],
      async collect() {
        this.reset()
        // Without labels a reset is a zero, which would say something where there is nothing to say.
        if (labels.length === 0) this.remove()
        try {
          await fill((own, value) => this.set(own, value))
        } catch (error) {
          logger.warn({ err: error, metric: name }, 'A metric could not be read')
        }
      },
    })
  gauge(
    {
      name: 'manifold_installation_lag_events',
      help: 'Events the installation has not handled yet',
      labels: ['installation'],
    },
    async (set) => {
      for (const [installation, events] of (await sources().lagEvents?.()) ?? []) set({ installation }, events)
    },
  )
  gauge({ name: 'manifold_queue_depth', help: 'Wake-ups waiting in the queue', labels: ['lane'] }, (set) => {
    for (const [lane, depth] of Object.entries(sources().queueDepth?.() ?? {})) set({ lane }, depth)
  })
  gauge(
    { name: 'manifold_deliveries', help: 'Deliveries by state', labels: ['installation', 'state'] },
    async (set) => {
      for (const counts of (await sources().deliveries?.()) ?? []) {
        for (const state of ['pending', 'retrying', 'dead', 'delivered'] as const) {
          set({ installation: counts.installation, state }, counts[state])
        }
      }
    },
  )
  gauge(
    { name: 'manifold_quarantine_responses', help: 'Responses in quarantine', labels: ['verdict'] },
    async (set) => {
      for (const [verdict, count] of Object.entries((await sources().quarantine?.()) ?? {})) set({ verdict }, count)
    },
  )
  gauge({ name: 'manifold_sandbox_children', help: 'Running sandbox processes', labels: ['group'] }, (set) => {
    for (const [group, children] of Object.entries(Object.groupBy(childrenOf(sources()), (child) => child.group))) {
      set({ group }, children?.length ?? 0)
    }
  })
  gauge(
    { name: 'manifold_sandbox_rss_bytes', help: 'Resident memory of sandbox processes', labels: ['group'] },
    (set) => {
      for (const [group, children] of Object.entries(Object.groupBy(childrenOf(sources()), (child) => child.group))) {
        set(
          { group },
          (children ?? []).reduce((sum, child) => sum + child.rssBytes, 0),
        )
      }
    },
  )
  gauge(
    { name: 'manifold_storage_bytes', help: 'Size of the database and of its write-ahead log', labels: ['file'] },
    async (set) => {
      const stats = await sources().storage?.()
      if (stats === undefined) return
      set({ file: 'database' }, stats.bytes)
      set({ file: 'wal' }, stats.walBytes)
    },
  )
  gauge({ name: 'manifold_redis_up', help: '1 while Redis answers, 0 while it does not', labels: [] }, (set) => {
    const redis = sources().redis?.()
    if (redis !== undefined) set({}, redis.up ? 1 : 0)
  })
  registerShared({ registry, sources, logger })
  registerPluginGauges({ registry, logger, usage: () => sources().usage?.() ?? new Map() })
}

/** What caches and Redis count for themselves. */
function registerShared({ registry, sources, logger }: GaugeOptions): void {
  const counter = askedCounter({ registry, logger })
  for (const [kind, help] of [
    ['hits', 'Look-ups that the cache could answer'],
    ['misses', 'Look-ups that the cache could not answer'],
  ] as const) {
    counter({ name: `manifold_cache_${kind}_total`, help, labels: ['cache', 'level'] }, (add) => {
      for (const [cache, level, counts] of sources().caches?.() ?? []) add({ cache, level }, counts[kind])
    })
  }
  counter({ name: 'manifold_feed_dropped_total', help: 'Messages that Redis did not confirm', labels: [] }, (add) => {
    const redis = sources().redis?.()
    if (redis !== undefined) add({}, redis.feedDropped)
  })
  counter(
    {
      name: 'manifold_rate_limit_fallbacks_total',
      help: 'Requests counted by this process alone, since Redis did not answer',
      labels: [],
    },
    (add) => {
      const redis = sources().redis?.()
      if (redis !== undefined) add({}, redis.rateLimitFallbacks)
    },
  )
}

const childrenOf = (sources: GaugeSources): SandboxStats['children'] =>
  (sources.sandboxes?.() ?? []).flatMap(({ children }) => children)
