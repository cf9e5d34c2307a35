/** What is measured: the floor and the hub, started the same way, asked the same way. */
import { type Hub, startHub } from '../support/hub.ts'
import type { HubOptions } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'
import { BENCH_FORM } from './payload.ts'
import { familyOf, startWorker } from './processes.ts'

export interface Target extends AsyncDisposable {
  readonly name: string
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** The target's processes, children included. */
  pids(): readonly number[]
  /** Only of the hub. */
  readonly hub: Hub | null
}

export type TargetMaker = (sinkUrl: string) => Promise<Target>

/** The bare floor; see floor.ts. */
export const floorTarget: TargetMaker = async (sinkUrl) => {
  const dir = await tempDir('floor')
  const worker = await startWorker('floor.ts', [dir.file('floor.sqlite'), sinkUrl])
  return {
    name: 'floor',
    port: worker.hello['port'] as number,
    path: '/api/v2/responses',
    headers: {},
    hub: null,
    pids: () => familyOf(worker.pid),
    [Symbol.asyncDispose]: async () => {
      await worker[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

export interface HubTargetOptions {
  /** Beside the webhooks installation to the sink. */
  readonly installations?: readonly object[]
  readonly hub?: Omit<HubOptions, 'config'>
  readonly pluginDirs?: readonly string[]
  /** Beside the bench's form. */
  readonly forms?: object
  /** False: no webhooks installation at all. */
  readonly sink?: boolean
}

/** The hub with one sandboxed webhooks installation, default payload, one HMAC signature. */
export const hubTarget =
  (options: HubTargetOptions = {}): TargetMaker =>
  async (sinkUrl) => {
    const sink = { id: 'sink', use: 'webhooks', with: { url: sinkUrl, secret: 'bench-secret-bench-secret' } }
    const installations = [...(options.sink === false ? [] : [sink]), ...(options.installations ?? [])]
    const hub = await startHub({
      ...options.hub,
      config: {
        forms: { bench: BENCH_FORM, ...options.forms },
        network: { allow: ['127.0.0.1/32'] },
        pluginDirs: options.pluginDirs ?? [],
        installations,
      },
      env: { MANIFOLD_LOG_LEVEL: 'warn', ...options.hub?.env },
    })
    return {
      name: 'hub',
      port: Number(new URL(hub.url).port),
      path: '/api/v2/responses',
      headers: { authorization: `Bearer ${hub.adminKey}` },
      hub,
      pids: () => familyOf(hub.pid),
      [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose](),
    }
  }
