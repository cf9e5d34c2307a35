/**
 * One isolate in the child: builds it, enters it with a timeout for every slice, notices when it cannot be ended.
 * Decides nothing: what a breach means and whom it costs is the hub's business.
 *
 *   loading ──▶ ready ⇄ stepping ──▶ gone        refused load, breach or drop ──▶ gone
 */
import ivm from 'isolated-vm'
import {
  type BreachKind,
  type FromChild,
  GUEST_FILE,
  GUEST_SPLIT,
  type GuestErrorText,
  type LastSlice,
  type LoadOrder,
  NO_LANE,
  PLUGIN_FILE,
  WEB_QUESTION,
} from './protocol.ts'
import { Breach, HEADER_CHARS_MAX, lastWords, readHeader } from './drained.ts'
import type { Drained } from './drained.ts'
import { answerQuestion } from './questions.ts'

/** A slice that is still not over this long after its limit is disposed of … */
const LATE_GRACE_MS = 1_000
/** … and one that survives that by this long is stuck: only killing the process helps. */
const DISPOSE_GRACE_MS = 1_000
const DRAIN_TRIES_MAX = 3
/** A longer delay would make Node wake it at once, again and again. */
const WAKE_MS_MAX = 2 ** 31 - 1

type Send = (message: FromChild) => void
type GuestFunction = ivm.Reference<(...args: unknown[]) => unknown>

export class GuestIsolate {
  readonly #unit: number
  readonly #order: LoadOrder
  readonly #send: Send
  readonly #isolate: ivm.Isolate
  #step: GuestFunction | null = null
  #drain: GuestFunction | null = null
  #isInside = false
  #state: 'loading' | 'ready' | 'stepping' | 'gone' = 'loading'
  #cautious: boolean
  readonly #pending = new Map<number, string[]>()
  #lanes: number[] = [NO_LANE]
  #wakeAtMs = new Map<number, number>()
  #wakeTimer: NodeJS.Timeout | undefined
  #cpuNs = 0n
  /** It ran since its heap was looked at. */
  #hasRun = false
  #heapBytes: number | null = null
  /** What answering its questions took here: time of all its neighbours, so it pays for it like for its own. */
  #answeringUs = 0
  #endTimer: NodeJS.Timeout | undefined

  constructor(unit: number, order: LoadOrder, send: Send) {
    this.#unit = unit
    this.#order = order
    this.#send = send
    this.#cautious = order.cautious
    this.#isolate = new ivm.Isolate({
      memoryLimit: order.heapMb,
      // Without a handler the library waits for ever for an isolate that V8 has given up on.
      onCatastrophicError: (message) => this.#stuck(`V8 gave up on the isolate: ${message}`),
    })
  }

  /** True while plugin code may be executing, also in an isolate that was disposed of but has not stopped yet. */
  get isBusy(): boolean {
    return this.#isInside
  }

  /** True when it is gone and nothing of it runs any more. */
  get isOver(): boolean {
    return this.#state === 'gone' && !this.#isInside
  }

  /**
   * Bytes of its heap and of the buffers outside it, once after each time they were looked at; else null. Looks again when
   * it ran since, and only while it is idle: what runs is not to be waited for.
   */
  takeHeapBytes(): number | null {
    const bytes = this.#heapBytes
    this.#heapBytes = null
    if (this.#hasRun && this.#state === 'ready') void this.#lookAtHeap()
    return bytes
  }

  async #lookAtHeap(): Promise<void> {
    this.#hasRun = false
    try {
      const heap = await this.#isolate.getHeapStatistics()
      this.#heapBytes = heap.used_heap_size + (heap.externally_allocated_size ?? 0)
    } catch {
      // It was disposed of meanwhile.
    }
  }

  /** Runs the guest code and the plugin's script; reports `loaded` or `refused`. */
  async load(guestCode: string): Promise<void> {
    const watch = this.#watch(this.#order.loadMs, 'loading')
    try {
      const surface = await this.#build(guestCode)
      if (this.#state === 'gone') return
      this.#state = 'ready'
      // No run pays for what loading took.
      const cpuUs = this.#takeCpuUs()
      this.#hasRun = true
      this.#send(['loaded', this.#unit, cpuUs, surface])
      this.#pump()
    } catch (error) {
      if (this.#state === 'gone') return
      this.#refuse(textOf(error))
    } finally {
      watch()
    }
  }

  async #build(guestCode: string): Promise<string> {
    const { code, config, settings, loadMs } = this.#order
    const isolate = this.#isolate
    const context = await isolate.createContext()
    const [main = '', web = ''] = guestCode.split(GUEST_SPLIT)
    const reply = (question: unknown): string => {
      const startMs = performance.now()
      const answer = question === WEB_QUESTION ? web : answerQuestion(question)
      this.#answeringUs += (performance.now() - startMs) * 1_000
      return answer
    }
    const guest = await isolate.compileScript(main, { filename: GUEST_FILE })
    const boot = (await guest.run(context, { reference: true, timeout: loadMs })) as GuestFunction
    const bridge = (await boot.apply(undefined, [new ivm.Callback(reply), config, settings], {
      result: { reference: true },
      timeout: loadMs,
    })) as unknown as ivm.Reference<Record<'adopt' | 'step' | 'drain', (...args: unknown[]) => unknown>>
    const adopt = (await bridge.get('adopt', { reference: true })) as GuestFunction
    this.#step = await bridge.get('step', { reference: true })
    this.#drain = await bridge.get('drain', { reference: true })
    const script = await isolate.compileScript(code, { filename: PLUGIN_FILE })
    const module = (await script.run(context, { reference: true, timeout: loadMs })) as ivm.Reference<unknown>
    const surface: unknown = await adopt.apply(undefined, [module.derefInto()], {
      result: { copy: true },
      timeout: loadMs,
    })
    return typeof surface === 'string' ? surface.slice(0, HEADER_CHARS_MAX) : '{}'
  }

  /** Takes a command for a lane; it is executed in the next slice. */
  accept(lane: number, command: string): void {
    if (this.#state === 'gone') return
    const waiting = this.#pending.get(lane)
    if (waiting === undefined) this.#pending.set(lane, [command])
    else waiting.push(command)
  }

  /** Enters the isolate when it is free and something waits. */
  pump(): void {
    this.#pump()
  }

  /** From now on one lane a slice, so that a breach has one culprit. */
  beCautious(): void {
    this.#cautious = true
  }

  /** Ends the isolate; says so when that is impossible. */
  drop(): void {
    const wasBusy = this.isBusy
    // Of nobody's run any more, and still the installation's.
    if (wasBusy && this.#state !== 'gone') this.#send(['out', this.#unit, [], this.#takeCpuUs(), ''])
    this.#leave()
    if (wasBusy) this.#expectEnd()
  }

  #pump(): void {
    if (this.#state !== 'ready' || this.#pending.size === 0) return
    this.#state = 'stepping'
    this.#hasRun = true
    void this.#slice(this.#takePending())
  }

  #takePending(): string {
    const [first] = this.#pending
    if (this.#cautious && first !== undefined) {
      this.#pending.delete(first[0])
      this.#lanes = [first[0]]
      return `[${first[1].join()}]`
    }
    const commands = [...this.#pending.values()].flat()
    this.#lanes = [...this.#pending.keys()]
    this.#pending.clear()
    return `[${commands.join()}]`
  }

  async #slice(commands: string): Promise<void> {
    const timeout = this.#order.sliceMs
    const watch = this.#watch(timeout, 'stepping')
    let draining: Promise<Drained> | null = null
    try {
      // Both are queued at once: one wake-up of the isolate's thread. Its microtasks run at the end of the first.
      const stepping = (this.#step as GuestFunction).apply(undefined, [commands], { timeout, result: { copy: true } })
      draining = this.#drainText(false)
      draining.catch(() => undefined)
      await stepping.catch((error: unknown) => this.#judge(error))
      for (let tries = 1; ; tries++) {
        const isMore = await draining
          .then((text) => this.#handOn(text))
          .catch((error: unknown) => {
            this.#judge(error)
            if (tries >= DRAIN_TRIES_MAX) throw error
            return 'again' as const
          })
        if (isMore === 'done') break
        if (isMore === 'more') tries = 0
        draining = this.#drainText(isMore === 'again')
        draining.catch(() => undefined)
      }
    } catch (error) {
      const { kind, trace } = error instanceof Breach ? error : new Breach('oversize')
      this.#breach(kind, { stack: trace, reports: kind === 'slice' ? await lastWords(draining) : '' })
    } finally {
      watch()
    }
    if (this.#state !== 'stepping') return
    this.#state = 'ready'
    this.#pump()
  }

  /** A termination ends the slice; anything else is an error that nobody in the guest handles, and life goes on. */
  #judge(error: unknown): void {
    if (error instanceof Breach) throw error
    const { message, stack } = textOf(error)
    if (this.#isolate.isDisposed) throw new Breach(this.#state === 'gone' ? 'slice' : 'memory')
    // The library looks at the stack as it ends the script.
    if (/execution timed out/.test(message)) throw new Breach('slice', stack)
    this.#send(['stray', this.#unit, this.#lanes, textOf(error)])
  }

  async #drainText(again: boolean): Promise<Drained> {
    const drain = this.#drain as GuestFunction
    const text: unknown = await drain.apply(undefined, [again], {
      timeout: this.#order.sliceMs,
      result: { copy: true },
    })
    if (typeof text !== 'string' || isOver(text, this.#order.drainBytesMax)) throw new Breach('oversize')
    const headerEnd = text.indexOf('\n')
    if (headerEnd < 0 || headerEnd > HEADER_CHARS_MAX) throw new Breach('oversize')
    return { header: headerEnd === 0 ? {} : readHeader(text.slice(0, headerEnd)), reports: text.slice(headerEnd + 1) }
  }

  #handOn({ header, reports }: Drained): 'done' | 'more' {
    this.#wake(header.w ?? [])
    this.#send(['out', this.#unit, this.#lanes, this.#takeCpuUs(), reports])
    return header.m === 1 ? 'more' : 'done'
  }

  /** CPU time since this was asked last; 0 when V8 has taken the isolate away. */
  #takeCpuUs(): number {
    if (this.#isolate.isDisposed) return 0
    const cpuNs = this.#isolate.cpuTime
    const cpuUs = Number(cpuNs - this.#cpuNs) / 1_000 + this.#answeringUs
    this.#cpuNs = cpuNs
    this.#answeringUs = 0
    return cpuUs
  }

  #wake(wakes: readonly (readonly [number, number])[]): void {
    clearTimeout(this.#wakeTimer)
    this.#wakeAtMs = new Map()
    const now = performance.now()
    let earliest = Infinity
    for (const [lane, wantedMs] of wakes) {
      const delayMs = Math.min(Math.max(0, wantedMs), WAKE_MS_MAX)
      this.#wakeAtMs.set(lane, now + delayMs)
      earliest = Math.min(earliest, delayMs)
    }
    if (earliest < Infinity) this.#wakeTimer = setTimeout(() => this.#wakeUp(), earliest)
  }

  #wakeUp(): void {
    const now = performance.now()
    let next = Infinity
    for (const [lane, atMs] of this.#wakeAtMs) {
      if (atMs <= now + 1) {
        this.#wakeAtMs.delete(lane)
        this.accept(lane, `{"k":"timers","l":${lane}}`)
      } else next = Math.min(next, atMs - now)
    }
    if (next < Infinity) this.#wakeTimer = setTimeout(() => this.#wakeUp(), next)
    this.#pump()
  }

  /** Watches one load or slice; the answer ends the watch. */
  #watch(limitMs: number, state: 'loading' | 'stepping'): () => void {
    this.#isInside = true
    const timer = setTimeout(() => {
      if (this.#state !== state) return
      if (state === 'loading')
        this.#refuse({ name: 'Error', message: `loading took longer than ${limitMs} ms`, stack: '' })
      else this.#breach('slice')
    }, limitMs + LATE_GRACE_MS)
    return () => {
      this.#isInside = false
      clearTimeout(timer)
      clearTimeout(this.#endTimer)
    }
  }

  #breach(kind: BreachKind, last: Pick<LastSlice, 'stack' | 'reports'> = { stack: '', reports: '' }): void {
    if (this.#state === 'gone') return
    this.#send(['breach', this.#unit, kind, this.#lanes, { cpuUs: this.#takeCpuUs(), ...last }])
    this.#leave()
    this.#expectEnd()
  }

  #refuse(error: GuestErrorText): void {
    this.#send(['refused', this.#unit, this.#takeCpuUs(), error])
    this.#leave()
    this.#expectEnd()
  }

  #leave(): void {
    this.#state = 'gone'
    this.#pending.clear()
    clearTimeout(this.#wakeTimer)
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
  }

  /** The running slice has to settle soon after the disposal (its watch then ends this timer). */
  #expectEnd(): void {
    this.#endTimer = setTimeout(() => this.#stuck('the isolate did not end'), DISPOSE_GRACE_MS)
  }

  #stuck(why: string): void {
    this.#state = 'gone'
    this.#send(['stuck', this.#unit, this.#lanes, why])
  }
}

/** UTF-8 takes at most three bytes for a UTF-16 unit: most texts are seen to fit without being counted. */
const isOver = (text: string, bytesMax: number): boolean =>
  text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax

/** What the library copied out of the guest; by now it is data of this realm, but its parts may be anything. */
function textOf(error: unknown): GuestErrorText {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error).slice(0, 2_000), stack: '' }
  const part = (value: unknown, charsMax: number): string => (typeof value === 'string' ? value.slice(0, charsMax) : '')
  return { name: part(error.name, 100), message: part(error.message, 2_000), stack: part(error.stack, 8_000) }
}
