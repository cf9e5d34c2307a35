/** One sandbox child as the hub sees it: starts it with nothing in its hands, collects messages per turn, ends it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { encodeFrames, FrameReader, HEAD_BYTES_MAX } from './frames.ts'
import { childCode, guestCode } from './programs.ts'
import { CHANNEL_FD, type FromChild, readFrame, type ToChild } from './protocol.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const STDERR_CHARS_MAX = 4_096
const READY_TIMEOUT_MS = 10_000
const CLOSE_TIMEOUT_MS = 1_000

/**
 * Node's flags for a child. No snapshot (isolated-vm asks for it); no writes, no other files, no further processes, no workers, no inspector.
 * The network stays open to the process, but nothing in an isolate can reach it. Hardened: no machine code is made
 * while it runs, so no page is ever writable and executable, and bugs of V8's compilers are out of reach.
 */
export function childFlags(hardened: boolean): string[] {
  const manifest = createRequire(import.meta.url).resolve('isolated-vm/package.json')
  const loader = createRequire(manifest).resolve('node-gyp-build/package.json')
  return [
    '--no-node-snapshot',
    // Its own heap holds little but what passes through.
    '--max-semi-space-size=2',
    ...(hardened ? ['--jitless'] : []),
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

/** How the end of a child is called that Node did not shut in; nothing is ever loaded into one. */
export const NOT_SHUT_IN = 'the process is not shut in'

/** What only a process does whose own program does not run it any more: nothing that a plugin's code says comes this far. */
const UNREADABLE = 'the process sent something unreadable'
const FLOOD = 'the process floods the hub'
export const isTakenOver = (why: string): boolean => why === UNREADABLE || why === FLOOD
/** What a message costs at least when the bytes of a second are counted: many small ones are work, too. */
const MESSAGE_BYTES_MIN = 1_024
const SECOND_MS = 1_000

export interface ChildOptions {
  /** Node's flags. */
  readonly flags: readonly string[]
  readonly limits: Pick<Limits, 'childMessageBytesMax' | 'childBytesPerSecondMax' | 'childUnreadMsMax'>
}

export interface ChildEvents {
  readonly onMessage: (message: FromChild) => void
  /** Once, when the process is gone or as good as gone. */
  readonly onDeath: (why: string) => void
}

export class Child {
  readonly #process: ChildProcess
  readonly #channel: Socket
  readonly #reader: FrameReader
  readonly #options: ChildOptions
  readonly #events: ChildEvents
  readonly #exited: Promise<void>
  #outbox: ToChild[] = []
  #isFlushing = false
  #isDead = false
  #ready: (() => void) | null = null
  #failed: ((error: HubError) => void) | null = null
  #stderr = ''
  readonly #heard = { sinceMs: 0, bytes: 0 }
  /** Writes that the process has not taken yet, and since when it took none. */
  readonly #unread = { writes: 0, sinceMs: 0 }
  rssBytes = 0
  /** Units inside a slice at the last beat. */
  busy: readonly number[] = []
  /** Monotonic time of the last sign of life; the start counts as one. */
  lastSignMs = performance.now()
  isReady = false

  private constructor(program: string, options: ChildOptions, events: ChildEvents) {
    this.#options = options
    this.#events = events
    this.#reader = new FrameReader({
      headBytesMax: HEAD_BYTES_MAX,
      textBytesMax: options.limits.childMessageBytesMax,
    })
    this.#process = spawn(process.execPath, [...options.flags, '--input-type=module', '-'], {
      // Packages are found from here, since the program has no file of its own.
      cwd: ROOT,
      env: {},
      // Not Node's own channel: what that cannot read, it throws here, outside anything that could catch it.
      stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    })
    this.#channel = this.#process.stdio[CHANNEL_FD] as Socket
    // A process that is gone before it read everything is told by its exit.
    this.#process.stdin?.on('error', () => undefined).end(program)
    // What cannot be written or read any more is told by the exit, too.
    this.#channel.on('error', () => undefined).on('data', (chunk: Buffer) => this.#hear(chunk))
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
  static async start(events: ChildEvents, options: ChildOptions): Promise<Child> {
    const [guest, program] = await Promise.all([guestCode(), childCode()])
    const child = new Child(program, options, events)
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

  /** True when it has taken nothing of what is written to it for too long, though it beats. */
  isDeaf(nowMs: number): boolean {
    return this.#unread.writes > 0 && nowMs - this.#unread.sinceMs > this.#options.limits.childUnreadMsMax
  }

  /** Ends it at once. Its death is reported now, not when the system has buried it. */
  kill(why: string): void {
    this.#process.kill('SIGKILL')
    this.#die(why)
  }

  /** Ends it quietly and waits until it is gone. */
  async close(): Promise<void> {
    this.#isDead = true
    this.#channel.end()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), CLOSE_TIMEOUT_MS)
    await this.#exited
    clearTimeout(timer)
  }

  #flush(): void {
    this.#isFlushing = false
    const messages = this.#outbox
    this.#outbox = []
    if (this.#isDead) return
    if (this.#unread.writes++ === 0) this.#unread.sinceMs = performance.now()
    // A failed write means that the process is going; its exit tells the rest.
    this.#channel.write(encodeFrames(messages), () => {
      this.#unread.writes -= 1
      this.#unread.sinceMs = performance.now()
    })
  }

  #hear(chunk: Buffer): void {
    if (this.#isDead) return
    const messages = readFrame(this.#reader.read(chunk))
    if (messages === null) return this.kill(UNREADABLE)
    if (this.#isFlood(chunk.length + messages.length * MESSAGE_BYTES_MIN)) return this.kill(FLOOD)
    this.#receive(messages)
  }

  #isFlood(bytes: number): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#heard.sinceMs > SECOND_MS) Object.assign(this.#heard, { sinceMs: nowMs, bytes: 0 })
    this.#heard.bytes += bytes
    return this.#heard.bytes > this.#options.limits.childBytesPerSecondMax
  }

  #receive(messages: readonly FromChild[]): void {
    // A frame that never ends is no sign of life.
    if (messages.length > 0) this.lastSignMs = performance.now()
    for (const message of messages) {
      if (message[0] === 'beat') {
        this.rssBytes = message[1]
        this.busy = message[2]
      } else if (message[0] === 'ready') {
        if (message[1].length > 0) return this.kill(`${NOT_SHUT_IN}: it can ${message[1].join(', ')}`)
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
    this.#channel.destroy()
    this.#failed?.(
      new HubError(
        'unavailable',
        `A sandbox process could not be started: ${why}${this.#stderr === '' ? '' : `\n${this.lastWords}`}`,
      ),
    )
    this.#events.onDeath(why)
  }
}
