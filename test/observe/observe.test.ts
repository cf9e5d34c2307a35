/** The log never shows a secret, the numbers add up, the bus shields its publisher. */
import { describe, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { openBus } from '../../core/live/bus.ts'
import type { LogEvent } from '../../core/model.ts'
import { openHealth } from '../../core/observe/health.ts'
import { openObserve } from '../../core/observe/open.ts'

/** An observer whose log lines are collected. */
function open(level: 'debug' | 'info' | 'silent' = 'debug') {
  const lines: string[] = []
  const observe = openObserve({ level, sink: { write: (line) => lines.push(line) } })
  return { ...observe, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') as Record<string, unknown> }
}

describe('log', () => {
  test('a line is one JSON object with level, time, ids and message', () => {
    const { logger, last, lines } = open()
    logger.child({ installation: 'crm' }).info({ event: 'evt_1', delivery: 'dlv_1' }, 'Delivered\nwith a break')
    expect(lines[0]?.match(/\n/g)).toHaveLength(1)
    expect(last()).toMatchObject({
      level: 'info',
      installation: 'crm',
      event: 'evt_1',
      delivery: 'dlv_1',
      msg: 'Delivered\nwith a break',
    })
    expect(new Date(String(last()['time'])).getTime()).toBeGreaterThan(0)
  })

  test('the level is kept', () => {
    const { logger, lines } = open('info')
    logger.debug({}, 'quiet')
    expect(lines).toEqual([])
    open('silent').logger.error({}, 'nothing')
  })

  const canary = 'c4n4ryc4n4ryc4n4ryc4n4ryc4n4ryc4n4ry'
  class Secret {
    toJSON() {
      return '[secret]'
    }
    readonly #value = canary
    reveal() {
      return this.#value
    }
  }
  const bearing: Record<string, object> = {
    header: { headers: { authorization: `Bearer ${canary}`, 'Set-Cookie': `a=${canary}`, 'x-api-key': canary } },
    names: {
      apiKey: canary,
      client_secret: canary,
      PASSWORD: canary,
      refreshToken: canary,
      key: canary,
      adminKey: canary,
    },
    nested: { a: { b: [{ c: { secret: canary } }] } },
    text: {
      url: `https://user:${canary}@host/`,
      note: `sent Bearer ${canary} to it`,
      stripe: `whsec_${canary}`,
      mine: `mfk_A1${canary}`,
    },
    error: {
      err: new HubError('internal', `no access with Bearer ${canary}`, { cause: new Error(`whsec_${canary}`) }),
    },
    type: { holder: new Secret(), list: [new Secret()] },
    map: { values: new Map([['config.secret', canary]]) },
    bytes: { raw: Buffer.from(canary) },
  }
  test.each(Object.entries(bearing))('no secret leaves by a %s', (_name, fields) => {
    const { logger, lines } = open()
    logger.error(fields, `failed with Bearer ${canary}`)
    logger.child(fields).info({}, 'child')
    expect(lines).toHaveLength(2)
    expect(lines.join('')).not.toContain(canary)
  })

  test('ids and references are no secrets', () => {
    const { logger, last } = open()
    const fields = {
      keyId: 'key_0192',
      tokenCount: 3,
      secretName: 'config.secret',
      event: 'evt_01920000-0000-7000-8000-000000000000',
    }
    logger.info(fields, 'x')
    expect(last()).toMatchObject(fields)
  })

  test('errors keep code, coordinates and cause; cycles and giants are cut', () => {
    const { logger, last } = open()
    const cyclic: Record<string, unknown> = { big: 'x'.repeat(100_000) }
    cyclic['self'] = cyclic
    const err = new HubError('plugin_threw', 'bad', {
      cause: new Error('why'),
      at: { plugin: 'hello', event: 'evt_1' },
    })
    logger.error({ err, cyclic }, 'x')
    expect(last()['err']).toMatchObject({
      type: 'HubError',
      code: 'plugin_threw',
      plugin: 'hello',
      event: 'evt_1',
      cause: { message: 'why' },
    })
    expect(JSON.stringify(last()).length).toBeLessThan(40_000)
  })

  test('a terminal is not moved by what a sender wrote', () => {
    const { logger, lines } = open()
    logger.warn({ name: '\u001b[2J\u009b31m\u202e' }, 'from \u001b]0;x\u0007')
    // oxlint-disable-next-line no-control-regex
    expect(lines.join('')).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
  })
})

describe('metrics', () => {
  test('every call of the meter shows in the text', async () => {
    const { meter, metricsText, gauges } = open()
    meter.responseAccepted('stored')
    meter.responseAccepted('stored', 2)
    meter.responseRejected('invalid_json')
    meter.eventsHandled('crm', 5)
    meter.attempt('crm', 'delivered', 5)
    meter.attempt('crm', 'retry', 125)
    meter.handlerFailed('crm', 'plugin_threw')
    meter.sandboxRestart('builtin', 'plugin_cpu')
    meter.endToEnd('crm', 12)
    meter.breaker('crm', 'open')
    meter.configReload(false)
    meter.pluginMetric('crm', 'answers', 2)
    meter.pluginMetric('crm', 'Not a name', 2)
    gauges({
      lagEvents: async () => [['crm', 7]],
      queueDepth: () => ({ pump: 1, deliver: 2, schedule: 3 }),
      storage: async () => ({ bytes: 10, walBytes: 20 }),
    })
    const text = await metricsText()
    for (const line of [
      'manifold_responses_accepted_total{kind="stored"} 3',
      'manifold_responses_rejected_total{code="invalid_json"} 1',
      'manifold_events_handled_total{installation="crm"} 5',
      'manifold_attempts_total{installation="crm",outcome="delivered"} 1',
      'manifold_attempts_total{installation="crm",outcome="retry"} 1',
      'manifold_attempt_duration_seconds_bucket{le="0.0025",installation="crm"} 0',
      'manifold_attempt_duration_seconds_bucket{le="0.005",installation="crm"} 1',
      'manifold_attempt_duration_seconds_bucket{le="+Inf",installation="crm"} 2',
      'manifold_attempt_duration_seconds_sum{installation="crm"} 0.13',
      'manifold_end_to_end_seconds_count{installation="crm"} 1',
      'manifold_handler_failures_total{installation="crm",code="plugin_threw"} 1',
      'manifold_sandbox_restarts_total{group="builtin",why="plugin_cpu"} 1',
      'manifold_breaker_open{installation="crm"} 1',
      'manifold_config_reloads_total{result="refused"} 1',
      'manifold_config_last_reload_ok 0',
      'manifold_plugin_answers{installation="crm"} 2',
      'manifold_plugin_metrics_dropped_total{installation="crm"} 1',
      'manifold_installation_lag_events{installation="crm"} 7',
      'manifold_queue_depth{lane="deliver"} 2',
      'manifold_storage_bytes{file="wal"} 20',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
    expect(text).toMatch(/^manifold_nodejs_eventloop_lag_p99_seconds /m)
    expect(text).toMatch(/^manifold_process_resident_memory_bytes /m)
  })

  test('a gauge whose source fails costs only itself', async () => {
    const { metricsText, gauges, lines } = open()
    gauges({
      lagEvents: () => {
        throw new Error('not now')
      },
      queueDepth: () => ({ pump: 4, deliver: 0, schedule: 0 }),
    })
    expect(await metricsText()).toContain('manifold_queue_depth{lane="pump"} 4')
    expect(lines.join('')).toContain('not now')
  })

  test('plugins cannot grow the registry without bound', async () => {
    const { meter, metricsText } = open()
    for (let n = 0; n < 500; n += 1) meter.pluginMetric('crm', `metric_${n}`, 1)
    // One that invents names takes none away from another.
    meter.pluginMetric('other', 'of_its_own', 1)
    meter.pluginMetric('other', 'metric_499', 1)
    for (let n = 0; n < 5_000; n += 1) meter.responseRejected(`code-${n}`)
    const lines = (await metricsText()).split('\n')
    const ofCrm = /^manifold_plugin_metric_\d+\{installation="crm"\}/
    expect(lines.filter((line) => ofCrm.test(line))).toHaveLength(200)
    expect(lines).toContain('manifold_plugin_of_its_own{installation="other"} 1')
    expect(lines).toContain('manifold_plugin_metric_499{installation="other"} 1')
    expect(lines).toContain('manifold_plugin_metrics_dropped_total{installation="crm"} 300')
    expect(lines).toContain('manifold_responses_rejected_total{code="other"} 3000')
  })
})

describe('health', () => {
  test('one failing probe makes it not ready, and says why', async () => {
    const health = openHealth({
      storage: () => {
        throw new Error('database is locked')
      },
      sandbox: () => '2 children',
    })
    expect(await health.readiness()).toEqual({
      ready: false,
      checks: [
        { name: 'storage', ok: false, detail: 'database is locked' },
        { name: 'sandbox', ok: true, detail: '2 children' },
      ],
    })
  })

  test('a draining hub is not ready', async () => {
    const health = openHealth({ storage: async () => {} })
    expect((await health.readiness()).ready).toBe(true)
    health.drain('shutting down')
    expect(await health.readiness()).toMatchObject({
      ready: false,
      checks: [{ name: 'serving', detail: 'shutting down' }, { ok: true }],
    })
  })
})

describe('bus', () => {
  const events = [{ seq: 1 }] as unknown as readonly LogEvent[]

  test('tells every listener, shields the publisher, and forgets who left', async () => {
    const errors: unknown[] = []
    const heard: string[] = []
    const bus = openBus((error) => {
      errors.push(error)
      throw new Error('even this')
    })
    bus.subscribe(() => {
      throw new Error('sync')
    })
    bus.subscribe(async () => {
      throw new Error('async')
    })
    const leave = bus.subscribe((told) => heard.push(`a${told.length}`))
    bus.subscribe(() => {
      leave()
      heard.push('b')
    })
    bus.publish(events)
    bus.publish(events)
    bus.publish([])
    await new Promise((resolve) => setImmediate(resolve))
    expect(heard).toEqual(['a1', 'b', 'b'])
    expect(errors.map(String).sort()).toEqual(['Error: async', 'Error: async', 'Error: sync', 'Error: sync'])
    expect(bus.size()).toBe(3)
  })
})
