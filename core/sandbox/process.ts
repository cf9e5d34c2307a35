/** One sandbox child as the hub sees it: starts it with nothing in its hands, collects messages per turn, ends it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HubError } from '../errors.ts'
import { childCode, guestCode } from './programs.ts'
import type { FromChild, ToChild } from './protocol.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const STDERR_CHARS_MAX = 4_096
const READY_TIMEOUT_MS = 10_000
const CLOSE_TIMEOUT_MS = 1_000

/**
 * No snapshot (isolated-vm asks for it); no writes, no other files, no further processes, no workers, no inspector.
 * The network stays open to the process, but nothing in an isolate can reach it.
 */
function flags(): string[] {
  const manifest = createRequire(import.meta.url).resolve('isolated-vm/package.json')
  const loader = createRequire(manifest).resolve('node-gyp-build/package.json')
  return [
    '--no-node-snapshot',
    // Its own heap holds little but what passes through.
    '--max-semi-space-size=2',
    '--permission',
    '--allow-addons',
    `--allow-fs-read=${dirname(manifest)}`,
    `--allow-fs-read=${dirname(loader)}`,
    // How the library's loader tells musl from glibc.
    '--allow-fs-read=/etc/alpine-release',
    `--allow-fs-read=${join(ROOT, 'package.json')}`,
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
  ]
}

export interface ChildEvents {
  readonly onMessage: (message: FromChild) => void
  /** Once, when the process is gone or as good as gone. */
  readonly onDeath: (why: string) => void
}

export class Child {
  readonly #process: ChildProcess
  readonly #events: ChildEvents
  readonly #exited: Promise<void>
  #outbox: ToChild[] = []
  #isFlushing = false
  #isDead = false
  #ready: (() => void) | null = null
  #failed: ((error: HubError) => void) | null = null
  #stderr = ''
  rssBytes = 0
  /** Units inside a slice at the last beat. */
  busy: readonly number[] = []
  /** Monotonic time of the last sign of life; the start counts as one. */
  lastSignMs = performance.now()
  isReady = false

  private constructor(program: string, events: ChildEvents) {
    this.#events = events
    this.#process = spawn(process.execPath, [...flags(), '--input-type=module', '-'], {
      // Packages are found from here, since the program has no file of its own.
      cwd: ROOT,
      env: {},
      serialization: 'advanced',
      stdio: ['pipe', 'ignore', 'pipe', 'ipc'],
    })
    // A process that is gone before it read everything is told by its exit.
    this.#process.stdin?.on('error', () => undefined).end(program)
    this.#process.on('message', (messages) => this.#receive(messages as readonly FromChild[]))
    this.#process.on('error', (error) => this.#die(`the process failed: ${error.message}`))
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARS_MAX)
    })
    this.#exited = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => {
        this.#die(`the process ended by itself (${signal ?? `code ${code}`})`)
        resolve()
      })
      this.#process.once('error', () => this.#process.pid === undefined && resolve())
    })
  }

  /** Starts a process and waits until it answers. */
  static async start(events: ChildEvents): Promise<Child> {
    const [guest, program] = await Promise.all([guestCode(), childCode()])
    const child = new Child(program, events)
    const timer = setTimeout(() => child.kill('the process did not start'), READY_TIMEOUT_MS)
    try {
      await new Promise<void>((resolve, reject) => {
        child.#ready = resolve
        child.#failed = reject
      })
    } finally {
      clearTimeout(timer)
    }
    child.send(['guest', guest])
    return child
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** What the process last wrote to stderr; V8 tells there what it died of. */
  get lastWords(): string {
    return this.#stderr.trim()
  }

  /** Queues a message; everything of one turn goes in one write. */
  send(message: ToChild): void {
    if (this.#isDead) return
    this.#outbox.push(message)
    if (this.#isFlushing) return
    this.#isFlushing = true
    setImmediate(() => this.#flush())
  }

  /** Ends it at once. Its death is reported now, not when the system has buried it. */
  kill(why: string): void {
    this.#process.kill('SIGKILL')
    this.#die(why)
  }

  /** Ends it quietly and waits until it is gone. */
  async close(): Promise<void> {
    this.#isDead = true
    if (this.#process.connected) this.#process.disconnect()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), CLOSE_TIMEOUT_MS)
    await this.#exited
    clearTimeout(timer)
  }

  #flush(): void {
    this.#isFlushing = false
    const messages = this.#outbox
    this.#outbox = []
    if (this.#isDead || !this.#process.connected) return
    // A failed write means that the process is going; its exit tells the rest.
    this.#process.send(messages, undefined, undefined, () => undefined)
  }

  #receive(messages: readonly FromChild[]): void {
    if (this.#isDead) return
    this.lastSignMs = performance.now()
    for (const message of messages) {
      if (message[0] === 'beat') {
        this.rssBytes = message[1]
        this.busy = message[2]
      } else if (message[0] === 'ready') {
        this.isReady = true
        this.#ready?.()
      }
      this.#events.onMessage(message)
      if (this.#isDead) return
    }
  }

  #die(why: string): void {
    if (this.#isDead) return
    this.#isDead = true
    this.#failed?.(
      new HubError(
        'unavailable',
        `A sandbox process could not be started: ${why}${this.#stderr === '' ? '' : `\n${this.lastWords}`}`,
      ),
    )
    this.#events.onDeath(why)
  }
}
