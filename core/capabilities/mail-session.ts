/** One session with the mail server: connected, over TLS, logged in; then one message after the other. */
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import SmtpConnection from 'nodemailer/lib/smtp-connection'
import type { MailSettings } from '../config/config.ts'
import type { AddressPolicy } from './addresses.ts'
import type { Resolve } from './guard-connector.ts'
import { openMailSocket } from './mail-socket.ts'

export interface MailSession {
  /** What it was opened with. */
  readonly settings: MailSettings
  /** The server's last word; rejects with nodemailer's errors. */
  send(envelope: { from: string; to: string[] }, message: Readable, signal: AbortSignal): Promise<string>
  /** Says good-bye first, and does not wait for ever to hear it said back. */
  leave(): void
  close(): void
}

export interface MailSessionOptions {
  readonly settings: MailSettings
  readonly policy: AddressPolicy
  readonly resolve: Resolve
  /** Certificates (PEM) to trust instead of the system's. */
  readonly ca: string | undefined
  /** For the connection, and again for greeting and TLS. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Rejects when it cannot be opened; `onEnd` is told of its end, whoever ends it. */
export async function openMailSession(options: MailSessionOptions, onEnd: () => void): Promise<MailSession> {
  const { settings, signal } = options
  const socket = await openMailSocket({ ...options, ...settings })
  const smtp = new SmtpConnection(connectionOptions(options, socket))
  // Also while it is idle: most servers hang up on those who say nothing.
  smtp.on('end', onEnd)
  // One that nobody hears would end the hub; whoever waits for this session hears it too.
  smtp.on('error', () => {})
  try {
    await step(smtp, signal, (done: Done<true>) => handshake(smtp, settings, done))
  } catch (error) {
    smtp.close()
    throw error
  }
  return {
    settings,
    send: async (envelope, message, until) => {
      const said = await step<{ response: string }>(smtp, until, (done) => smtp.send(envelope, message, done))
      return said.response
    },
    leave: () => {
      smtp.quit()
      setTimeout(() => smtp.close(), options.timeoutMs).unref()
    },
    close: () => smtp.close(),
  }
}

/** A message that is read only when the server has said that it wants it, and has ended when all of it has left. */
export function lazily(bytes: Buffer): Readable {
  let position = 0
  return new Readable({
    read() {
      const next = bytes.subarray(position, position + PIECE_BYTES)
      position += next.length
      this.push(next.length === 0 ? null : next)
    },
  })
}

const PIECE_BYTES = 16_384

const connectionOptions = (
  { settings: { host, port, tls }, ca, timeoutMs }: MailSessionOptions,
  connection: Socket,
) => ({
  connection,
  host,
  port,
  secure: tls === 'implicit',
  requireTLS: tls === 'starttls',
  ignoreTLS: tls === 'none',
  greetingTimeout: timeoutMs,
  connectionTimeout: timeoutMs,
  logger: false,
  tls: { minVersion: 'TLSv1.2' as const, ...(ca === undefined ? {} : { ca }) },
})

type Done<T> = (error?: Error | null, value?: T) => void

function handshake(smtp: SmtpConnection, { user, password }: MailSettings, done: Done<true>): void {
  smtp.connect((error) => {
    if (error || user === null || password === null) return done(error ?? null, true)
    // A server that offers no login is not the one the file speaks of.
    smtp.login({ credentials: { user, pass: password } }, (refused) => done(refused ?? null, true))
  })
}

/** Ends also when the connection fails beside it, or when time is up. */
function step<T>(smtp: SmtpConnection, signal: AbortSignal, begin: (done: Done<T>) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const late = (): void => settle(new Error('Time is up.'))
    const broken = (error: Error): void => settle(error)
    // Whoever waits is told why just after it.
    const ended = (): void => void setImmediate(settle, new Error('The connection was closed.'))
    const settle: Done<T> = (error, value) => {
      signal.removeEventListener('abort', late)
      smtp.off('end', ended)
      smtp.off('error', broken)
      if (error) reject(error)
      else resolve(value as T)
    }
    smtp.on('error', broken)
    smtp.once('end', ended)
    signal.addEventListener('abort', late)
    if (signal.aborted) late()
    else begin(settle)
  })
}
