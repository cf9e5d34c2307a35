/** What a route is: method, path, who may call it, how it is described, and its handler. Every route is one row of one table. */
import type { z } from '@hono/zod-openapi'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { HubError, told } from '../errors.ts'
import { zodProblems } from '../ingest/form-definition.ts'
import type { Scope } from '../model.ts'
import type { Principal } from '../registry/api-keys.ts'
import { API_HEADERS } from './problem.ts'

/**
 * Who may call. A scope: keys that have it. `any-key`: every valid key. `open`: everybody. `submit`: everybody for public
 * forms, within the address's rate; keys with `responses:write` always. `stranger`: everybody within the address's rate, and
 * valid keys always; any other Authorization header is not ours to judge. `local`: admin keys, or callers of this machine or a private network that ask by address.
 */
export type Access = Scope | 'any-key' | 'open' | 'submit' | 'stranger' | 'local'

/** One request as handlers see it. */
export interface Call {
  readonly requestId: string
  /** Null where no key was needed and none was shown. */
  readonly principal: Principal | null
  readonly request: Request
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly url: string
  param(name: string): string
}

/** A call on a route that needs a key: the workspace is the key's. */
export interface KeyedCall extends Call {
  readonly principal: Principal
}

/** Fires when whoever called has gone before the answer. */
export function goneOf({ outgoing }: Pick<Call, 'outgoing'>): AbortSignal {
  const gone = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  return gone.signal
}

/** How OpenAPI describes an answer. */
export interface ResponseDoc {
  readonly description: string
  readonly schema?: z.ZodType
  readonly type?: string
  readonly example?: unknown
}

/** How OpenAPI describes the route. */
export interface RouteDoc {
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly query?: z.ZodObject
  readonly headers?: z.ZodObject
  readonly body?: {
    readonly type?: string
    readonly schema: z.ZodType
    readonly example?: unknown
    readonly more?: readonly string[]
    /** True unless said otherwise. */
    readonly required?: false
  }
  readonly responses: { readonly [status: number]: ResponseDoc }
}

type Handler<C> = (call: C) => Promise<Response> | Response

/** A request that gets an error instead of its answer. */
export interface Refused {
  readonly incoming: IncomingMessage
  readonly error: HubError
  readonly requestId: string
}

interface RouteBase {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `{name}` placeholders. */
  readonly path: string
  /** What a refused or failed request gets; absent: problem details. */
  readonly refusal?: (refused: Refused) => Response
  /** Absent: not part of the described API. */
  readonly doc?: RouteDoc
}

export type Route =
  | (RouteBase & { readonly access: Scope | 'any-key'; readonly handler: Handler<KeyedCall> })
  | (RouteBase & { readonly access: 'open' | 'submit' | 'stranger' | 'local'; readonly handler: Handler<Call> })

/** A JSON answer. */
export function json(
  call: Pick<Call, 'requestId'>,
  body: unknown,
  more: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): Response {
  return new Response(JSON.stringify(body), {
    status: more.status ?? 200,
    headers: { ...API_HEADERS, 'content-type': 'application/json', 'x-request-id': call.requestId, ...more.headers },
  })
}

/** 204. */
export const noContent = (call: Pick<Call, 'requestId'>): Response =>
  new Response(null, { status: 204, headers: { ...API_HEADERS, 'x-request-id': call.requestId } })

/** The query string by the route's schema; every mistake at once. Unknown names are refused: a misspelt filter must not widen. */
export function readQuery<Schema extends z.ZodObject>(call: Pick<Call, 'url'>, schema: Schema): z.output<Schema> {
  const search = call.url.indexOf('?')
  const given: [string, string][] = search < 0 ? [] : [...new URLSearchParams(call.url.slice(search + 1))]
  const parsed = schema.strict().safeParse(Object.fromEntries(given))
  if (parsed.success) return parsed.data as z.output<Schema>
  const problems = zodProblems(parsed.error)
  throw new HubError('invalid_query', told(problems, 'The query'), { problems })
}

/** A parsed body by a schema; `bad_request` names every place. */
export function readBodyAs<Schema extends z.ZodType>(body: unknown, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const problems = zodProblems(parsed.error)
  throw new HubError('bad_request', told(problems), { problems })
}
