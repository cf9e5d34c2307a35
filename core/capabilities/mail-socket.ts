/** Opens the TCP connection to the mail server: to addresses the policy lets through, and to no other. */
import { connect, isIP, type Socket } from 'node:net'
import { HubError } from '../errors.ts'
import type { AddressPolicy } from './addresses.ts'
import { guardedLookup, refusedAddress, type Resolve } from './guard-connector.ts'

export interface MailSocketOptions {
  readonly host: string
  readonly port: number
  readonly policy: AddressPolicy
  readonly resolve: Resolve
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Rejects with `http_refused_address`, `email_timeout`, or what the system says. */
export function openMailSocket(options: MailSocketOptions): Promise<Socket> {
  const { host, port, policy, resolve: lookUp, timeoutMs, signal } = options
  const why = isIP(host) === 0 ? null : policy.refusal(host, port)
  if (why !== null) return Promise.reject(refusedAddress(host, why))
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, lookup: guardedLookup({ policy, resolve: lookUp }, port), noDelay: true })
    const timer = setTimeout(() => fail(late(host)), timeoutMs)
    const stop = (): void => fail(late(host))
    const settle = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      socket.off('error', fail)
    }
    const fail = (error: Error): void => {
      settle()
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      const refused = policy.refusal(socket.remoteAddress ?? 'an unknown address', port)
      if (refused !== null) return fail(refusedAddress(host, refused))
      settle()
      resolve(socket)
    })
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
  })
}

const late = (host: string): HubError =>
  new HubError('email_timeout', `The mail server ${host} did not accept the connection in time.`)
