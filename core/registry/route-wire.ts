/** What a plugin's route gets to see of a request, and which of its answer's headers may leave. */
import type { Json, RouteRequest } from '../contract/index.ts'
import type { RouteArrival } from '../delivery/ports.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Manifest } from './manifest.ts'
import type { RouteMatch } from './route-match.ts'

/** A request at the door of an installation, as JSON: it may have to cross to the process that runs it. */
export interface ArrivedRequest extends Pick<RouteRequest, 'method' | 'path' | 'query' | 'headers'> {
  /** The exact bytes of the body, in base64. */
  readonly bytes: string
  /** Absent: none. */
  readonly scopes?: readonly string[]
}

/** Headers a plugin may set; everything else is the hub's business. */
const ALLOWED: ReadonlySet<string> = new Set([
  'content-type',
  'cache-control',
  'location',
  'retry-after',
  'etag',
  'last-modified',
  'vary',
  'server-timing',
  'www-authenticate',
])
/** Never cookies of the hub's own pages or what concerns the connection alone. */
const HIDDEN: ReadonlySet<string> = new Set([
  'cookie',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'expect',
])
/** What a header may be made of; Node refuses to send anything else. */
const HEADER_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

/** Lower-case names, without those that are none of a plugin's business. */
export function seenHeaders(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  const seen: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase()
    if (value !== undefined && !HIDDEN.has(name)) seen[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return seen
}

/** Lower-case names; those that a plugin may not set are left out. Throws `plugin_invalid_result` for what cannot be sent. */
export function leavingHeaders(headers: { readonly [name: string]: string } = {}): Record<string, string> {
  const leaving: Record<string, string> = {}
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase()
    if (!ALLOWED.has(name) || /[\r\n\0]/.test(String(value))) continue
    if (!HEADER_TEXT.test(String(value)))
      throw new HubError(
        'plugin_invalid_result',
        `The plugin answered characters that the header ${given} cannot carry.`,
      )
    leaving[name] = String(value)
  }
  return leaving
}

const FORM_TYPES = /^(?:application\/x-www-form-urlencoded|multipart\/form-data)(?:;|$)/i
const FILE_NAME_CHARS_MAX = 255

type FormInput = string | { readonly name: string; readonly type: string; readonly size: number }

export interface SeenInput {
  readonly request: ArrivedRequest
  readonly route: RouteMatch
  readonly arrival: RouteArrival
  readonly body: Manifest['routes'][string]['body']
  readonly mask: (text: string) => string
  readonly limits: Pick<Limits, 'multipartPartsMax'>
}

/** The request as the plugin sees it, without its secrets, but where it asked for the exact bytes of the body. Throws `unsupported_media_type`, `bad_request`, `too_many_keys`. */
export async function seenRequest({ request, route, arrival, body, mask, limits }: SeenInput): Promise<RouteRequest> {
  const masked = (texts: { readonly [name: string]: string }): { [name: string]: string } =>
    Object.fromEntries(Object.entries(texts).map(([name, text]) => [mask(name), mask(text)]))
  const { bytes } = arrival
  const inputs = body === 'form' ? await readForm(bytes, request.headers['content-type'] ?? '', limits) : []
  return {
    method: request.method,
    path: mask(request.path),
    params: masked(route.params),
    query: masked(request.query),
    headers: masked(request.headers),
    // Bytes are what they are: with other ones there would be no reading them.
    body: body === 'form' ? '' : body === 'base64' ? request.bytes : mask(bytes.toString('utf8')),
    form: inputs.map(([name, value]) => [mask(name), maskedInput(value, mask)]),
    scopes: request.scopes ?? [],
  }
}

const maskedInput = (value: FormInput, mask: SeenInput['mask']): Json =>
  typeof value === 'string' ? mask(value) : { ...value, name: mask(value.name), type: mask(value.type) }

/** Of a file only what is known about it; its bytes are kept nowhere. */
async function readForm(
  bytes: Buffer,
  type: string,
  { multipartPartsMax }: Pick<Limits, 'multipartPartsMax'>,
): Promise<readonly (readonly [string, FormInput])[]> {
  if (!FORM_TYPES.test(type))
    throw new HubError(
      'unsupported_media_type',
      'Send this as application/x-www-form-urlencoded or multipart/form-data.',
    )
  const inputs: (readonly [string, FormInput])[] = []
  const read = await new Response(bytes, { headers: { 'content-type': type } }).formData().catch((error: unknown) => {
    throw new HubError('bad_request', 'The form in the body is not well formed.', { cause: error })
  })
  for (const [name, value] of read) {
    if (inputs.length === multipartPartsMax)
      throw new HubError('too_many_keys', `A form may send at most ${multipartPartsMax} inputs.`)
    inputs.push([
      name,
      typeof value === 'string'
        ? value
        : { name: value.name.slice(0, FILE_NAME_CHARS_MAX), type: value.type, size: value.size },
    ])
  }
  return inputs
}
