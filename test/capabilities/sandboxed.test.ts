/** The webhooks and hello plugins as strangers run: bundled, in a real sandbox child, over the real capabilities. */
import { fileURLToPath } from 'node:url'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createGuardedHttp, type GuardedHttp } from '../../core/capabilities/guarded-http.ts'
import { createRunCapabilities } from '../../core/capabilities/run-capabilities.ts'
import { systemClock } from '../../core/clock.ts'
import type { Json } from '../../core/contract/index.ts'
import { newId } from '../../core/ids.ts'
import { endingsOf } from '../../core/delivery/send-outcome.ts'
import type { Ending } from '../../core/delivery/send-outcome.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Installation } from '../../core/registry/installation.ts'
import { surfaceMismatch } from '../../core/registry/surface.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import { createSandbox } from '../../core/sandbox/pool.ts'
import type { RunInput, RunResult, Sandbox } from '../../core/sandbox/sandbox.ts'
import { startReceiver, type Receiver } from '../support/receiver.ts'
import { installationOf, submittedItem } from './native-run.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }

let sandbox: Sandbox
let http: GuardedHttp
let receiver: Receiver

beforeAll(async () => {
  sandbox = createSandbox({ logger: quiet, limits: LIMITS, onRestart: () => {} })
  http = createGuardedHttp({ allow: ['127.0.0.1'], limits: LIMITS })
  receiver = await startReceiver()
})

afterAll(async () => {
  await sandbox.close()
  await http.close()
  await receiver[Symbol.asyncDispose]()
})

interface Ended extends RunResult {
  /** What the outcomes came to, once the host had sent what it was left to send. */
  readonly endings: readonly Ending[] | null
}

async function load(dir: URL, config: Record<string, unknown>): Promise<(input: RunInput) => Promise<Ended>> {
  const installation: Installation = await installationOf(dir, config)
  const { manifest } = installation.plugin
  const bundle = await bundlePlugin({
    dir: fileURLToPath(dir),
    main: manifest.main,
    pluginId: manifest.id,
    version: manifest.version,
    bytesMax: LIMITS.pluginBundleBytesMax,
  })
  const key = `${installation.key}/${newId('run')}`
  const { limits, group } = installation
  const surface = await sandbox.load({ key, bundle, config: JSON.stringify(installation.config), limits, group })
  expect(surfaceMismatch(manifest, surface)).toBeNull()
  const kv = new Map<string, string>()
  const capabilities = createRunCapabilities({
    store: {
      kvGet: ({ key }) => Promise.resolve(kv.get(key)),
      kvList: () => Promise.resolve({ keys: [...kv.keys()], next: null }),
      tallies: () => Promise.resolve({}),
      getResponse: () => Promise.resolve(undefined),
      listResponses: () => Promise.resolve({ items: [], next: null, searchedTo: null }),
    },
    http,
    clock: systemClock,
    limits: LIMITS,
    formOf: () => undefined,
  })
  return async (input) => {
    const { handler } = capabilities.open(installation)
    const result = await sandbox.runEach(key, { id: newId('run'), attempt: 1, input, capabilities: handler })
    for (const { key: name, value } of result.effects.kv) kv.set(name, JSON.stringify(value))
    return { ...result, endings: await endingsOf(result.value, { handler, nowMs: Date.now, startUntilMs: Infinity }) }
  }
}

const eventInput = (data: { readonly [key: string]: Json }): RunInput => ({
  kind: 'event',
  type: 'response.submitted',
  eventJson: JSON.stringify(submittedItem(data).event),
})

test('webhooks: the action has a request signed and posted, the handler asks for one', async () => {
  const run = await load(new URL('../../integrations/webhooks/', import.meta.url), {
    url: `${receiver.url}/hook`,
    secret: SECRET,
    signatures: ['sha256=hex', 'standard'],
    template: { mail: '{{data.email}}', text: '{{#answers}}{{label}}: {{value}}\n{{/answers}}' },
  })
  const { event } = submittedItem({ installation: 'another' }, { type: 'delivery.dead' })
  const handled = await run({ kind: 'event', type: 'delivery.dead', eventJson: JSON.stringify(event) })
  expect(handled.error).toBeNull()
  expect(handled.effects.enqueue).toEqual([{ action: 'send', input: null }])
  const item = submittedItem({ email: '{{data.email}}', topics: ['x', 'y'] })
  const sent = await run({ kind: 'action', name: 'send', itemsJson: [JSON.stringify(item)] })
  expect(sent).toMatchObject({ error: null, value: [{ outcome: 'send' }], endings: [{ outcome: 'delivered' }] })
  const [request] = await receiver.received(1)
  expect(request?.json()).toEqual({ mail: '{{data.email}}', text: 'E-mail: {{data.email}}\nTopics: x, y\n' })
  expect(request?.id).toBe(item.delivery.id)
  expect(new Webhook(SECRET).verify(request?.body ?? '', request?.headers ?? {})).toBeDefined()
})

test('webhooks: a broken template is a dead letter, a refused connection a failed run', async () => {
  const dir = new URL('../../integrations/webhooks/', import.meta.url)
  const broken = await load(dir, { url: receiver.url, template: { a: '{{data.x' } })
  const item: RunInput = { kind: 'action', name: 'send', itemsJson: [JSON.stringify(submittedItem({}))] }
  expect((await broken(item)).value).toMatchObject([
    { outcome: 'dead', code: 'config_invalid', message: expect.stringContaining('/a') },
  ])
  const refused = await load(dir, { url: 'http://10.0.0.1/' })
  expect((await refused(item)).endings).toMatchObject([{ code: 'http_refused_address' }])
})

test('hello: greets, counts the answers, remembers the first', async () => {
  const run = await load(new URL('../../plugins/hello/', import.meta.url), { question: 'pie' })
  const first = await run(eventInput({ pie: 'Pumpkin' }))
  expect(first).toMatchObject({
    error: null,
    effects: { tally: [{ name: 'answer:another', by: 1 }], kv: [{ key: 'first-response' }] },
  })
  expect(first.logs).toMatchObject([
    { level: 'info', message: 'Hello first response to Contact us', fields: { answer: 'Pumpkin' } },
  ])
  const second = await run(eventInput({}))
  expect(second).toMatchObject({ error: null, effects: { tally: [{ name: 'answer:another' }], kv: [] } })
  expect(second.logs[0]?.message).toBe('Hello response to Contact us')
})
