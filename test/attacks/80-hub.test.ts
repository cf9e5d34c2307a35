/**
 * Attacks on a whole hub: what each came to is written down with plugin, installation, event and attempt; the same plugin's
 * other installation goes on; a secret is nowhere in what the hub keeps, logs or shows.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deliveriesOf } from '../support/hostility.ts'
import { type Hub, settled, startHub } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { sceneConfig } from '../support/scene.ts'
import { freshDatabase } from '../support/services.ts'
import { dice, SEEDED } from './dice.ts'
import { SPELLINGS } from './spellings.ts'
import { takeOver } from './take-over.ts'

const TOKEN = 'qTok3n/of+the=evil~one'
const PLUGINS = new URL('../fixtures/attack-plugins', import.meta.url).pathname

const config = (url: string): object =>
  sceneConfig({
    pluginDirs: [PLUGINS],
    forms: {
      stage: {
        name: 'Stage',
        fields: [
          { key: 'who', label: 'Who', type: 'text' },
          { key: 'code', label: 'Code', type: 'long_text' },
        ],
      },
    },
    limits: { pluginSliceMs: 150, pluginCpuMs: 150, pluginEventWallMs: 2_000, pluginRouteWallMs: 1_000 },
    installations: ['evil', 'twin'].map((id) => ({
      id,
      use: 'puppet',
      with: { url, token: TOKEN },
      retry: { schedule: [] },
    })),
  })

async function perform(hub: Hub, who: string, code: string): Promise<string> {
  const { status, body } = await hub.api<{ id: string }>('POST', '/api/v2/forms/stage/responses', {
    data: { who, code },
  })
  expect(status).toBe(201)
  return body.id
}

/** The plugin's hand on what leaves its isolate; `t` is the honest text. */
const FORGE = (text: string): string => `{ ${takeOver(`(t) => ${text}`)} }`

/** Handlers by what they must come to: null when they are taken, else the code of the failure. */
const DEEDS: readonly (readonly [code: string, comesTo: string | null])[] = [
  ['ctx.kv.set("k", 1, { ttlMs: 1e308 })', null],
  ['ctx.kv.set("k", 1, { ttlMs: 0.3 })', null],
  ['ctx.kv.set("nul\\0", "\\0\\ud800")', null],
  ['ctx.tally("t", 1e308); ctx.tally("t", 1e308)', 'capability_input'],
  [`ctx.tally("t", 7); ${FORGE('t.replace(\'"by":7\', \'"by":1e308\')')}`, 'plugin_invalid_result'],
  ['ctx.tally("t\\0", Number.MAX_SAFE_INTEGER); ctx.tally("t\\0", -0)', null],
  ['ctx.metric("m", Number.MAX_SAFE_INTEGER)', null],
  ['ctx.emit("e", { ["\\0"]: "\\ud800", ["__proto__"]: 1 })', null],
  ['ctx.emit("other.plugin", {})', null],
  ['ctx.emit("../hello.greeted", {})', 'capability_input'],
  ['ctx.emit("Response.submitted", {})', 'capability_input'],
  ['ctx.enqueue("send", {})', 'capability_denied'],
  ['ctx.enqueue("twin/act", {})', 'capability_denied'],
  ['ctx.enqueue("constructor", {})', 'capability_denied'],
  ['ctx.enqueue("act", { code: "" }, { delayMs: 0.25 })', null],
  ['throw new Error("with a \\0 in it")', 'plugin_threw'],
  ['throw Object.assign(new Error("not yours"), { code: "unauthorized" })', 'plugin_threw'],
  ['throw Object.assign(new Error("not yours"), { code: "plugin_interrupted" })', 'plugin_threw'],
  ['for (;;) {}', 'plugin_cpu'],
  ['await new Promise(() => {})', 'plugin_wall'],
  ['const a = []; for (;;) a.push(new Array(1e5).fill(1.5))', 'plugin_(memory|cpu|killed)'],
  ['await ctx.http({ url: "http://127.0.0.1:9/" })', 'capability_denied'],
  [FORGE('t.slice(0, -1) + \',"e":null}\''), 'plugin_invalid_result'],
  [FORGE('"nonsense"'), 'plugin_invalid_result'],
  [FORGE('"[".repeat(1e5)'), 'plugin_invalid_result'],
  // What the bridge itself does with texts is not the plugin's to change.
  ['Array.prototype.join = () => "nonsense"', null],
]

async function judgeDeeds(hub: Hub): Promise<void> {
  const responses: string[] = []
  for (const [code] of DEEDS) {
    responses.push(await perform(hub, 'evil', code))
    // One at a time: what one breaks in the isolate must not be held against the next.
    await settled(hub, 20_000)
  }
  await perform(hub, 'twin', 'ctx.log.info("twin was here"); ctx.kv.set("k", "twin"); ctx.enqueue("act", { code: "" })')
  await settled(hub, 20_000)
  const failures = (await deliveriesOf(hub, 'evil')).filter(({ kind }) => kind === 'handler')
  for (const [n, [code, comesTo]] of DEEDS.entries()) {
    const found = failures.filter((each) => (each as unknown as { response_id?: string }).response_id === responses[n])
    if (comesTo === null) expect(found, code).toEqual([])
    else {
      expect(found, code).toHaveLength(1)
      expect(found[0], code).toMatchObject({
        installation: 'evil',
        plugin: 'puppet',
        name: 'response.submitted',
        event_id: expect.stringMatching(/^evt_/),
        attempts: 1,
        state: 'dead',
      })
      expect(found[0]?.error_code, code).toMatch(new RegExp(`^${comesTo}$`))
    }
  }
  expect(await deliveriesOf(hub, 'twin')).toMatchObject([{ kind: 'action', state: 'delivered' }])
  expect((await hub.api('GET', '/healthz')).status).toBe(200)
}

describe('on SQLite', () => {
  let hub: Hub
  let receiver: Receiver
  beforeAll(async () => {
    receiver = await startReceiver((request) => ({
      body: `${request.headers['x-token']} ${request.path}`,
      headers: { 'x-echo': String(request.headers['x-token'] ?? '') },
    }))
    hub = await startHub({ config: config(receiver.url), env: { DATABASE_URL: '' } })
  })
  afterAll(async () => {
    await hub[Symbol.asyncDispose]()
    await receiver[Symbol.asyncDispose]()
  })

  test('every deed comes to what it should, on record, and the twin is whole', () => judgeDeeds(hub))

  test('an event of a plugin carries its own name, whatever it claims', async () => {
    const types = new Set((await allItems<{ type: string }>(hub, '/api/v2/events')).map(({ type }) => type))
    for (const type of types) if (type.startsWith('plugin.')) expect(type).toMatch(/^plugin\.puppet\./)
    expect(types).toContain('plugin.puppet.other.plugin')
  })

  test('routes: nobody is reached by walking, a failure is on record without the secret', async () => {
    for (const path of [
      '/i/evil/../twin/play',
      '/i/evil/%2e%2e/twin/play',
      '/i/evil%2f..%2ftwin/play',
      '/i/default/evil/play',
      '/i/EVIL/play',
      '/i/evil//play',
      '/i/evil/play/',
      '/i/__proto__/play',
      '/i/evil\\..\\twin/play',
    ])
      for (const text of ['return { json: ctx.run }']) {
        const answer = await hub.api('POST', path, text, { key: null })
        if (answer.status === 200)
          expect((answer.body as { installation?: string }).installation, path).toBe(
            path.includes('twin') ? 'twin' : 'evil',
          )
        else expect([400, 404, 405], path).toContain(answer.status)
      }
    const before = hub.logs.length
    const answer = await hub.api(
      'POST',
      '/i/evil/play',
      `const { body } = await ctx.http({ url: ctx.config.url, headers: { 'x-token': ctx.config.token } }); throw new Error('route ' + body)`,
      { key: null },
    )
    expect([answer.status, answer.text.includes(TOKEN)]).toEqual([502, false])
    await expect
      .poll(() => hub.logs.slice(before))
      .toContainEqual(
        expect.objectContaining({
          level: 'warn',
          installation: 'evil',
          plugin: 'puppet',
          attempt: 1,
          code: 'plugin_threw',
          run: expect.stringMatching(/^run_/),
          msg: 'a route failed',
        }),
      )
    expect(
      await hub.metric('manifold_handler_failures_total', { installation: 'evil', code: 'plugin_threw' }),
    ).toBeGreaterThan(0)
  })

  test('the secret is in none of the places a plugin can write to, nor in what the hub keeps of it', async () => {
    const roll = dice('sinks')
    const sources = [
      'ctx.config.token',
      'JSON.stringify(ctx.config)',
      'ctx.secret("config.token")',
      'await ctx.http({ url: ctx.config.url, headers: { "x-token": ctx.config.token } }).then((r) => r.body + JSON.stringify(r.headers))',
      'await ctx.http({ url: [ctx.config.url, "/p/", ctx.config.token] }).then((r) => r.body)',
      'await fetch(ctx.config.url, { headers: { "x-token": ctx.config.token } }).then((r) => r.text())',
      'await ctx.http({ url: ["http://", ctx.config.token, ".test/"] }).catch(String)',
      'String(await ctx.hmac({ key: ctx.config.token, data: "x" }))',
    ]
    const sinks = [
      'ctx.log.info(String(S), { s: S })',
      'ctx.kv.set("s" + Math.random(), S)',
      'ctx.tally("s" + JSON.stringify(S).slice(0, 150))',
      'ctx.metric("s" + String(JSON.stringify(S)).toLowerCase().replace(/[^a-z0-9_]/g, "").slice(0, 60))',
      'ctx.emit("s", { s: S })',
      'ctx.enqueue("act", { code: "return { outcome: \\"dead\\", code: \\"x\\", message: JSON.stringify(event.input.s) }", s: S })',
      'ctx.enqueue("act", { code: "" }, { key: JSON.stringify(S).slice(0, 300) })',
      'throw new Error(JSON.stringify(S))',
      'console.error(S)',
    ]
    for (const sink of sinks)
      for (const source of roll.some(sources, 3)) await perform(hub, 'evil', `const S = ${source}; ${sink}`)
    for (const source of sources)
      await hub
        .api(
          'POST',
          '/i/evil/play',
          `const S = ${source}; return { json: { S }, headers: { etag: String(S).slice(0, 99) } }`,
          { key: null },
        )
        .then(({ text, headers }) => expectNoToken(text + JSON.stringify(headers), source))
    await settled(hub)
    const ids = (await deliveriesOf(hub, 'evil')).map(({ id }) => id)
    expect(ids.length).toBeGreaterThan(sinks.length)
    for (const id of ids) expectNoToken((await hub.api('GET', `/api/v2/deliveries/${id}`)).text, id)
    for (const path of [
      '/metrics',
      '/api/v2/installations',
      '/api/v2/installations/evil',
      '/api/v2/plugins',
      '/api/v2/events',
      '/api/v2/dead-letters',
      '/api/v2/config',
      '/api/v2/forms/stage/responses',
    ])
      expectNoToken((await hub.api('GET', path)).text, path)
    expectNoToken(hub.stderr + hub.stdout.join(), 'the log')
    await hub.kill()
    for (const entry of await readdir(hub.dataDir, { recursive: true, withFileTypes: true }))
      if (entry.isFile())
        expectNoToken((await readFile(join(entry.parentPath, entry.name))).toString('latin1'), entry.name)
    await hub.restart()
  })
})

function expectNoToken(text: string, where: string): void {
  const forms = [
    'plain',
    'json with escaped slashes',
    'percent-encoded',
    'a form',
    'a path',
    'hex',
    'base64',
    'base64url',
    'in lower case',
  ] as const
  for (const form of forms)
    expect(text.includes(String(SPELLINGS[form]?.(TOKEN))), `${SEEDED} ${form} in ${where}`).toBe(false)
}

test('on Postgres the same deeds come to the same', async () => {
  await using database = await freshDatabase()
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: config(receiver.url), env: { DATABASE_URL: database.url } })
  await judgeDeeds(hub)
})
