/**
 * The main thread's end of a store thread. One message is under way at a time; calls made meanwhile gather and go as
 * the next one, so the slower the disk, the larger the groups, without any waiting for company.
 */
import { Worker } from 'node:worker_threads'
import { HubError } from '../../errors.ts'
import { toHubError } from './failures.ts'
import type { Failure } from './failures.ts'
import type { Call, FromThread, ThreadData, ToThread } from './messages.ts'

interface Waiter {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

interface Opening {
  readonly resolve: (notes: readonly string[]) => void
  readonly reject: (error: Error) => void
}

/** One thread with its queue of calls. */
export class Channel {
  readonly #worker: Worker
  readonly #name: string
  readonly #onFatal: (error: HubError) => void
  #calls: Call[] = []
  #waiters: Waiter[] = []
  #underWay: Waiter[] | null = null
  #scheduled = false
  #refusal: HubError | null = null
  #opening: Opening | null = null
  #closed: (() => void) | null = null
  #exited = false
  #idle: (() => void)[] = []
  #head = 0

  constructor(entry: URL, options: { name: string; data: ThreadData; onFatal: (error: HubError) => void }) {
    this.#name = options.name
    this.#onFatal = options.onFatal
    this.#worker = new Worker(entry, { workerData: options.data, name: `manifold-${options.name}` })
    this.#worker.on('message', (message: FromThread) => this.#hear(message))
    this.#worker.on('error', (error) => this.#died(error))
    this.#worker.on('exit', () => {
      this.#exited = true
      this.#died(null)
    })
  }

  /** Opens the database in the thread; rejects when it refuses. Answers what is worth a line in the log. */
  open(): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      if (this.#refusal !== null) return reject(this.#refusal)
      this.#opening = { resolve, reject }
      this.#post({ kind: 'open' })
    })
  }

  /** Why nothing is called any more; null: nothing speaks against it. */
  get refusal(): HubError | null {
    return this.#refusal
  }

  /** Calls a procedure in the thread. */
  call(verb: string, input: unknown): Promise<unknown> {
    if (this.#refusal !== null) return Promise.reject(this.#refusal)
    return new Promise((resolve, reject) => {
      this.#calls.push({ verb, input })
      this.#waiters.push({ resolve, reject })
      this.#schedule()
    })
  }

  /** The last sequence committed, known before any caller of its commit is; of the writer's thread alone. */
  get head(): number {
    return this.#head
  }

  /** From now on every call, and those under way, are rejected with this. */
  refuse(error: HubError): void {
    this.#refusal ??= error
    const waiters = [...(this.#underWay ?? []), ...this.#waiters]
    this.#underWay = null
    this.#calls = []
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(this.#refusal)
    this.#opening?.reject(this.#refusal)
    this.#opening = null
    this.#settleIdle()
  }

  /** Lets the calls made so far finish, then closes the connection and ends the thread. */
  async close(): Promise<void> {
    this.#refusal ??= new HubError('unavailable', 'The store is closed.')
    await this.#untilIdle()
    if (this.#closed !== null || this.#exited) return
    const closed = new Promise<void>((resolve) => (this.#closed = resolve))
    this.#post({ kind: 'close' })
    await closed
    await this.#worker.terminate()
  }

  /** Calls made in the same turn of the event loop go together. */
  #schedule(): void {
    if (this.#scheduled || this.#underWay !== null) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#send()
    })
  }

  #send(): void {
    if (this.#underWay !== null || this.#calls.length === 0) return
    const calls = this.#calls
    this.#underWay = this.#waiters
    this.#calls = []
    this.#waiters = []
    try {
      this.#post({ kind: 'calls', calls })
    } catch (error) {
      // Something in the input cannot be cloned: a bug of a caller, which must not hang the others.
      const waiters = this.#underWay ?? []
      this.#underWay = null
      for (const waiter of waiters)
        waiter.reject(new HubError('internal', 'The store was given something it cannot take.', { cause: error }))
      this.#settleIdle()
    }
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(message)
  }

  #hear(message: FromThread): void {
    if ('head' in message) this.#head = message.head ?? this.#head
    if (message.kind === 'results') return this.#settle(message.values, message.failures)
    if (message.kind === 'fatal') return this.#fail(toHubError(message.failure))
    if (message.kind === 'closed') return this.#closed?.()
    const opening = this.#opening
    this.#opening = null
    if (message.kind === 'ready') opening?.resolve(message.notes)
    else opening?.reject(toHubError(message.failure))
  }

  #settle(values: readonly unknown[], failures: readonly (Failure | undefined)[] | null): void {
    const waiters = this.#underWay ?? []
    this.#underWay = null
    // The next group is on its way to the thread while the callers of this one go on.
    this.#send()
    const fatal = failures?.find((failure) => failure?.fatal === true)
    for (const [i, waiter] of waiters.entries()) {
      const failure = failures?.[i]
      if (failure === undefined) waiter.resolve(values[i])
      else waiter.reject(toHubError(failure))
    }
    if (fatal !== undefined) this.#fail(toHubError(fatal))
    this.#settleIdle()
  }

  #fail(error: HubError): void {
    this.refuse(error)
    this.#onFatal(error)
  }

  #died(cause: Error | null): void {
    if (this.#closed !== null) return this.#closed()
    if (this.#refusal !== null && this.#refusal.code === 'storage_failed') return
    const message = `The ${this.#name} thread of the database ended unexpectedly; restart the hub.`
    this.#fail(new HubError('storage_failed', message, { cause: cause ?? undefined }))
  }

  #untilIdle(): Promise<void> {
    if (this.#underWay === null && this.#calls.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #settleIdle(): void {
    if (this.#underWay !== null || this.#calls.length > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
