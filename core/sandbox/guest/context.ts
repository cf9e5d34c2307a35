/** Builds `ctx` (core/contract) for one run: buffered effects here, everything else as a call to the hub. */
import type { Context, HttpRequest, HttpResponse, Json } from '../../contract/index.ts'
import { type GuestSettings, NOT_IN_CHECK, NOT_IN_TRANSFORM } from '../protocol.ts'
import { web } from './lazy-web.ts'
import { abs, freeze, isArray, keysOf, nowMs, parseJson } from './natives.ts'
import { buffer, capabilityError, countOp, type GuestRun, jsonOf, logLine } from './run.ts'

/** `ctx.signal` turns this long before the wall limit, or a quarter of a short limit. */
const ABORT_MARGIN_MS = 500

const STEP_MAX = Number.MAX_SAFE_INTEGER

export interface ContextParts {
  readonly settings: GuestSettings
  readonly config: { readonly [key: string]: Json }
  /** Sends a capability call to the hub; `args` is JSON text. */
  readonly call: (run: GuestRun, name: string, args: string) => Promise<unknown>
}

const refuse = (message: string): never => {
  throw capabilityError('capability_input', message)
}

const needText = (value: unknown, what: string): string =>
  typeof value === 'string' ? value : refuse(`${what} must be a string`)

export function makeContext(run: GuestRun, parts: ContextParts): Context {
  const { settings, config } = parts
  const { order, deadlineMs } = run
  const abortMs = deadlineMs - Math.min(ABORT_MARGIN_MS, order.wallMs / 4)
  const call = callerFor(run, parts)
  const forLater = (what: string): void => {
    const why = order.kind === 'transform' ? NOT_IN_TRANSFORM : order.kind === 'check' ? NOT_IN_CHECK : null
    if (why !== null) throw capabilityError('capability_denied', `ctx.${what} ${why}`)
  }
  const askedFor = (permission: 'kv' | 'emit'): void => {
    if (settings.asks?.[permission] === false)
      throw capabilityError('capability_denied', `The manifest does not ask for permissions.${permission}.`)
  }
  let signal: Context['signal'] | undefined
  const log = (level: string) => (message: string, fields?: { readonly [key: string]: Json }) =>
    logLine(run, settings, { level, message, fields })
  return {
    config,
    run: { id: order.id, installation: settings.installation, attempt: order.attempt, deadlineMs },
    get signal() {
      signal ??= web().byClock({
        atMs: abortMs,
        isOver: () => run.ended || nowMs() >= abortMs,
      }) as unknown as AbortSignal
      return signal
    },
    enqueue: (action, input, options = {}) => {
      forLater('enqueue')
      countOp(run, settings)
      enqueue(run, settings, { action, input, options })
    },
    http: (request) => http(run, parts, request),
    email: (message) => call('email', message) as ReturnType<Context['email']>,
    kv: kvOf(run, settings, { call, forLater, askedFor }),
    secret: (name) => ({ $secret: needText(name, 'The name of a secret') }),
    hmac: ({ key, alg = 'sha256', data, encoding = 'hex', keyFormat = 'utf8' }) =>
      call('hmac', { key, alg, data, encoding, keyFormat }) as Promise<string>,
    sign: ({ alg, key, claims, header }) => call('sign', { alg, key, claims, header }) as Promise<string>,
    token: ({ url, form, headers, expiresInS, instead }) =>
      call('token', {
        url,
        form,
        headers,
        expiresInS,
        instead: instead && { $secret: instead.$secret },
      }) as ReturnType<Context['token']>,
    responses: {
      get: (id) => call('responses.get', { id }) as ReturnType<Context['responses']['get']>,
      list: ({ form, since, limit, after }) =>
        call('responses.list', { form, since, limit, after }) as ReturnType<Context['responses']['list']>,
    },
    verify: ({ key, scheme, from, prefix, alg, encoding, keyFormat, toleranceS }) =>
      call('verify', { key, scheme, from, prefix, alg, encoding, keyFormat, toleranceS }) as ReturnType<
        Context['verify']
      >,
    submit: ({ form, data, id, status, meta, unknown, startedAt, submittedAt }) =>
      call('submit', { form, data, id, status, meta, unknown, startedAt, submittedAt }) as ReturnType<
        Context['submit']
      >,
    forms: {
      get: (id) => call('forms.get', { id }) as ReturnType<Context['forms']['get']>,
      ensure: ({ id, name, fields }) =>
        call('forms.ensure', { id, name, fields }) as ReturnType<Context['forms']['ensure']>,
    },
    hooks: hooksOf(call),
    emit: (name, data) => {
      forLater('emit')
      askedFor('emit')
      countOp(run, settings)
      needText(name, 'The name of emit')
      if (typeof data !== 'object' || data === null || isArray(data)) refuse('The data of emit must be an object')
      buffer(run, 'm', `{"name":${jsonOf(name, 'name')},"data":${jsonOf(data, 'The data of emit')}}`)
    },
    tally: (name, by = 1) => {
      forLater('tally')
      count(run, settings, { kind: 't', name, by })
    },
    tallies: (prefix = '', after) => call('tallies', { prefix, after }) as ReturnType<Context['tallies']>,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    metric: (name, by = 1) => count(run, settings, { kind: 'p', name, by }),
  }
}

interface Wish {
  readonly action: string
  readonly input: Json
  readonly options: NonNullable<Parameters<Context['enqueue']>[2]>
}

function enqueue(run: GuestRun, settings: GuestSettings, { action, input, options }: Wish): void {
  needText(action, 'The action of enqueue')
  if (settings.asks?.actions.includes(action) === false)
    throw capabilityError('capability_denied', `"${action}" is no action of the manifest.`)
  const { key, orderBy, paceBy, delayMs } = options
  if (key !== undefined) needText(key, 'The key of enqueue')
  if (orderBy !== undefined) needText(orderBy, 'orderBy of enqueue')
  if (paceBy !== undefined) needText(paceBy, 'paceBy of enqueue')
  if (delayMs !== undefined && !(Number.isFinite(delayMs) && delayMs >= 0))
    refuse('delayMs of enqueue must be 0 or more')
  // Spliced, so that a large input is turned into text once.
  const rest = jsonOf({ action, key, orderBy, paceBy, delayMs }, 'The options of enqueue')
  buffer(run, 'q', `${rest.slice(0, -1)},"input":${jsonOf(input, 'The input of enqueue')}}`)
}
const hooksOf = (call: (name: string, args: unknown) => Promise<unknown>): Context['hooks'] => ({
  list: ({ event, eventId, form, after }) =>
    call('hooks.list', { event, eventId, form, after }) as ReturnType<Context['hooks']['list']>,
  get: (id) => call('hooks.get', { id }) as ReturnType<Context['hooks']['get']>,
  note: (id, reason) => call('hooks.note', { id, reason }) as ReturnType<Context['hooks']['note']>,
  remove: (id, reason) => call('hooks.remove', { id, reason }) as ReturnType<Context['hooks']['remove']>,
})

/** Calls the hub for this run, counted. */
export const callerFor =
  (run: GuestRun, parts: ContextParts) =>
  async (name: string, args: unknown): Promise<unknown> => {
    countOp(run, parts.settings)
    return parts.call(run, name, jsonOf(args, `ctx.${name}`))
  }

function count(run: GuestRun, settings: GuestSettings, entry: { kind: 't' | 'p'; name: string; by: number }): void {
  countOp(run, settings)
  needText(entry.name, 'The name of a counter')
  if (typeof entry.by !== 'number' || !Number.isFinite(entry.by)) refuse('A counter needs a finite number')
  if (abs(entry.by) > STEP_MAX) refuse('A counter takes steps up to 2^53')
  buffer(run, entry.kind, jsonOf({ name: entry.name, by: entry.by }, 'A counter'))
}

/** `ctx.http`, and what `fetch` sends with. */
export async function http(run: GuestRun, parts: ContextParts, request: HttpRequest): Promise<HttpResponse> {
  const { settings } = parts
  countOp(run, settings)
  run.httpCalls += 1
  if (run.httpCalls > settings.httpCallsMax) {
    throw capabilityError('capability_limit', `A run may make ${settings.httpCallsMax} http calls`)
  }
  const { method, url, form, timeoutMs } = request
  let { body, headers } = request
  if (request.json !== undefined) {
    if (body !== undefined) refuse('ctx.http takes one of body, json and form')
    body = jsonOf(request.json, 'json of ctx.http')
    if (!keysOf(headers ?? {}).some((name) => name.toLowerCase() === 'content-type'))
      headers = { ...headers, 'content-type': 'application/json' }
  }
  if (form !== undefined && body !== undefined) refuse('ctx.http takes one of body, json and form')
  if (body !== undefined && needText(body, 'The body of ctx.http').length > settings.httpRequestBytesMax) {
    throw capabilityError('capability_limit', `A request body may have ${settings.httpRequestBytesMax} bytes`)
  }
  const args = jsonOf({ method, url, headers, body, form, timeoutMs }, 'The request of ctx.http')
  const answer = (await parts.call(run, 'http', args)) as Omit<HttpResponse, 'json'>
  const { status, headers: received, body: text, truncated } = answer
  return { status, headers: received, body: text, truncated, json: () => parseJson(text) as Json }
}

function kvOf(
  run: GuestRun,
  settings: GuestSettings,
  {
    call,
    forLater,
    askedFor,
  }: {
    readonly call: (name: string, args: unknown) => Promise<unknown>
    readonly forLater: (what: string) => void
    readonly askedFor: (permission: 'kv') => void
  },
): Context['kv'] {
  const checkKey = (key: unknown): string => {
    const text = needText(key, 'A kv key')
    if (text === '' || text.length > settings.kvKeyCharsMax)
      refuse(`A kv key has 1 to ${settings.kvKeyCharsMax} characters`)
    return text
  }
  const write = (key: string, text: string, entry: string | null): void => {
    buffer(run, 'k', text)
    run.kv ??= new Map()
    run.kv.set(key, entry)
  }
  return {
    get: async (key) => {
      const own = run.kv?.get(checkKey(key))
      if (own === undefined) return (await call('kv.get', { key })) as Json | undefined
      countOp(run, settings)
      return own === null ? undefined : (parseJson(own) as Json)
    },
    set: (key, value, options = {}) => {
      forLater('kv.set')
      askedFor('kv')
      countOp(run, settings)
      const { ttlMs } = options
      if (ttlMs !== undefined && !(Number.isFinite(ttlMs) && ttlMs > 0)) refuse('ttlMs must be more than 0')
      const text = jsonOf(value, 'A kv value')
      if (text.length > settings.kvValueBytesMax) refuse(`A kv value has at most ${settings.kvValueBytesMax} bytes`)
      write(key, `${jsonOf({ key: checkKey(key), ttlMs }, 'A kv key').slice(0, -1)},"value":${text}}`, text)
    },
    delete: (key) => {
      forLater('kv.delete')
      askedFor('kv')
      countOp(run, settings)
      write(key, jsonOf({ key: checkKey(key) }, 'A kv key'), null)
    },
    list: async (prefix, after) => {
      const answer = (await call('kv.list', { prefix: needText(prefix, 'The prefix of kv.list'), after })) as Awaited<
        ReturnType<Context['kv']['list']>
      >
      return run.kv === null ? answer : withOwnKeys(run.kv, answer, { prefix, after: after ?? '' })
    },
  }
}

/** Puts the run's own buffered writes over a page of stored keys. */
function withOwnKeys(
  own: ReadonlyMap<string, string | null>,
  page: { keys: string[]; next: string | null },
  range: { prefix: string; after: string },
): { keys: string[]; next: string | null } {
  const keys = new Set(page.keys)
  const end = page.next === null ? undefined : page.keys.at(-1)
  for (const [key, value] of own) {
    if (value === null) keys.delete(key)
    else if (key.startsWith(range.prefix) && key > range.after && (end === undefined || key <= end)) keys.add(key)
  }
  return { keys: [...keys].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)), next: page.next }
}

/** Frozen all the way down: every run sees the same config, and none can change it for the next. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const key of keysOf(value)) deepFreeze((value as Record<string, unknown>)[key])
    freeze(value)
  }
  return value
}
