/** The Sheets API v4 and its token endpoint on a real port: enough of both for the plugin, and every way in which they fail. */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { batchUpdate, getSpreadsheet } from './batch-update.ts'
import type { UpdateRequest } from './batch-update.ts'
import { ApiError, FakeSpreadsheet } from './spreadsheet.ts'
import type { AppendResult, FakeCell, FakeTabOptions } from './spreadsheet.ts'
import { FakeTokens } from './tokens.ts'

/** A request as it came. */
export interface FakeRequest {
  readonly n: number
  readonly atMs: number
  readonly method: string
  /** Decoded. */
  readonly path: string
  readonly query: URLSearchParams
  readonly kind: 'token' | 'read' | 'write'
  readonly body: string
}

/**
 * How one request goes wrong. `before`: the connection is reset and nothing was done. `lost`: it was done, and the answer
 * never arrives. `slow`, `until`: it is done later. `cut`: it was done, and half of the answer arrives. `hang`: it was done, and nobody answers. `late`: the
 * connection is reset, and it is done that much later all the same (without a delay: when `land` is called).
 */
export type Fault =
  | { readonly kind: 'before' | 'lost' | 'cut' | 'hang' }
  | { readonly kind: 'slow'; readonly delayMs: number }
  | { readonly kind: 'until'; readonly over: Promise<unknown> }
  | { readonly kind: 'late'; readonly delayMs?: number }
  | { readonly kind: 'status'; readonly status: number; readonly message?: string; readonly retryAfterS?: number }

export interface FakeSheetsOptions {
  /** Default: any that is free. */
  readonly port?: number
  readonly tabs?: readonly FakeTabOptions[]
  readonly timeZone?: string
  /** Per minute and account, as Google's defaults; null: none. */
  readonly quota?: { readonly reads: number; readonly writes: number } | null
}

export interface FakeSheets extends AsyncDisposable {
  readonly url: string
  readonly spreadsheet: FakeSpreadsheet
  readonly tokens: FakeTokens
  readonly requests: readonly FakeRequest[]
  /** The key file of its one account, which the spreadsheet is shared with. */
  readonly keyFile: { readonly [name: string]: string }
  /** Asked before each request. */
  fault: (request: FakeRequest) => Fault | null
  /** Told of the rows that were appended, before the answer leaves. */
  kept: (rows: readonly (readonly FakeCell[])[]) => void
  /** What lies there is an Excel file, which Drive opens like a spreadsheet and the API does not. */
  isOfficeFile: boolean
  /** Who may edit, and who may look. */
  readonly editors: Set<string>
  readonly readers: Set<string>
  count(kind: FakeRequest['kind']): number
  forget(): void
  /** Does now what was to be done late. */
  land(): void
}

const ID = '1fakeSpreadsheetIdOfTheDouble'
const EMAIL = 'manifold@example-project.iam.gserviceaccount.com'
const GOOGLE_TOKEN_URL = 'https://oauth2.googleapis.com/token'
const MINUTE_MS = 60_000
/** Google's, for one account. */
const QUOTA = { reads: 60, writes: 60 }

/** `await using google = await startFakeSheets()`. */
export async function startFakeSheets(options: FakeSheetsOptions = {}): Promise<FakeSheets> {
  const google = new Google(options)
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    void google.take(request, response).catch(() => response.destroy())
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  google.listensAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  google.close = async () => {
    google.forgetLate()
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return google
}

/** Everything but the port. */
class Google implements FakeSheets {
  url = ''
  keyFile: FakeSheets['keyFile'] = {}
  readonly spreadsheet: FakeSpreadsheet
  readonly tokens = new FakeTokens()
  readonly requests: FakeRequest[] = []
  isOfficeFile = false
  readonly editors = new Set([EMAIL])
  readonly readers = new Set<string>()
  fault: FakeSheets['fault'] = () => null
  kept: FakeSheets['kept'] = () => {}
  close: () => Promise<void> = async () => {}
  readonly #quota: FakeSheetsOptions['quota']
  readonly #privateKey: string
  /** What is done later, and when. */
  readonly #late = new Map<() => void, NodeJS.Timeout | undefined>()

  constructor({ tabs = [{ title: 'Answers' }], timeZone = 'Europe/Berlin', quota = QUOTA }: FakeSheetsOptions) {
    this.spreadsheet = new FakeSpreadsheet(ID, timeZone, tabs)
    this.#quota = quota
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2_048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    this.tokens.addAccount(EMAIL, publicKey)
    this.#privateKey = privateKey
  }

  listensAt(url: string): void {
    this.url = url
    this.keyFile = {
      type: 'service_account',
      project_id: 'example-project',
      private_key_id: '0123456789abcdef',
      private_key: this.#privateKey,
      client_email: EMAIL,
      client_id: '1234567890',
      token_uri: `${url}/token`,
      universe_domain: 'googleapis.com',
    }
  }

  count(kind: FakeRequest['kind']): number {
    return this.requests.filter((request) => request.kind === kind).length
  }

  forget(): void {
    this.requests.length = 0
  }

  land(): void {
    for (const done of this.#late.keys()) done()
  }

  forgetLate(): void {
    for (const timer of this.#late.values()) clearTimeout(timer)
    this.#late.clear()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async take(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await received(incoming, this.requests.length)
    this.requests.push(request)
    const fault = this.fault(request)
    if (fault?.kind === 'before') return void incoming.socket.resetAndDestroy()
    if (fault?.kind === 'late') {
      const done = (): void => {
        clearTimeout(this.#late.get(done))
        if (this.#late.delete(done)) this.#answerOf(request, incoming.headers.authorization)
      }
      this.#late.set(done, fault.delayMs === undefined ? undefined : setTimeout(done, fault.delayMs))
      return void incoming.socket.resetAndDestroy()
    }
    if (fault?.kind === 'slow') await sleep(fault.delayMs)
    if (fault?.kind === 'until') await fault.over
    const answer = fault?.kind === 'status' ? refusalOf(fault) : this.#answerOf(request, incoming.headers.authorization)
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'lost') return void incoming.socket.resetAndDestroy()
    const text = JSON.stringify(answer.body, null, request.query.get('prettyPrint') === 'false' ? 0 : 2)
    response.writeHead(answer.status, {
      'content-type': 'application/json; charset=UTF-8',
      'content-length': Buffer.byteLength(text),
      ...answer.headers,
    })
    if (fault?.kind !== 'cut') return void response.end(text)
    response.write(text.slice(0, text.length / 2))
    incoming.socket.end()
  }

  #answerOf(request: FakeRequest, authorization: string | undefined): Answer {
    if (request.kind === 'token')
      return this.tokens.answer(new URLSearchParams(request.body), [`${this.url}/token`, GOOGLE_TOKEN_URL])
    try {
      return { status: 200, body: this.#serve(request, authorization) }
    } catch (error) {
      if (error instanceof ApiError) return errorAnswer(error)
      throw error
    }
  }

  #serve(request: FakeRequest, authorization = ''): object {
    const account = this.tokens.accountOf(authorization.replace(/^Bearer /, ''))
    if (account === null) throw new ApiError(401, UNAUTHENTICATED, 'ACCESS_TOKEN_EXPIRED')
    this.#checkQuota(request.kind === 'read' ? 'read' : 'write')
    const [, id = '', verb = '', rest = ''] =
      /^\/v4\/spreadsheets\/([\w-]+)(?::(\w+)|\/values\/(.*))?$/.exec(request.path) ?? []
    if (id !== this.spreadsheet.id) throw new ApiError(404, 'Requested entity was not found.')
    const mayRead = this.editors.has(account) || this.readers.has(account)
    if (!mayRead || (request.kind === 'write' && !this.editors.has(account)))
      throw new ApiError(403, 'The caller does not have permission')
    if (this.isOfficeFile) throw Object.assign(new ApiError(400, OFFICE_FILE), { status: 'FAILED_PRECONDITION' })
    if (rest !== '') return this.#serveValues(request, rest)
    if (verb === 'batchUpdate' && request.method === 'POST')
      return batchUpdate(this.spreadsheet, JSON.parse(request.body) as UpdateRequest, {
        fields: request.query.get('fields'),
        kept: (rows) => this.kept(rows),
      })
    if (verb === '' && request.method === 'GET') return getSpreadsheet(this.spreadsheet, request.query)
    throw new ApiError(404, `There is no ${request.method} ${request.path}.`)
  }

  #serveValues(request: FakeRequest, rest: string): object {
    const { query, method } = request
    if (method === 'GET') {
      const values = this.spreadsheet.values(rest)
      const byColumn = query.get('majorDimension') === 'COLUMNS'
      const shape = byColumn ? transposed(values) : values
      const { tab } = this.spreadsheet.area(rest)
      const about = { range: `${tab.title}!${rest.split('!').at(-1)}`, majorDimension: byColumn ? 'COLUMNS' : 'ROWS' }
      return { ...(query.get('fields') === 'values' ? {} : about), ...(shape.length === 0 ? {} : { values: shape }) }
    }
    const { values = [] } = JSON.parse(request.body) as { values?: FakeCell[][] }
    const option = query.get('valueInputOption')
    if (option !== 'RAW' && option !== 'USER_ENTERED')
      throw new ApiError(400, "'valueInputOption' is required but not specified")
    const userEntered = option === 'USER_ENTERED'
    if (method === 'PUT') return this.#updateAnswer(this.spreadsheet.update(rest, values, userEntered))
    const insertRows = query.get('insertDataOption') === 'INSERT_ROWS'
    const done = this.spreadsheet.append(rest.replace(/:append$/, ''), values, { userEntered, insertRows })
    this.kept(values)
    const table = done.tableRange === undefined ? {} : { tableRange: done.tableRange }
    return { spreadsheetId: this.spreadsheet.id, ...table, updates: this.#updateAnswer(done) }
  }

  #updateAnswer(done: AppendResult): object {
    return {
      spreadsheetId: this.spreadsheet.id,
      updatedRange: done.updatedRange,
      updatedRows: done.rows,
      updatedColumns: done.columns,
      updatedCells: done.cells,
    }
  }

  #checkQuota(kind: 'read' | 'write'): void {
    const quota = this.#quota
    if (quota === null || quota === undefined) return
    const max = kind === 'read' ? quota.reads : quota.writes
    const sinceMs = Date.now() - MINUTE_MS
    const used = this.requests.filter((each) => each.kind === kind && each.atMs > sinceMs).length
    if (used <= max) return
    const what = kind === 'read' ? 'Read' : 'Write'
    const metric = `quota metric '${what} requests' and limit '${what} requests per minute per user'`
    const message = `Quota exceeded for ${metric} of service 'sheets.googleapis.com' for consumer 'project_number:1234567890'.`
    throw new ApiError(429, message, 'RATE_LIMIT_EXCEEDED')
  }
}

const OFFICE_FILE = 'This operation is not supported for this document. The document must not be an Office file.'
const UNAUTHENTICATED =
  'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.'

interface Answer {
  readonly status: number
  readonly body: object
  readonly headers?: Record<string, string>
}

const errorAnswer = ({ code, status, message, reason }: ApiError): Answer => {
  const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com' }
  return {
    status: code,
    body: { error: { code, message, status, ...(reason === undefined ? {} : { details: [info] }) } },
  }
}

function refusalOf({
  status,
  message = 'The service is currently unavailable.',
  retryAfterS,
}: Extract<Fault, { kind: 'status' }>): Answer {
  const answer = errorAnswer(new ApiError(status, message))
  return retryAfterS === undefined ? answer : { ...answer, headers: { 'retry-after': String(retryAfterS) } }
}

async function received(incoming: IncomingMessage, n: number): Promise<FakeRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const url = new URL(incoming.url ?? '/', 'http://fake')
  const method = incoming.method ?? 'GET'
  const path = decodeURIComponent(url.pathname)
  const kind = path === '/token' ? 'token' : method === 'GET' ? 'read' : 'write'
  return { n, atMs: Date.now(), method, path, query: url.searchParams, kind, body: Buffer.concat(chunks).toString() }
}

function transposed(rows: FakeCell[][]): FakeCell[][] {
  const width = Math.max(0, ...rows.map((row) => row.length))
  return Array.from({ length: width }, (_, column) => rows.map((row) => row[column] ?? ''))
}
