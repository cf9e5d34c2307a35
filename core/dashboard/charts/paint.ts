/** Draws charts in a thread of its own, which is there only while somebody looks: the hub's own thread goes on meanwhile. */
import { Worker } from 'node:worker_threads'
import type { Drawing } from './draw.ts'

/** What the thread is told. */
export interface Order {
  readonly id: number
  readonly drawings: readonly Drawing[]
}

/** What it tells. */
export type Painted =
  | { readonly id: number; readonly svgs: readonly string[] }
  | { readonly id: number; readonly error: string }

const IDLE_MS = 60_000
const PAINTING_MS_MAX = 10_000
const WAITING_MAX = 32
const HEAP_MB_MAX = 192

interface Waiting {
  readonly resolve: (svgs: readonly string[]) => void
  readonly reject: (error: Error) => void
}

/** The thread with what it was asked for. It ends when it idles, when it is too slow, and with the process. */
class Easel {
  #worker: Worker | null = null
  readonly #waiting = new Map<number, Waiting>()
  #timer: NodeJS.Timeout | undefined
  #lastId = 0

  paint(drawings: readonly Drawing[]): Promise<readonly string[]> {
    if (this.#waiting.size >= WAITING_MAX)
      return Promise.reject(new Error('Too many pages with charts are being made.'))
    this.#lastId += 1
    const order: Order = { id: this.#lastId, drawings }
    const painted = new Promise<readonly string[]>((resolve, reject) => {
      this.#waiting.set(order.id, { resolve, reject })
    })
    this.#worker ??= this.#open()
    this.#worker.postMessage(order)
    this.#wait(PAINTING_MS_MAX)
    return painted
  }

  #open(): Worker {
    const worker = new Worker(new URL('./thread.ts', import.meta.url), {
      name: 'manifold-charts',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
      // Nothing of the hub's environment is its business.
      env: {},
    })
    worker.on('message', (painted: Painted) => this.#take(painted))
    worker.on('error', (error) => this.#end(worker, error))
    worker.on('exit', () => this.#end(worker, new Error('The thread that draws charts ended.')))
    worker.unref()
    return worker
  }

  #take(painted: Painted): void {
    const waiting = this.#waiting.get(painted.id)
    this.#waiting.delete(painted.id)
    if ('svgs' in painted) waiting?.resolve(painted.svgs)
    else waiting?.reject(new Error(painted.error))
    this.#wait(this.#waiting.size === 0 ? IDLE_MS : PAINTING_MS_MAX)
  }

  /** Ends the thread unless something happens within the time. */
  #wait(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const worker = this.#worker
      if (worker !== null) this.#end(worker, new Error(`A chart took longer than ${PAINTING_MS_MAX} ms.`))
    }, ms)
    this.#timer.unref()
  }

  #end(worker: Worker, error: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = null
    clearTimeout(this.#timer)
    for (const { reject } of this.#waiting.values()) reject(error instanceof Error ? error : new Error(String(error)))
    this.#waiting.clear()
    void worker.terminate()
  }
}

const easel = new Easel()

/** The drawings as SVG, in their order. Rejects when that fails or takes too long. */
export const paint = (drawings: readonly Drawing[]): Promise<readonly string[]> =>
  drawings.length === 0 ? Promise.resolve([]) : easel.paint(drawings)
