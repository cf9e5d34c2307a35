/** Which network addresses an outgoing request may reach: global unicast only, plus what the admin allows. Pure. */
import ipaddr from 'ipaddr.js'
import { HubError } from '../errors.ts'

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Range = readonly [Address, number]

/** IPv4 that is not the open internet (IANA special-purpose registry), and what clouds hide behind a public number. */
const REFUSED_V4 = ranges([
  '0.0.0.0/8', // this network; Linux connects it to loopback
  '10.0.0.0/8',
  '100.64.0.0/10', // carrier-grade NAT; Alibaba's metadata service lives here
  '127.0.0.0/8',
  '168.63.129.16/32', // Azure's host agent, reachable from inside only
  '169.254.0.0/16', // link-local; the metadata service of most clouds
  '172.16.0.0/12',
  '192.0.0.0/24', // protocol assignments; Oracle's metadata service
  '192.0.2.0/24',
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16',
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
])

/** The only IPv6 that is routed globally. Everything outside it (loopback, ULA, link-local, NAT64 …) is refused. */
const GLOBAL_V6 = ranges(['2000::/3'])

const REFUSED_V6 = ranges([
  '2001::/23', // protocol assignments: Teredo, ORCHID, benchmarking
  '2001:db8::/32',
  '2002::/16', // 6to4 carries an IPv4 address inside
  '3fff::/20',
])

/** Ports below 1024 that requests may use; any higher port is free, since webhook receivers often live there. */
const SYSTEM_PORTS = new Set([80, 443])
const SYSTEM_PORT_MAX = 1023

/**
 * Says whether one address and port may be reached. Addresses of the allow-list may be reached on any port: the admin
 * named them. Elsewhere ports below 1024 other than 80 and 443 are refused, because those are where a text protocol
 * (SMTP, FTP, POP3 …) could be talked into something by an HTTP request; a webhook receiver has no reason to be there.
 */
export interface AddressPolicy {
  /** Why not, or null when it may be reached. */
  refusal(address: string, port: number): string | null
}

/**
 * Builds the policy; throws `config_invalid` naming the entry of `allow` that is no CIDR or address. `anyPort`: for a server
 * that speaks another protocol, and that the admin names.
 */
export function addressPolicy(allow: readonly string[], { anyPort = false } = {}): AddressPolicy {
  const allowed = allow.map(allowedRange)
  return {
    refusal(text, port) {
      const address = parseAddress(text)
      if (address === null) return `${text} is not an address the hub understands`
      if (matches(allowed, address)) return null
      if (!isGlobal(address)) return `${text} is a private or special address`
      if (anyPort || port > SYSTEM_PORT_MAX || SYSTEM_PORTS.has(port)) return null
      return `port ${port} is reserved for other protocols (80, 443 and ports from 1024 are open)`
    },
  }
}

/** Parses an address as sockets and resolvers print it; an IPv4-mapped IPv6 address is its IPv4 address. */
function parseAddress(text: string): Address | null {
  const bare = text.split('%', 1)[0] as string
  if (!ipaddr.isValid(bare)) return null
  return ipaddr.process(bare)
}

function isGlobal(address: Address): boolean {
  if (address.kind() === 'ipv4') return !matches(REFUSED_V4, address)
  return matches(GLOBAL_V6, address) && !matches(REFUSED_V6, address)
}

function matches(list: readonly Range[], address: Address): boolean {
  for (const [range, bits] of list) {
    if (range.kind() === address.kind() && address.match(range, bits)) return true
  }
  return false
}

function ranges(cidrs: readonly string[]): readonly Range[] {
  return cidrs.map((cidr) => ipaddr.parseCIDR(cidr))
}

function allowedRange(entry: string): Range {
  const cidr = entry.includes('/') ? entry : `${entry}/${entry.includes(':') ? 128 : 32}`
  try {
    const [address, bits] = ipaddr.parseCIDR(cidr)
    if (address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress() && bits >= 96) {
      return [(address as ipaddr.IPv6).toIPv4Address(), bits - 96]
    }
    return [address, bits]
  } catch (cause) {
    throw new HubError('config_invalid', `network.allow: "${entry}" is not a CIDR such as "10.0.0.0/8".`, { cause })
  }
}
