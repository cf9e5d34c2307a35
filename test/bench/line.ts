/** One keep-alive connection on a raw socket, one request at a time: what a generator spends on a request must be small. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'

const CONNECT_RETRIES_MAX = 3
const OPENED_TOGETHER = 50
const STATUS_AT = 9

export class Line {
  readonly #port: number
  #socket: Socket | null = null
  #pending: ((answer: string) => void) | null = null
  #received = ''

  constructor(port: number) {
    this.#port = port
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
      socket.setEncoding('latin1')
      socket.once('connect', () => {
        this.#socket = socket
        resolve()
      })
      socket.once('error', (error) => {
        reject(error)
        this.#finish('')
      })
      socket.once('close', () => {
        this.#socket = null
        this.#finish('')
      })
      socket.on('data', (text) => this.#read(String(text)))
    })
  }

  /** The whole answer; '' when the connection broke. Connects again when the peer has closed since. */
  async send(request: () => string): Promise<string> {
    if (this.#socket === null) {
      try {
        await this.open()
      } catch {
        return ''
      }
    }
    return await new Promise((resolve) => {
      this.#pending = resolve
      this.#received = ''
      this.#socket?.write(request(), 'latin1')
    })
  }

  close(): void {
    this.#socket?.destroy()
  }

  #read(text: string): void {
    this.#received = this.#received === '' ? text : this.#received + text
    const whole = this.#received
    const headEnd = whole.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(whole.slice(0, headEnd + 2))
    const complete =
      length === null
        ? whole.endsWith('0\r\n\r\n') || whole.startsWith('204', STATUS_AT)
        : whole.length >= headEnd + 4 + Number(length[1])
    if (complete) this.#finish(whole)
  }

  #finish(answer: string): void {
    const pending = this.#pending
    this.#pending = null
    pending?.(answer)
  }
}

/** 0: the connection failed or broke. */
export const statusOf = (answer: string): number => Number(answer.slice(STATUS_AT, STATUS_AT + 3))

/** What comes before the body; its length is to follow. */
export function headOf(
  method: string,
  path: string,
  { port, headers }: { readonly port: number; readonly headers: Readonly<Record<string, string>> },
): string {
  const all = { host: `127.0.0.1:${port}`, 'content-type': 'application/json', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}content-length: `
}

export const requestText = (head: string, body: string): string => `${head}${body.length}\r\n\r\n${body}`

/** Opens them a few at a time: how connections are accepted is another question. */
export async function openLines(port: number, count: number): Promise<readonly Line[]> {
  const lines: Line[] = []
  while (lines.length < count) {
    const group = Array.from({ length: Math.min(OPENED_TOGETHER, count - lines.length) }, () => new Line(port))
    await Promise.all(group.map((line) => openPatiently(line)))
    lines.push(...group)
  }
  return lines
}

async function openPatiently(line: Line, triesLeft = CONNECT_RETRIES_MAX): Promise<void> {
  try {
    await line.open()
  } catch (error) {
    if (triesLeft === 0) throw error
    await openPatiently(line, triesLeft - 1)
  }
}
