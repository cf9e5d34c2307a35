/** The process of one native plugin as the hub sees it. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { FromNative, ToNative } from './protocol.ts'

const PROGRAM = fileURLToPath(new URL('./child.ts', import.meta.url))
const STDERR_CHARS_MAX = 4_096
const CLOSE_TIMEOUT_MS = 5_000
/** Calls of native libraries that are under way at once, of all installations: four, as is usual, one of them would fill. */
const THREADS = 64

export interface NativeEvents {
  readonly onMessage: (message: FromNative) => void
  /** Once, when it is gone. */
  readonly onDeath: (why: string) => void
}

export class NativeProcess {
  readonly #process: ChildProcess
  readonly #exited: Promise<void>
  #stderr = ''

  constructor(events: NativeEvents) {
    this.#process = fork(PROGRAM, [], {
      env: { UV_THREADPOOL_SIZE: String(THREADS) },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#process.on('message', (message) => events.onMessage(message as FromNative))
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARS_MAX)
    })
    this.#exited = new Promise((resolve) => {
      this.#process.on('error', (error) => {
        // What cannot be sent any more is told by the exit; one that never began has none.
        if (this.#process.pid !== undefined) return
        events.onDeath(`the process could not be started: ${error.message}`)
        resolve()
      })
      this.#process.once('exit', (code, signal) => {
        const words = this.#stderr.trim()
        events.onDeath(`the process ended (${signal ?? `code ${code}`})${words === '' ? '' : `: ${words}`}`)
        resolve()
      })
    })
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  send(message: ToNative): void {
    if (this.#process.connected) this.#process.send(message, () => undefined)
  }

  /** Lets it go; kills it when it does not. */
  async close(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect()
    const late = setTimeout(() => this.#process.kill('SIGKILL'), CLOSE_TIMEOUT_MS)
    await this.#exited
    clearTimeout(late)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}
