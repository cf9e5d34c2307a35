/** Who is at the other end: the client's address, believed through listed proxies only, and the bucket it counts in. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number]

/** Finds addresses. */
export interface AddressBook {
  /** The sender's address in normal form; `unknown` when the socket is gone. */
  clientOf(incoming: IncomingMessage): string
  /**
   * True when nobody stands between, the caller is this machine or a private network, and the hub was asked for by
   * address: a web page whose name was pointed here says its name.
   */
  isLocal(incoming: IncomingMessage): boolean
}

const IPV6_BUCKET_BITS = 64
const IPV4_TEXT = /^\d{1,3}(?:\.\d{1,3}){3}$/
const MAPPED_PREFIX = '::ffff:'
/** Headers of those who pass a request on. */
const BETWEEN = /^(?:via|forwarded|x-real-ip|x-forwarded-.+)$/
const LOCAL_RANGES: ReadonlySet<string> = new Set(['loopback', 'private', 'uniqueLocal', 'linkLocal'])

/** `trustedProxies` are CIDRs or single addresses; anything else throws. */
export function openAddressBook(trustedProxies: readonly string[]): AddressBook {
  const trusted = trustedProxies.map(toRange)
  const clientOf = (incoming: IncomingMessage): string => {
    const other = behalfIn(incoming)
    if (other !== null) return other
    const peer = normal(incoming.socket.remoteAddress)
    const forwarded = incoming.headers['x-forwarded-for']
    if (trusted.length === 0 || forwarded === undefined || !within(peer, trusted)) return peer
    // The nearest hop is last. Walk back while the hop is one of ours; the first stranger is the client.
    const hops = String(forwarded)
      .split(',')
      .map((hop) => normal(withoutPort(hop.trim())))
    for (const hop of hops.toReversed()) {
      if (hop === UNKNOWN) return peer
      if (!within(hop, trusted)) return hop
    }
    return hops[0] ?? peer
  }
  return {
    clientOf,
    isLocal: (incoming) => {
      const { headers, socket } = incoming
      if (Object.keys(headers).some((name) => BETWEEN.test(name)) || !namesAddress(headers.host)) return false
      const address = normal(socket.remoteAddress)
      return address !== UNKNOWN && LOCAL_RANGES.has(ipaddr.parse(address).range())
    },
  }
}

const BEHALF = 'x-manifold-on-behalf-of'
/** This process alone knows it, and asks nobody but itself with it. */
const OURS = randomBytes(32)

/** Headers with which the hub asks itself for somebody else, so that what they do wrong is counted as theirs. */
export const onBehalfOf = (address: string): Readonly<Record<string, string>> => ({
  [BEHALF]: `${OURS.toString('base64url')} ${address}`,
})

function behalfIn({ headers }: IncomingMessage): string | null {
  const [shown = '', address = ''] = String(headers[BEHALF] ?? '').split(' ')
  const bytes = Buffer.from(shown, 'base64url')
  return bytes.length === OURS.length && timingSafeEqual(bytes, OURS) ? address : null
}

/** What an address counts as for rate limits: itself, or its /64 for IPv6, since a single subscriber has all of that. */
export function bucketOf(address: string): string {
  if (!address.includes(':')) return address
  const bytes = (ipaddr.parse(address) as ipaddr.IPv6).toByteArray()
  return bytes
    .slice(0, IPV6_BUCKET_BITS / 8)
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
}

const UNKNOWN = 'unknown'

/** IPv4-mapped IPv6 becomes IPv4, zone ids go; the common case is decided by text alone. */
function normal(address: string | undefined): string {
  if (address === undefined) return UNKNOWN
  const text = address.startsWith(MAPPED_PREFIX) ? address.slice(MAPPED_PREFIX.length) : address
  if (IPV4_TEXT.test(text)) return isIP(text) === 4 ? text : UNKNOWN
  if (isIP(address) === 0) return UNKNOWN
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv6) return ipaddr.fromByteArray(parsed.toByteArray()).toString()
  return parsed.toString()
}

/** Is this Host header an IP address or `localhost`? */
function namesAddress(host: string | undefined): boolean {
  if (host === undefined) return false
  const name = withoutPort(host.replace(/^localhost:\d+$/i, 'localhost'))
  return name.toLowerCase() === 'localhost' || isIP(name) !== 0
}

/** `[2001:db8::1]:443` and `192.0.2.1:443` without their port. */
function withoutPort(hop: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1]
  return bracketed ?? (/^\d+(?:\.\d+){3}:\d+$/.test(hop) ? hop.slice(0, hop.indexOf(':')) : hop)
}

function toRange(text: string): Range {
  if (text.includes('/')) return ipaddr.parseCIDR(text)
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

function within(address: string, ranges: readonly Range[]): boolean {
  if (address === UNKNOWN || ranges.length === 0) return false
  const parsed = ipaddr.parse(address)
  return ranges.some(([range, bits]) => parsed.kind() === range.kind() && parsed.match(range, bits))
}
