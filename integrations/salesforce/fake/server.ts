/**
 * A Salesforce org on a real port, as far as the connector and the official client go there: login, versions, describe,
 * upsert and create of single records and of collections. It has Salesforce's traps: 200 with rows that failed, sessions
 * that end, 300, limits in a header; and fails as it is told (`weather`).
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { refusalOf, type FakeApp } from './login.ts'
import { OBJECTS } from './objects.ts'
import { createOrg, WholeCall, type FakeError, type FakeRecord, type Org, type RowResult } from './org.ts'

/** One way to fail. `after…`: the org has done it, and its answer does not arrive. */
export type Fault =
  | 'expired'
  | 'not-for-rest'
  | 'limit'
  | 'concurrent'
  | 'unavailable'
  | 'html-500'
  | 'reset'
  | 'hang'
  | 'garbage'
  | 'after-reset'
  | 'after-503'
  | { readonly row: FakeError; readonly every: number }

export interface FakeRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface FakeOptions extends Partial<FakeApp> {
  /** Of the API calls of a day. */
  readonly callsMax?: number
  readonly port?: number
}

export interface Fake extends AsyncDisposable {
  readonly url: string
  readonly app: FakeApp
  readonly org: Org
  /** All that came, without the token endpoint. */
  readonly requests: readonly FakeRequest[]
  /** Tokens that were given so far. */
  readonly tokens: readonly string[]
  callsUsed: number
  /** Asked for each API request, before anything is done. Null: as usual. */
  weather: (request: FakeRequest) => Fault | null
  /** What the token endpoint does instead. */
  loginWeather: () => { readonly status: number; readonly body: string } | null
  /** Ends all sessions. */
  expireSessions(): void
}

const APP: FakeApp = {
  clientId: '3MVG9.fake.client',
  clientSecret: 'fake-client-secret-0123456789',
  refreshToken: 'fake-refresh-token-0123456789',
  username: 'integration@example.com',
  password: 'fake-password-0123456789',
  audience: 'https://login.salesforce.com',
  publicKey: null,
}
const NEWEST = 68
const OLDEST = 31
const COLLECTION_MAX = 200

/** `await using org = await startFake()`. */
export async function startFake(options: FakeOptions = {}): Promise<Fake> {
  const { callsMax = 100_000, port = 0, ...app } = options
  const requests: FakeRequest[] = []
  const tokens: string[] = []
  const live = new Set<string>()
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    void bodyOf(request).then((body) =>
      answer({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body }, response),
    )
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const fake: Fake = {
    url,
    app: { ...APP, ...app },
    org: createOrg(),
    requests,
    tokens,
    callsUsed: 0,
    weather: () => null,
    loginWeather: () => null,
    expireSessions: () => live.clear(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }

  function answer(request: FakeRequest, response: ServerResponse): void {
    if (request.path === '/services/oauth2/token') return login(request, response)
    requests.push(request)
    const said = json(response)
    if (/^\/services\/data\/?$/.test(request.path)) return said(200, versions())
    const fault = fake.weather(request)
    if (typeof fault === 'string' && breaks(fault, response, said)) return
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (fault === 'expired' && token !== undefined) live.delete(token)
    if (token === undefined || !live.has(token))
      return said(401, [{ message: 'Session expired or invalid', errorCode: 'INVALID_SESSION_ID' }])
    fake.callsUsed += 1
    response.setHeader('sforce-limit-info', `api-usage=${fake.callsUsed}/${callsMax}`)
    if (fault === 'concurrent') {
      const message = 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.'
      return said(403, [{ message, errorCode: 'REQUEST_LIMIT_EXCEEDED' }])
    }
    if (fault === 'limit' || fake.callsUsed > callsMax)
      return said(403, [{ message: 'TotalRequests Limit exceeded.', errorCode: 'REQUEST_LIMIT_EXCEEDED' }])
    const { status, body, location } = route(fake.org, request, typeof fault === 'object' ? fault : null)
    if (fault === 'after-reset') return void response.socket?.resetAndDestroy()
    if (fault === 'after-503') return said(503, [{ message: 'Server unavailable', errorCode: 'SERVER_UNAVAILABLE' }])
    if (location !== undefined) response.setHeader('location', location)
    said(status, body)
  }

  function login({ body }: FakeRequest, response: ServerResponse): void {
    const said = json(response)
    const weather = fake.loginWeather()
    if (weather !== null) {
      response.writeHead(weather.status, { 'content-type': 'application/json' })
      return void response.end(weather.body)
    }
    const refusal = refusalOf(fake.app, new URLSearchParams(body), Date.now())
    if (refusal !== null) return said(400, refusal)
    const token = `00Dfake!session-canary-${tokens.length + 1}-abcdefghij`
    tokens.push(token)
    live.add(token)
    said(200, {
      access_token: token,
      instance_url: url,
      id: `${url}/id/00D000000000001EAA/005000000000001AAA`,
      token_type: 'Bearer',
      issued_at: String(Date.now()),
      signature: 'c2lnbmF0dXJl',
    })
  }

  return fake
}

type Said = (status: number, body: unknown) => void

/** True when nothing more is to be said. */
function breaks(fault: string, response: ServerResponse, said: Said): boolean {
  switch (fault) {
    case 'reset':
      response.socket?.resetAndDestroy()
      return true
    case 'hang':
      return true
    case 'not-for-rest':
      said(401, [{ message: 'This session is not valid for use with the REST API', errorCode: 'INVALID_SESSION_ID' }])
      return true
    case 'unavailable':
      said(503, [{ message: 'Server unavailable', errorCode: 'SERVER_UNAVAILABLE' }])
      return true
    case 'html-500':
      response.writeHead(500, { 'content-type': 'text/html' })
      response.end('<html><body>An unexpected error occurred.</body></html>')
      return true
    case 'garbage':
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end('[{"success":')
      return true
    default:
      return false
  }
}

interface Routed {
  readonly status: number
  readonly body: unknown
  readonly location?: string
}

const failure = (status: number, errorCode: string, message: string): Routed => ({
  status,
  body: [{ message, errorCode }],
})
const missing = (): Routed => failure(404, 'NOT_FOUND', 'The requested resource does not exist')

function route(
  org: Org,
  request: FakeRequest,
  fault: { readonly row: FakeError; readonly every: number } | null,
): Routed {
  const [, version = '0', rest = ''] = /^\/services\/data\/v(\d+)\.0\/([^?]*)/.exec(request.path) ?? []
  if (Number(version) > 0 && Number(version) < OLDEST)
    return failure(410, 'UNSUPPORTED_API_VERSION', 'The requested API version is retired or not supported.')
  if (Number(version) > NEWEST || version === '0') return missing()
  const parts = rest.split('/').map(decodeURIComponent)
  try {
    if (parts[0] === 'composite' && parts[1] === 'sobjects')
      return collection(org, { request, object: parts[2], key: parts[3], fault })
    if (parts[0] === 'sobjects' && parts.length === 3 && parts[2] === 'describe') return describe(parts[1] ?? '')
    if (parts[0] === 'sobjects')
      return single(org, { request, object: parts[1] ?? '', key: parts[2], value: parts[3], fault })
    return missing()
  } catch (error) {
    if (error instanceof WholeCall) return failure(400, error.errorCode, error.message)
    throw error
  }
}

interface Write {
  readonly request: FakeRequest
  readonly object: string | undefined
  readonly key: string | undefined
  readonly value?: string | undefined
  readonly fault: { readonly row: FakeError; readonly every: number } | null
}

/** `PATCH /composite/sobjects/{object}/{field}` and `POST /composite/sobjects`. */
function collection(org: Org, { request, object, key, fault }: Write): Routed {
  const { records = [] } = parsed(request) as { records?: FakeRecord[] }
  if (records.length > COLLECTION_MAX)
    return failure(400, 'INVALID_INPUT', `The number of records ${records.length} exceeds the limit: ${COLLECTION_MAX}`)
  const types = new Set(records.map(({ attributes }) => (attributes as { type?: string } | undefined)?.type))
  if (types.has(undefined))
    return failure(400, 'INVALID_INPUT', 'Include an object type in the attributes of each record')
  if (object !== undefined && (types.size > 1 || !types.has(object)))
    return failure(400, 'INVALID_INPUT', `Records have to be of the type ${object}`)
  const [type = ''] = types
  const isFaulty = (at: number): boolean => fault !== null && at % fault.every === 0
  const good = records.filter((_, at) => !isFaulty(at))
  const results = org.upsert(type ?? '', good, optionsOf(request, key))
  const rows: RowResult[] = []
  for (let at = 0; at < records.length; at += 1)
    rows.push(
      isFaulty(at) ? { success: false, errors: [(fault as { row: FakeError }).row] } : (results.shift() as RowResult),
    )
  return { status: 200, body: rows }
}

/** `POST /sobjects/{object}`, `PATCH /sobjects/{object}/{field}/{value}`. */
function single(org: Org, { request, object = '', key, value, fault }: Write): Routed {
  if (OBJECTS[object] === undefined) return missing()
  const body = parsed(request) as FakeRecord
  if (request.method === 'PATCH' && key !== undefined && value !== undefined) {
    const same = org.records(object).filter((record) => String(record[key]) === value)
    if (same.length > 1)
      return { status: 300, body: same.map(({ Id }) => `/services/data/v67.0/sobjects/${object}/${String(Id)}`) }
    if (key in body)
      return failure(400, 'INVALID_FIELD', `The ${key} field should not be specified in the sobject data.`)
    body[key] = value
  }
  const [row] = fault === null ? org.upsert(object, [body], optionsOf(request, key)) : []
  if (row === undefined || !row.success) {
    const errors = row === undefined ? [(fault as { row: FakeError }).row] : row.errors
    return { status: 400, body: errors.map(({ statusCode, ...rest }) => ({ errorCode: statusCode, ...rest })) }
  }
  const location = `/services/data/v67.0/sobjects/${object}/${row.id}`
  return { status: row.created ? 201 : 200, body: row, location }
}

const describe = (object: string): Routed => {
  const fields = OBJECTS[object]
  return fields === undefined
    ? missing()
    : { status: 200, body: { name: object, label: object, createable: true, updateable: true, fields } }
}

function parsed({ body }: FakeRequest): unknown {
  try {
    return JSON.parse(body)
  } catch (error) {
    throw new WholeCall('JSON_PARSER_ERROR', `Unexpected character: ${String(error)}`)
  }
}

const optionsOf = ({ headers }: FakeRequest, externalId: string | undefined) => ({
  externalId: externalId ?? null,
  allowSave: /allowSave=true/i.test(String(headers['sforce-duplicate-rule-header'] ?? '')),
})

const versions = () =>
  Array.from({ length: NEWEST - OLDEST + 1 }, (_, n) => ({
    label: `v${OLDEST + n}`,
    url: `/services/data/v${OLDEST + n}.0`,
    version: `${OLDEST + n}.0`,
  }))

function json(response: ServerResponse): Said {
  return (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json;charset=UTF-8' })
    response.end(JSON.stringify(body))
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
