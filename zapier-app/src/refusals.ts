/** What the hub refuses, in words for people who see no request: by the labels of the step and its questions, each thing once. */
import type { HttpResponse, ZObject } from 'zapier-platform-core'
import type { HubField } from './hub.ts'

/** What a call is about, so that a refusal can name it. */
export interface About {
  /** That what the call names is not there. */
  readonly missing?: string
  /** Every hub has it: where it is missing, there is none. */
  readonly isOfEveryHub?: boolean
  /** Labels of the step's inputs, by the hub's name for each. */
  readonly names?: Readonly<Record<string, string>>
  /** Of the form that is answered. */
  readonly questions?: readonly HubField[]
}

interface Problem {
  readonly detail: string
  readonly code?: string
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[]
}

export const NO_FORM = 'The form that is chosen in this step is not in the hub any more. Choose a form again.'
export const NO_RESPONSE = 'There is no such response in the hub: it was deleted, or the key is not whole.'

const BAD_KEY =
  'The hub does not accept the API key of this connection: it was revoked, has expired, or was not copied whole. Make a key in the hub and connect Manifold again with it.'
const NOT_SET_UP =
  'The hub is not set up for Zapier yet. Ask whoever runs it to switch it on (step 1 of the guide); this is for them:'
const NO_WAY_BACK =
  'The hub cannot send to Zapier: it does not find the address that Zapier gave it. Whoever runs the hub has to let it reach hooks.zapier.com.'

/**
 * The error for an answer that is no success. 401 pauses every Zap of the connection and writes to its owner; 403 is an error of this
 * step alone, since others need other scopes; 429 waits as asked; 404, 409 and 412 stop this run softly; the rest is tried again by Zapier.
 */
export function refusalOf(z: ZObject, response: HttpResponse, about: About): Error {
  const { status } = response
  const problem = problemOf(response.content)
  if (problem === null && IN_FRONT.has(status)) return inFront(z, response)
  if (status === 401) return plain(new z.errors.ExpiredAuthError(BAD_KEY))
  if (status === 403) return new z.errors.Error(lackOf(problem?.detail ?? ''), 'forbidden', status)
  if (status === 413) return new z.errors.Error(tooLarge(problem?.detail ?? ''), 'too_large', status)
  if (status === 429) {
    const seconds = secondsIn(response.getHeader('retry-after'))
    return new z.errors.ThrottledError(
      `The hub has more requests than it takes now. It is asked again in ${seconds} seconds.`,
      seconds,
    )
  }
  if (status >= 500)
    return new z.errors.Error(
      `The hub is out of order at the moment (${status}). Try again in a minute; if it stays so, tell whoever runs it.`,
      'hub_error',
      status,
    )
  if (problem === null || (status === 404 && about.isOfEveryHub === true)) return noHub(z, response)
  if (status === 409 && problem.detail.startsWith('Nobody would send'))
    return plain(new z.errors.HaltedError(`${NOT_SET_UP}\n${problem.detail}`))
  if (status === 404 || status === 409 || status === 412)
    return plain(new z.errors.HaltedError(status === 404 ? (about.missing ?? problem.detail) : problem.detail))
  return new z.errors.Error(wrongIn(problem, about), problem.code ?? 'hub_error', status)
}

/** The platform would write the request below, and the words a second time. */
const plain = (error: Error): Error => Object.assign(error, { doNotContextify: true })

/** With these a firewall, a login or a limit answers in the place of a hub: no word of the hub's key. */
const IN_FRONT = new Set([401, 403, 407, 429])

function inFront(z: ZObject, response: HttpResponse): Error {
  const { status, request } = response
  const host = URL.parse(request.url ?? '')?.host ?? 'the hub'
  if (status === 429) {
    const seconds = secondsIn(response.getHeader('retry-after'))
    return new z.errors.ThrottledError(
      `Something in front of the hub at ${host} has more requests than it takes now. It is asked again in ${seconds} seconds.`,
      seconds,
    )
  }
  return new z.errors.Error(
    `Something in front of the hub at ${host} (a firewall or a login) refused the request (it says ${status}); the hub itself was not asked. Whoever runs it has to let Zapier through to /api/v2.`,
    'in_front',
    status,
  )
}

/** What answers speaks another language. */
export function noHub(z: ZObject, { status, request }: HttpResponse): Error {
  const url = URL.parse(request.url ?? '')
  const base = url?.pathname.replace(/\/api\/v2\/.*$/, '') ?? ''
  const hint = base === '' ? '' : ` Try ${url?.origin}, without "${base}".`
  return new z.errors.Error(
    `What answers at ${url?.host ?? 'this address'}${base} is not a Manifold hub (it says ${status}). Check the address of the connection.${hint}`,
    'base_url',
    status,
  )
}

/** The hub lets this key not do that. */
export function isRefused({ name, message }: Error): boolean {
  if (name === 'ExpiredAuthError') return true
  if (name !== 'AppError') return false
  const { code, status } = JSON.parse(message) as { readonly code?: string; readonly status?: number }
  return status === 403 && code !== 'in_front'
}

/** Null: it is not the hub that speaks. */
function problemOf(content: string): Problem | null {
  try {
    const problem: unknown = JSON.parse(content)
    return typeof (problem as Problem | null)?.detail === 'string' ? (problem as Problem) : null
  } catch {
    return null
  }
}

/** Bytes mean nothing to people. */
function tooLarge(detail: string): string {
  const bytes = Number(/(\d{4,})/.exec(detail)?.[1] ?? Number.NaN)
  const most = bytes >= MIB ? `${Number((bytes / MIB).toFixed(1))} MB` : `${Math.round(bytes / 1024)} KB`
  const size = Number.isNaN(bytes) ? '' : `: it takes ${most} at most`
  return `What this step sends is more than the hub takes at once${size}. Shorten the longest of them.`
}

const MIB = 1_048_576

function lackOf(detail: string): string {
  const scopes = [...detail.matchAll(/"?([a-z]+:(?:read|write)|admin)"?/g)].map(([, scope]) => scope)
  const what = scopes.length === 0 ? 'a right for this' : scopes.join(' and ')
  return `The API key of this connection may not do this: it lacks ${what}. Connect Manifold with a key that has it.`
}

/** A sentence for each thing that is wrong; the hub's own where it names nothing of the step. */
function wrongIn({ detail, errors = [] }: Problem, { names = {}, questions = [] }: About): string {
  const lines = errors.flatMap((error): string[] => {
    const place = error.pointer.slice(1)
    if (place === 'form_id' || place === 'form') return [NO_FORM]
    if (place === 'target_url') return [NO_WAY_BACK]
    const name = names[place]
    if (name !== undefined) return [`"${name}" ${error.detail}.`]
    const key = unescaped(place.replace(/^data\//, ''))
    const question = questions.find((each) => each.key === key)
    return question === undefined ? [] : [`"${question.label}" ${wanted(question, error.detail)}.`]
  })
  return lines.length === 0 ? detail : [...new Set(lines)].join('\n')
}

const unescaped = (part: string): string => part.replaceAll('~1', '/').replaceAll('~0', '~')

const KINDS: Readonly<Record<string, string>> = {
  boolean: 'has to be yes or no',
  date: 'has to be a date such as 2026-03-01',
  datetime: 'has to be a date and time such as 2026-03-01T10:00:00Z',
  file: 'has to be a link to a file, beginning with https://',
}
const OPTIONS_TOLD_MAX = 20

/** In place of the hub's words, which are for programs. Bounds it tells well. */
function wanted({ type, options = [] }: HubField, detail: string): string {
  if (detail === 'is required') return 'has to be answered'
  if (options.length > 0) return `has to be ${type === 'multi_select' ? 'some' : 'one'} of: ${told(options)}`
  if (type === 'number' && detail.startsWith('must be a number')) return 'has to be a number'
  return KINDS[type] ?? detail
}

function told(options: readonly { readonly label: string }[]): string {
  const labels = options.slice(0, OPTIONS_TOLD_MAX).map(({ label }) => label)
  return options.length > labels.length ? `${labels.join(', ')} …` : labels.join(', ')
}

const SECONDS_DEFAULT = 60

const secondsIn = (header: string | undefined): number =>
  header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : SECONDS_DEFAULT
