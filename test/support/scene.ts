/** The usual scene of the fault tests: a hub with one form, a receiver behind a webhooks installation, a client and a ledger. */
import { openDriver } from './driver.ts'
import type { Driver, DriverOptions } from './driver.ts'
import { startHub } from './hub.ts'
import type { Hub, HubOptions } from './hub.ts'
import { openLedger } from './ledger.ts'
import type { Ledger } from './ledger.ts'
import { startReceiver } from './receiver.ts'
import type { Received, Receiver, Reply } from './receiver.ts'
import { tempDir } from './temp.ts'

/** The form of the fault tests; every response carries its own key in it. */
export const DECK = 'deck'
/** 24 random-looking bytes in the form that Standard Webhooks gives secrets. */
export const HOOK_SECRET = 'whsec_bWFuaWZvbGQgdGVzdHMgb25seSAhIQ=='
/** Where the hostile plugins live. */
export const FAULT_PLUGINS = new URL('../fixtures/faults-plugins', import.meta.url).pathname

export interface SceneConfig {
  readonly installations?: readonly object[]
  readonly limits?: Readonly<Record<string, number>>
  readonly forms?: object
  readonly pluginDirs?: readonly string[]
}

/** A whole manifold.yaml as a value. */
export function sceneConfig({ installations = [], limits = {}, forms = {}, pluginDirs = [] }: SceneConfig): object {
  const deck = { name: 'Deck', fields: [{ key: 'key', label: 'Key', type: 'text', required: true }] }
  return { forms: { [DECK]: deck, ...forms }, network: { allow: ['127.0.0.1/32'] }, limits, pluginDirs, installations }
}

/** A webhooks installation that sends the response's key and the event's id. */
export const hook = (id: string, url: string, more: object = {}): object => ({
  id,
  use: 'webhooks',
  with: { url, secret: HOOK_SECRET, template: { key: '{{data.key}}', event: '{{event.id}}' } },
  ...more,
})

export interface SceneOptions extends Omit<HubOptions, 'config'> {
  /** Installations beside the honest one, which is called `honest`. */
  readonly beside?: readonly object[]
  /** More parts of the honest installation, such as `retry` or `concurrency`. */
  readonly honest?: object
  readonly limits?: Readonly<Record<string, number>>
  readonly pluginDirs?: readonly string[]
  readonly reply?: (request: Received) => Reply
  readonly driver?: Partial<Pick<DriverOptions, 'perSecond' | 'prefix' | 'timeoutMs' | 'padChars'>>
}

export interface Scene extends AsyncDisposable {
  readonly hub: Hub
  readonly receiver: Receiver
  readonly ledger: Ledger
  readonly driver: Driver
}

/** `await using scene = await openScene()`: everything is up and connected, nothing has been sent. */
export async function openScene(options: SceneOptions = {}): Promise<Scene> {
  const {
    beside = [],
    honest = {},
    limits = {},
    pluginDirs = [],
    reply = () => ({}),
    driver = {},
    ...hubOptions
  } = options
  const stack = new AsyncDisposableStack()
  try {
    const dir = stack.use(await tempDir('scene'))
    const ledger = stack.use(openLedger(dir.file('ledger')))
    const receiver = stack.use(
      await startReceiver((request) => {
        ledger.received(request.json<{ key: string }>().key)
        return reply(request)
      }),
    )
    const config = sceneConfig({ installations: [hook('honest', receiver.url, honest), ...beside], limits, pluginDirs })
    const hub = stack.use(await startHub({ ...hubOptions, config }))
    const client = stack.use(openDriver({ url: () => hub.url, adminKey: hub.adminKey, ledger, form: DECK, ...driver }))
    return { hub, receiver, ledger, driver: client, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** The webhook ids under which each key arrived: more than one for a key breaks the promise of a stable id. */
export function idsByKey(receiver: Receiver): ReadonlyMap<string, ReadonlySet<string>> {
  const ids = new Map<string, Set<string>>()
  for (const request of receiver.requests) {
    const { key } = request.json<{ key: string }>()
    ids.set(key, (ids.get(key) ?? new Set()).add(request.id))
  }
  return ids
}
