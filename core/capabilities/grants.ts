/** Which hosts and methods an installation may use. Hosts are compared as parsed URLs, never as text. Pure. */
import { HubError } from '../errors.ts'
import type { HttpGrant } from '../registry/installation.ts'

/** What a request of this method to this URL is told: null when it is granted. */
export type HttpAllowance = (method: string, url: URL) => HubError | null

interface HostRule {
  /** `*.example.com` matches every host below example.com, but not example.com itself. */
  readonly below: boolean
  readonly hostname: string
  /** As typed; `''` is the scheme's own. */
  readonly port: string
}

/**
 * Compiles a grant. Entries are `host`, `host:port` or `*.host`; one without a port means the scheme's own (443 or 80).
 * An entry that is no host grants nothing.
 */
export function httpAllowance(grant: HttpGrant): HttpAllowance {
  const rules = grant.hosts.map(hostRule).filter((rule) => rule !== null)
  const exact = new Set(rules.filter((rule) => !rule.below).map((rule) => `${rule.hostname}|${rule.port}`))
  const wild = rules.filter((rule) => rule.below)
  const methods = new Set(grant.methods)
  return (method, url) => {
    if (!methods.has(method)) return denied(`the method ${method}`, 'permissions.http.methods')
    const hostname = withoutDot(url.hostname)
    const port = url.port === '' ? OWN_PORTS[url.protocol] : url.port
    if (exact.has(`${hostname}|${port}`) || (url.port === '' && exact.has(`${hostname}|`))) return null
    for (const rule of wild) {
      const samePort = rule.port === port || (rule.port === '' && url.port === '')
      if (samePort && hostname.endsWith(`.${rule.hostname}`)) return null
    }
    return denied(`requests to the host ${url.host}`, 'permissions.http.hosts')
  }
}

function hostRule(entry: string): HostRule | null {
  const below = entry.startsWith('*.')
  const text = below ? entry.slice(2) : entry
  // Parsed under both schemes, because each drops its own port and a typed-out ":443" or ":80" has to count.
  const https = URL.parse(`https://${text}/`)
  const http = URL.parse(`http://${text}/`)
  if (https === null || http === null || https.hostname === '' || https.hostname.includes('*')) return null
  if (https.username !== '' || https.pathname !== '/' || https.search !== '' || https.hash !== '') return null
  return { below, hostname: withoutDot(https.hostname), port: https.port === '' ? http.port : https.port }
}

const OWN_PORTS: Readonly<Record<string, string>> = { 'https:': '443', 'http:': '80' }

const withoutDot = (hostname: string): string => (hostname.endsWith('.') ? hostname.slice(0, -1) : hostname)

const denied = (what: string, where: string): HubError =>
  new HubError('capability_denied', `The manifest does not grant ${what}; ${where} lists what it does.`)
