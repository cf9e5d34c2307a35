/**
 * The hub's mail server, spoken to over a few connections that are kept for a while. The address is checked as for HTTP,
 * TLS is verified, every phase has an end, and an answer that never came is told apart from a message that never left.
 */
import type { MailSettings } from '../config/config.ts'
import type { EmailAnswer } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { addressPolicy } from './addresses.ts'
import type { OutgoingEmail } from './email-message.ts'
import { systemResolve, type Resolve } from './guard-connector.ts'
import { lazily, openMailSession } from './mail-session.ts'
import { createMailSessions } from './mail-sessions.ts'
import { createTurns } from './mail-turns.ts'
import { createMask } from './mask.ts'
import { answerOf, asMailError } from './smtp-errors.ts'

/** One message on its way. */
export interface MailOrder {
  readonly email: OutgoingEmail
  readonly bytes: Buffer
  /** For all of it: waiting for a connection, connecting, sending, the answer. */
  readonly timeoutMs: number
}

export interface MailServer {
  /** Null: this hub sends no e-mail. */
  settings(): MailSettings | null
  /** What the server said. Rejects with `email_*`, `http_refused_address` or `config_invalid`. */
  send(order: MailOrder): Promise<EmailAnswer>
  /** From the next message on; connections of before are closed as they end. */
  configure(settings: MailSettings | null, allow: readonly string[]): void
  /** Ends everything under way. */
  close(): void
}

export interface MailServerOptions {
  readonly settings: MailSettings | null
  /** CIDRs that may be reached although private. */
  readonly allow: readonly string[]
  readonly limits: Pick<Limits, 'emailConnectTimeoutMs' | 'emailConnectionsMax' | 'emailIdleMs'>
  readonly resolve?: Resolve
  /** Certificates (PEM) to trust instead of the system's. */
  readonly ca?: string
}

/** "I am closing the connection": what a server says to one that was silent for long. */
const CLOSING = 421
const TAKEN = 250

/** Nothing is connected before the first message. */
export function createMailServer(options: MailServerOptions): MailServer {
  const { limits, resolve = systemResolve(), ca } = options
  let { settings, allow } = options
  let policy = addressPolicy(allow, { anyPort: true })
  const turns = createTurns(limits.emailConnectionsMax)
  const sessions = createMailSessions(limits.emailIdleMs)

  /** Over a connection that was kept, once more over a new one if it had been closed meanwhile. */
  const transact = async (wanted: MailSettings, order: MailOrder, signal: AbortSignal): Promise<EmailAnswer> => {
    const kept = sessions.takeIdle()
    const timeoutMs = limits.emailConnectTimeoutMs
    const session =
      kept ??
      (await sessions.add((onEnd) =>
        openMailSession({ settings: wanted, policy, resolve, ca, timeoutMs, signal }, onEnd),
      ))
    const message = lazily(order.bytes)
    try {
      const envelope = { from: order.email.from.address, to: [order.email.to] }
      const response = await session.send(envelope, message, signal)
      sessions.keep(session, settings)
      return { accepted: true, code: Number(response.slice(0, 3)) || TAKEN, response }
    } catch (error) {
      sessions.drop(session)
      const answer = answerOf(error, { wasSent: message.readableEnded })
      const wasClosed = answer === null || answer.code === CLOSING
      if (kept !== undefined && wasClosed && !message.readableDidRead && !signal.aborted)
        return await transact(wanted, order, signal)
      if (answer !== null) return answer
      throw error
    }
  }

  return {
    settings: () => settings,
    async send(order) {
      const wanted = settings
      if (wanted === null) throw unconfigured()
      const mask = createMask([wanted.password ?? ''])
      const signal = AbortSignal.timeout(Math.max(1, Math.ceil(order.timeoutMs)))
      try {
        const done = await turns.take(signal)
        try {
          const answer = await transact(wanted, order, signal)
          return { ...answer, response: mask(answer.response) }
        } finally {
          done()
        }
      } catch (error) {
        throw asMailError(error, { host: wanted.host, isLate: signal.aborted, mask })
      }
    },
    configure(next, allowed) {
      if (JSON.stringify([next, allowed]) === JSON.stringify([settings, allow])) return
      settings = next
      allow = allowed
      policy = addressPolicy(allow, { anyPort: true })
      sessions.leaveIdle()
    },
    close() {
      settings = null
      sessions.close()
    },
  }
}

export const unconfigured = (): HubError =>
  new HubError(
    'config_invalid',
    'This hub sends no e-mail: manifold.yaml names no mail server (email.url, email.from).',
  )
