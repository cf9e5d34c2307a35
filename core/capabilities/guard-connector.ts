/**
 * Opens sockets only to addresses the policy lets through. Everything is checked where the connection is made, so no
 * spelling of a URL, no DNS answer and no redirect can get around it: literal hosts before the socket, names inside the
 * lookup (whose checked answers are the ones connected to), and the peer's address once more afterwards.
 */
import { lookup as dnsLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import { HubError } from '../errors.ts'
import type { AddressPolicy } from './addresses.ts'

/** One answer of name resolution. */
export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Resolves a host name to every address it has; rejects when there is none. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>

/** The system's resolver (hosts file included). Concurrent questions for one name share one answer. */
export function systemResolve(): Resolve {
  const running = new Map<string, Promise<readonly ResolvedAddress[]>>()
  return (hostname) => {
    const known = running.get(hostname)
    if (known !== undefined) return known
    const asked = new Promise<readonly ResolvedAddress[]>((resolve, reject) => {
      dnsLookup(hostname, { all: true, order: 'verbatim' }, (error, answers) => {
        running.delete(hostname)
        if (error === null) resolve(answers as readonly ResolvedAddress[])
        else reject(error)
      })
    })
    running.set(hostname, asked)
    return asked
  }
}

export interface GuardOptions {
  readonly policy: AddressPolicy
  readonly resolve: Resolve
  readonly connectTimeoutMs: number
  /** What opens the socket once host or lookup are checked; a parameter for the tests of the last check. */
  readonly base?: (lookup: LookupFunction, port: number) => buildConnector.connector
}

/** An undici connector that refuses with `http_refused_address`. */
export function guardConnector(options: GuardOptions): buildConnector.connector {
  const { policy } = options
  const byPort = new Map<number, buildConnector.connector>()
  const base = options.base ?? ((lookup) => tcpConnector(lookup, options.connectTimeoutMs))
  return (target, callback) => {
    const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80)
    const literal = bareHost(target.hostname)
    const why = isIP(literal) === 0 ? null : policy.refusal(literal, port)
    if (why !== null) return callback(refusedAddress(literal, why), null)
    let connect = byPort.get(port)
    if (connect === undefined) {
      connect = base(guardedLookup(options, port), port)
      byPort.set(port, connect)
    }
    connect(target, (...result) => {
      if (result[0] !== null) return callback(result[0], null)
      const socket = result[1]
      const peer = socket.remoteAddress ?? 'an unknown address'
      const late = policy.refusal(peer, port)
      if (late === null) return callback(null, socket)
      socket.destroy()
      callback(refusedAddress(target.hostname, late), null)
    })
  }
}

/** Every address of the host with what the policy says to it; throws when the name does not resolve. */
export async function checkHost(
  options: Pick<GuardOptions, 'policy' | 'resolve'>,
  host: string,
  port: number,
): Promise<HubError | null> {
  const literal = bareHost(host)
  const addresses = isIP(literal) === 0 ? await options.resolve(literal) : [{ address: literal }]
  return refusalOf(options.policy, { host: literal, addresses, port })
}

function tcpConnector(lookup: LookupFunction, timeoutMs: number): buildConnector.connector {
  return buildConnector({ lookup, timeout: timeoutMs, allowH2: false, maxCachedSessions: 100 })
}

/** Hands the socket exactly the answers that were checked; one bad answer among good ones refuses them all. */
export function guardedLookup(options: Pick<GuardOptions, 'policy' | 'resolve'>, port: number): LookupFunction {
  return (hostname, lookup, callback) => {
    options.resolve(hostname).then(
      (addresses) => {
        const refused = refusalOf(options.policy, { host: hostname, addresses, port })
        if (refused !== null) return callback(refused, '', 0)
        const first = addresses[0] as ResolvedAddress
        if (lookup.all === true)
          callback(
            null,
            addresses.map(({ address, family }) => ({ address, family })),
          )
        else callback(null, first.address, first.family)
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), '', 0),
    )
  }
}

function refusalOf(
  policy: AddressPolicy,
  asked: { host: string; addresses: readonly { readonly address: string }[]; port: number },
): HubError | null {
  if (asked.addresses.length === 0) return new HubError('http_dns', `${asked.host} has no address.`)
  for (const { address } of asked.addresses) {
    const why = policy.refusal(address, asked.port)
    if (why !== null) return refusedAddress(asked.host, why)
  }
  return null
}

export function refusedAddress(host: string, why: string): HubError {
  return new HubError(
    'http_refused_address',
    `The hub does not send to ${host}: ${why}. If it is meant, list its network in network.allow of manifold.yaml.`,
  )
}

const bareHost = (host: string): string => (host.startsWith('[') ? host.slice(1, -1) : host)
