/** Turns what a plugin handed to `ctx.http` into a request that can be sent: method, headers and body, checked one by one. */
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import pkg from '../../package.json' with { type: 'json' }
import { MASKED } from '../model.ts'
import { unseal, type Unsealed, type UnsealInput } from './sealed.ts'
import type { KeyRing } from './signing.ts'

export const USER_AGENT = `Manifold/${pkg.version}`

/** Belong to the connection or to the hub; a plugin that could set them could smuggle a second request. */
const RESERVED_HEADERS = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** RFC 9110 section 5.5: visible Latin-1, space and tab; no line ends, nothing that would be cut to a line end. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

const HEADERS_MAX = 100

/** Upper-cased; `GET` when absent. */
export function methodOf(value: Json | undefined): string {
  if (value === undefined || value === null) return 'GET'
  if (typeof value !== 'string' || !TOKEN.test(value)) throw wrong('http: method has to be a word such as "POST".')
  return value.toUpperCase()
}

export interface RequestBody {
  /** As it may be shown: secrets are left out. */
  readonly text: string | null
  readonly bytes: Buffer | null
  /** What it is, when no header says otherwise. */
  readonly contentType: string | null
}

const NO_BODY: RequestBody = { text: null, bytes: null, contentType: null }
const FORM_FIELDS_MAX = 1_000

/** `body` as it is, `json` as text, or `form` encoded. The bytes made here are the ones signed and sent. */
export function bodyOf(request: { readonly [key: string]: Json }, keys: KeyRing): RequestBody {
  const { body, json, form } = request
  const given = [body, form].filter((part) => part !== undefined && part !== null).length + (json === undefined ? 0 : 1)
  if (given > 1) throw wrong('http: give one of body, json and form.')
  if (json !== undefined) {
    const text = JSON.stringify(json)
    return { text, bytes: Buffer.from(text), contentType: 'application/json' }
  }
  if (form !== undefined && form !== null) {
    const fields = formFields('http', form)
    return formBody(
      fields.map(([name, value]) => [name, unseal(value, `http: the field "${name}"`, { keys, body: null })]),
    )
  }
  if (body === undefined || body === null) return NO_BODY
  if (typeof body !== 'string') throw wrong('http: body has to be text; use json for anything else.')
  return { text: body, bytes: Buffer.from(body), contentType: null }
}

/** Names and values of a form from the guest. */
export function formFields(capability: string, form: Json | undefined): readonly (readonly [string, Json])[] {
  if (typeof form !== 'object' || form === null || Array.isArray(form))
    throw wrong(`${capability}: form has to be an object.`)
  const fields = Object.entries(form)
  if (fields.length > FORM_FIELDS_MAX)
    throw new HubError('capability_limit', `${capability}: more than ${FORM_FIELDS_MAX} fields in a form.`)
  return fields
}

/** `application/x-www-form-urlencoded` (WHATWG URL section 5). */
export function formBody(fields: readonly (readonly [string, Unsealed])[]): RequestBody {
  const encoded = (part: keyof Unsealed): string =>
    new URLSearchParams(fields.map(([name, value]): [string, string] => [name, value[part]])).toString()
  const contentType = 'application/x-www-form-urlencoded'
  return { text: decodeMasks(encoded('shown')), bytes: Buffer.from(encoded('real')), contentType }
}

/** `[secret]` is for people. */
const decodeMasks = (text: string): string => text.replaceAll(encodeURIComponent(MASKED), MASKED)

export interface RequestHeaders {
  /** Name, value, name, value …; the values with secrets filled in. */
  readonly flat: string[]
  /** The same with secrets left out. */
  readonly shown: string[]
}

export interface HeadersOptions {
  readonly input: UnsealInput
  /** Added when no header says otherwise. */
  readonly contentType: string | null
  readonly bytesMax: number
}

/** Names keep their case. Throws `capability_input` for a reserved, repeated or malformed header. */
export function headersOf(value: Json | undefined, options: HeadersOptions): RequestHeaders {
  const flat: string[] = ['accept-encoding', 'identity']
  const shown: string[] = ['accept-encoding', 'identity']
  const seen = new Set<string>()
  let bytes = 0
  for (const [name, sealed] of headerEntries(value)) {
    const lower = name.toLowerCase()
    if (!TOKEN.test(name)) throw wrong('http: a header name has characters that are not allowed.')
    if (RESERVED_HEADERS.has(lower)) throw wrong(`http: the header "${name}" is set by the hub and cannot be given.`)
    if (seen.has(lower)) throw wrong(`http: the header "${name}" is given twice.`)
    seen.add(lower)
    const text = unseal(sealed, `http: the header "${name}"`, options.input)
    if (!HEADER_VALUE.test(text.real)) {
      throw wrong(`http: the header "${name}" has a line end, a control character or a character outside Latin-1.`)
    }
    bytes += name.length + text.real.length + 4
    flat.push(name, text.real)
    shown.push(name, text.shown)
  }
  if (bytes > options.bytesMax) {
    throw new HubError('capability_limit', `http: the headers have ${bytes} bytes; the limit is ${options.bytesMax}.`)
  }
  if (options.contentType !== null && !seen.has('content-type')) addBoth('content-type', options.contentType)
  if (!seen.has('user-agent')) addBoth('user-agent', USER_AGENT)
  return { flat, shown }

  function addBoth(name: string, text: string): void {
    flat.push(name, text)
    shown.push(name, text)
  }
}

function headerEntries(value: Json | undefined): readonly (readonly [string, Json])[] {
  if (value === undefined || value === null) return []
  if (typeof value !== 'object' || Array.isArray(value)) throw wrong('http: headers have to be an object.')
  const entries = Object.entries(value)
  if (entries.length > HEADERS_MAX) throw new HubError('capability_limit', `http: more than ${HEADERS_MAX} headers.`)
  return entries
}

const wrong = (message: string): HubError => new HubError('capability_input', message)
