/**
 * The dashboard's one way to know or change anything: the hub's own API, asked over a socket of this machine with the key of
 * whoever looks. So a page can show and do what that key can, and nothing is decided twice.
 */
import { Agent, request as send } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { keepRecent, recentAnswer } from './recent.ts'

/** What the API refused, in its own words (RFC 9457). */
export class ApiProblem extends Error {
  readonly status: number
  readonly code: string
  readonly requestId: string
  readonly problems: readonly { readonly pointer: string; readonly detail: string }[]
  readonly retryAfterSeconds: number | null
  constructor(status: number, body: ProblemBody, retryAfter?: string) {
    super(body.detail ?? body.title ?? `The hub answered ${status}.`)
    this.name = 'ApiProblem'
    this.status = status
    this.code = body.code ?? 'unknown'
    this.requestId = body.instance ?? ''
    this.problems = body.errors ?? []
    this.retryAfterSeconds = retryAfter === undefined ? null : Number(retryAfter)
  }
  /** With what is wrong at each place, for where there is room for a sentence alone. */
  get whole(): string {
    return [this.message, ...this.problems.map(({ pointer, detail }) => `${pointer} ${detail}`)].join(' ')
  }
}

interface ProblemBody {
  readonly title?: string
  readonly detail?: string
  readonly code?: string
  readonly instance?: string
  readonly errors?: ApiProblem['problems']
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** Query parameters; those without a value are left out. */
export type Query = Readonly<Record<string, string | number | null | undefined>>

/** A list's page. */
export interface Page<Row> {
  readonly items: readonly Row[]
  readonly next_cursor: string | null
}

/** Where the hub listens: an end of the very connection the browser came by. */
export interface Place {
  readonly host: string
  readonly port: number
  /** Headers that say for which visitor the API is asked. */
  readonly behalf: Readonly<Record<string, string>>
}

/** The API as one visitor may use it. Everything rejects with an `ApiProblem`. */
export interface Api {
  get<Body>(path: string, query?: Query): Promise<Body>
  /** The same of the whole workspace, for all who may see it: what was answered within the last second will do. */
  recent<Body>(workspace: string, path: string): Promise<Body>
  /** What is answered with whatever status, where a refusal's body is what one wants to know. */
  look(path: string): Promise<unknown>
  send<Body>(method: Exclude<Method, 'GET'>, path: string, body?: unknown): Promise<Body>
  /** A page of the API, as it comes. */
  relay(method: 'POST', path: string, body: unknown): Promise<Response>
  /** An answer as it comes, such as a stream that does not end. */
  open(path: string, query: Query, headers: Readonly<Record<string, string>>): Promise<IncomingMessage>
  /** What was asked so far, as a page may show it: method and path. */
  readonly asked: readonly string[]
}

const TIMEOUT_MS = 30_000
const ANSWER_BYTES_MAX = 32 * 1_048_576

/** Connections of all visitors; idle ones are closed before the hub closes them. */
const agent = new Agent({ keepAlive: true, keepAliveMsecs: 1_000, maxSockets: 64, timeout: 60_000 })

/** The API for whoever shows this token; null: nobody in particular. */
export function openApi({ behalf, ...place }: Place, token: string | null): Api {
  const asked: string[] = []
  const ask = (
    method: Method,
    path: string,
    more: { body?: unknown; headers?: Readonly<Record<string, string>>; endless?: true },
  ) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      asked.push(`${method} ${path}`)
      const text = more.body === undefined ? null : JSON.stringify(more.body)
      const headers = {
        ...behalf,
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(text === null
          ? { 'content-length': 0 }
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        ...more.headers,
      }
      // A stream that does not end has a connection of its own.
      const request = send({ ...place, method, path, headers, agent: more.endless === true ? false : agent }, resolve)
      if (more.endless !== true)
        request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error('The hub did not answer in time.')))
      request.on('error', reject)
      request.end(text ?? undefined)
    })
  const read = async <Body>(answer: IncomingMessage): Promise<Body> => {
    const text = await textOf(answer)
    const status = answer.statusCode ?? 0
    if (status < 400) return (text === '' ? null : jsonOr(text)) as Body
    throw problemOf(answer, text)
  }
  const get = async <Body>(path: string, query: Query = {}): Promise<Body> =>
    read(await ask('GET', withQuery(path, query), {}))
  return {
    asked,
    get,
    recent: async <Body>(workspace: string, path: string) => {
      const name = `${place.host}:${place.port} ${workspace} ${path}`
      const known = recentAnswer(name)
      if (known === null) return keepRecent(name, get<Body>(path))
      asked.push(`GET ${path}`)
      // Whoever asked may have been refused what this one is not.
      return known.catch(() => get<Body>(path)) as Promise<Body>
    },
    look: async (path) => jsonOr(await textOf(await ask('GET', path, {}))),
    send: async (method, path, body) => read(await ask(method, path, { body })),
    relay: async (method, path, body) => {
      const answer = await ask(method, path, { body })
      const text = await textOf(answer)
      const status = answer.statusCode ?? 0
      if (status >= 400) throw problemOf(answer, text)
      const headers = new Headers()
      for (const name of RELAYED) {
        const value = answer.headers[name]
        if (typeof value === 'string') headers.set(name, value)
      }
      return new Response(text, { status, headers })
    },
    open: async (path, query, headers) => {
      const answer = await ask('GET', withQuery(path, query), { headers, endless: true })
      if ((answer.statusCode ?? 0) < 400) return answer
      throw problemOf(answer, await textOf(answer))
    },
  }
}

/** What a page says of itself. */
const RELAYED = [
  'content-type',
  'content-security-policy',
  'x-frame-options',
  'x-content-type-options',
  'referrer-policy',
  'cache-control',
  'x-request-id',
] as const

/** Appends what has a value. */
export function withQuery(path: string, query: Query): string {
  const set = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== null && value !== '') set.set(name, String(value))
  return set.size === 0 ? path : `${path}?${set.toString()}`
}

/** A name as one segment of a path. */
export const segment = (text: string): string => encodeURIComponent(text)

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > ANSWER_BYTES_MAX) throw new Error(`The hub answered more than ${ANSWER_BYTES_MAX} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function problemOf(answer: IncomingMessage, text: string): ApiProblem {
  const body = jsonOr(text)
  const retryAfter = answer.headers['retry-after']
  return new ApiProblem(answer.statusCode ?? 0, typeof body === 'object' && body !== null ? body : {}, retryAfter)
}

/** What JSON says, or the text where it is none: whoever gets that says what is wrong with it. */
export function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
