/** Reads what a guest reports. The guest may have tampered with its half of the bridge: every part is checked and counted here. */
import type { Json, Outcome, RouteResponse, SendOutcome, Verdict } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { RunLog } from '../model.ts'
import type { GuestErrorText, GuestReport } from './protocol.ts'
import type { Bundle, CapabilityCalls, GuestEffects, RunInput, RunValue, UnitLimits, UnitSurface } from './sandbox.ts'
import { readFindings } from './read-findings.ts'
import { isTooDear } from './reading.ts'
import { inSources, traceOf } from './trace.ts'

export const NO_EFFECTS: GuestEffects = { enqueue: [], kv: [], emit: [], tally: [], metric: [] }

const CAPABILITIES: ReadonlySet<string> = new Set<keyof CapabilityCalls>([
  'http',
  'email',
  'hmac',
  'sign',
  'token',
  'kv.get',
  'kv.list',
  'responses.get',
  'responses.list',
  'tallies',
  'verify',
  'submit',
  'forms.get',
  'forms.ensure',
  'hooks.list',
  'hooks.get',
  'hooks.note',
  'hooks.remove',
])
const LOG_LEVELS: ReadonlySet<unknown> = new Set(['debug', 'info', 'warn', 'error'])
const FIELDS_CHARS_MAX = 4_096
const PLACE_CHARS_MAX = 1_000
const STACK_CHARS_MAX = 8_000
const NAME_CHARS_MAX = 200
const KEY_CHARS_MAX = 512
const SURFACE_NAMES_MAX = 1_000

type Fields = { readonly [key: string]: unknown }

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown, charsMax: number): value is string =>
  typeof value === 'string' && value.length <= charsMax
const isOptionalText = (value: unknown, charsMax: number): boolean => value === undefined || isText(value, charsMax)
const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

/** It tells how a run ended, and not what one that goes on asks for or has logged. */
export const isEnd = ({ c, o }: GuestReport): boolean => c === undefined && o !== 1

export const isCapability = (name: unknown): name is keyof CapabilityCalls =>
  typeof name === 'string' && CAPABILITIES.has(name)

/** Parses one drained text, empty where there is nothing to tell, into reports; null when no honest guest sends it. */
export function parseReports(text: string): readonly GuestReport[] | null {
  if (text === '') return []
  if (isTooDear(text)) return null
  let items: unknown
  try {
    items = JSON.parse(text)
  } catch {
    return null
  }
  if (!Array.isArray(items)) return null
  return items.every((item) => isObject(item) && Number.isSafeInteger(item['l']) && Number.isSafeInteger(item['r']))
    ? (items as GuestReport[])
    : null
}

/** What the plugin's code defines; names only. */
export function readSurface(text: string): UnitSurface {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    found = null
  }
  const names = (part: string): string[] => {
    const list = isObject(found) ? found[part] : null
    return Array.isArray(list) ? list.filter((name) => isText(name, NAME_CHARS_MAX)).slice(0, SURFACE_NAMES_MAX) : []
  }
  return {
    on: names('on'),
    actions: names('actions'),
    schedules: names('schedules'),
    routes: names('routes'),
    transform: isObject(found) && found['transform'] === true,
    check: isObject(found) && found['check'] === true,
  }
}

/** What reading needs to know of the run. */
export interface ReportScope {
  readonly input: RunInput
  readonly limits: UnitLimits
  readonly bounds: Limits
  /** Host operations that already crossed as calls. */
  readonly opsBefore: number
  /** Length of the text that the report came in, together with others. */
  readonly chars: number
}

/** Checks value and effects of a run that ended well. Throws `plugin_invalid_result` or `capability_limit`. */
export function readResult(report: GuestReport, scope: ReportScope): { value: RunValue; effects: GuestEffects } {
  if (report.e !== undefined && !isObject(report.e)) return invalid('the effects of a run are lists by name')
  const effects = report.e === undefined ? NO_EFFECTS : readEffects(report.e, scope)
  const { input, bounds } = scope
  if (input.kind === 'action') return { value: readOutcomes(report.v, input.itemsJson.length, bounds), effects }
  if (input.kind === 'route') return { value: readRouteResponse(report.v, bounds), effects }
  if (input.kind === 'transform') return { value: readVerdict(report.v, bounds), effects: countsOnly(effects) }
  if (input.kind === 'check') return { value: readFindings(report.v, bounds), effects: countsOnly(effects) }
  return { value: null, effects }
}

function readEffects(raw: NonNullable<GuestReport['e']>, scope: ReportScope): GuestEffects {
  const { bounds, limits } = scope
  const lists = [raw.q, raw.k, raw.m, raw.t, raw.p].map((list) => (Array.isArray(list) ? (list as unknown[]) : []))
  const count = lists.reduce((sum, list) => sum + list.length, scope.opsBefore)
  if (count > limits.hostOpsMax)
    throw new HubError('capability_limit', `the run used more than ${limits.hostOpsMax} host operations`)
  const [q, k, m, t, p] = lists as [unknown[], unknown[], unknown[], unknown[], unknown[]]
  const effects: GuestEffects = {
    enqueue: q.map((item) => readEnqueue(item, bounds)),
    kv: k.map((item) => readKv(item, bounds)),
    emit: m.map((item) => readEmit(item, bounds)),
    tally: t.map(readCount),
    metric: p.map(readCount),
  }
  // Nearly always all of it together is less than one run may have.
  if (scope.chars * BYTES_PER_CHAR_MAX <= bounds.pluginResultBytesMax) return effects
  const bytes =
    sum(effects.enqueue, ({ input }) => bytesOf(input)) +
    sum(effects.kv, ({ value }) => (value === undefined ? 0 : bytesOf(value))) +
    sum(effects.emit, ({ data }) => bytesOf(data))
  if (bytes > bounds.pluginResultBytesMax)
    return invalid(`the effects of a run have at most ${bounds.pluginResultBytesMax} bytes`)
  return effects
}

/** UTF-8 takes at most three bytes for a UTF-16 unit. */
const BYTES_PER_CHAR_MAX = 3
const bytesOf = (value: Json): number => Buffer.byteLength(JSON.stringify(value))
const sum = <Item>(list: readonly Item[], sizeOf: (item: Item) => number): number =>
  list.reduce((total, item) => total + sizeOf(item), 0)

function readEnqueue(item: unknown, bounds: Limits): GuestEffects['enqueue'][number] {
  if (!isObject(item) || !isText(item['action'], NAME_CHARS_MAX) || item['input'] === undefined)
    return invalid('enqueue needs an action and an input')
  const { action, input, key, orderBy, paceBy, delayMs } = item
  if (![key, orderBy, paceBy].every((text) => isOptionalText(text, KEY_CHARS_MAX)))
    return invalid(`key, orderBy and paceBy of enqueue have at most ${KEY_CHARS_MAX} characters`)
  if (delayMs !== undefined && (!isAmount(delayMs) || delayMs < 0))
    return invalid('delayMs of enqueue must be 0 or more')
  const json = shallow(input, 'the input of enqueue', bounds)
  return {
    action,
    input: json,
    ...(key === undefined ? {} : { key: key as string }),
    ...(orderBy === undefined ? {} : { orderBy: orderBy as string }),
    ...(paceBy === undefined ? {} : { paceBy: paceBy as string }),
    ...(delayMs === undefined ? {} : { delayMs }),
  }
}

function readKv(item: unknown, bounds: Limits): GuestEffects['kv'][number] {
  if (!isObject(item) || !isText(item['key'], bounds.pluginKvKeyCharsMax) || item['key'] === '')
    return invalid('kv needs a key')
  const { key, value, ttlMs } = item
  if (ttlMs !== undefined && (!isAmount(ttlMs) || ttlMs <= 0)) return invalid('ttlMs of kv.set must be more than 0')
  if (value === undefined) return { key }
  const json = shallow(value, 'a kv value', bounds)
  if (bytesOf(json) > bounds.pluginKvValueBytesMax)
    return invalid(`a kv value has at most ${bounds.pluginKvValueBytesMax} bytes`)
  return { key, value: json, ...(ttlMs === undefined ? {} : { ttlMs }) }
}

function readEmit(item: unknown, bounds: Limits): GuestEffects['emit'][number] {
  if (!isObject(item) || !isText(item['name'], NAME_CHARS_MAX) || !isObject(item['data']))
    return invalid('emit needs a name and an object')
  return {
    name: item['name'],
    data: shallow(item['data'], 'the data of emit', bounds) as { readonly [key: string]: Json },
  }
}

/** Bounded, since a sum that leaves the range of doubles is refused by a database, and with it the cursor. */
function readCount(item: unknown): { readonly name: string; readonly by: number } {
  if (!isObject(item) || !isText(item['name'], NAME_CHARS_MAX) || !isAmount(item['by']))
    return invalid('a counter needs a name and a finite number')
  if (Math.abs(item['by']) > Number.MAX_SAFE_INTEGER) return invalid('a counter takes steps up to 2^53')
  return { name: item['name'], by: item['by'] }
}

function readOutcomes(value: unknown, count: number, bounds: Limits): readonly Outcome[] {
  if (value === undefined || value === null)
    return Array.from({ length: count }, () => ({ outcome: 'delivered' }) as const)
  if (!Array.isArray(value)) {
    const outcome = readOutcome(value, bounds)
    return Array.from({ length: count }, () => outcome)
  }
  if (value.length !== count) return invalid(`the action got ${count} items and answered ${value.length} outcomes`)
  return value.map((item) => (item === null ? { outcome: 'delivered' } : readOutcome(item, bounds)))
}

const OUTCOME_WORDS = 'an outcome is made with delivered(), retry(), dead(), ambiguous(), unauthorized() or send()'

function readOutcome(value: unknown, bounds: Limits): Outcome {
  if (!isObject(value)) return invalid(OUTCOME_WORDS)
  const { outcome, detail, reason, afterMs, code, message, disable, untouched } = value
  if (outcome === 'send') return readSend(value, bounds)
  const text = (part: unknown, what: string): string =>
    typeof part === 'string'
      ? part.slice(0, bounds.pluginLogLineCharsMax)
      : invalid(`${what} of an outcome must be a string`)
  if (outcome === 'delivered')
    return detail === undefined ? { outcome } : { outcome, detail: shallow(detail, 'the detail of an outcome', bounds) }
  if (outcome === 'ambiguous') return { outcome, reason: text(reason, 'reason') }
  const did = untouched === true ? { untouched } : {}
  if (outcome === 'unauthorized') return { outcome, message: text(message, 'message'), ...did }
  if (outcome === 'dead') {
    return {
      outcome,
      code: text(code, 'code').slice(0, NAME_CHARS_MAX),
      message: text(message, 'message'),
      ...(disable === true ? { disable } : {}),
      ...did,
    }
  }
  if (outcome !== 'retry') return invalid(OUTCOME_WORDS)
  if (afterMs !== undefined && (!isAmount(afterMs) || afterMs < 0)) return invalid('afterMs of retry must be 0 or more')
  return {
    outcome,
    reason: text(reason, 'reason'),
    ...(afterMs === undefined ? {} : { afterMs }),
    ...(code === undefined ? {} : { code: text(code, 'code').slice(0, NAME_CHARS_MAX) }),
    ...did,
  }
}

/** The request itself is checked where every request of a plugin is. */
function readSend({ request, permanent4xx }: Fields, bounds: Limits): SendOutcome {
  if (!isObject(request)) return invalid('send needs a request')
  const json = shallow(request, 'the request of send', bounds)
  return {
    outcome: 'send',
    request: json as unknown as SendOutcome['request'],
    permanent4xx: permanent4xx === 'dead' ? 'dead' : 'retry',
  }
}

function readRouteResponse(value: unknown, bounds: Limits): RouteResponse {
  if (!isObject(value)) return invalid('a route must answer {status?, headers?, body? or json?}')
  const { status, headers, body, json } = value
  if (status !== undefined && !(Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 599))
    return invalid('the status of a route must be 200 to 599')
  if (headers !== undefined && !(isObject(headers) && Object.values(headers).every((text) => typeof text === 'string')))
    return invalid('the headers of a route must be strings')
  if (body !== undefined && typeof body !== 'string') return invalid('the body of a route must be a string')
  if (typeof body === 'string' && Buffer.byteLength(body) > bounds.pluginRouteBodyBytesMax)
    return invalid(`the body of a route has at most ${bounds.pluginRouteBodyBytesMax} bytes`)
  if (body !== undefined && json !== undefined) return invalid('a route answers either body or json')
  return {
    ...(status === undefined ? {} : { status: status as number }),
    ...(headers === undefined ? {} : { headers: headers as { readonly [name: string]: string } }),
    ...(body === undefined ? {} : { body }),
    ...(json === undefined ? {} : { json: shallow(json, 'the json of a route', bounds) }),
  }
}

/** Nothing is stored yet that an effect could follow from. An honest guest has refused it before. */
function countsOnly(effects: GuestEffects): GuestEffects {
  const { enqueue, kv, emit, tally } = effects
  if (enqueue.length + kv.length + emit.length + tally.length > 0) return invalid('a transform or check has no effects')
  return effects
}

const REJECT_CODE = /^[a-z][a-z0-9_]{0,63}$/

function readVerdict(value: unknown, bounds: Limits): Verdict {
  if (value === undefined || value === null) return { verdict: 'keep' }
  if (!isObject(value)) return invalid(VERDICT_WORDS)
  const { verdict, data, meta, reason, code, message } = value
  if (verdict === 'keep') {
    const changes = (part: unknown, what: string): { readonly [key: string]: Json } =>
      isObject(part)
        ? (shallow(part, what, bounds) as { readonly [key: string]: Json })
        : invalid(`${what} must be an object`)
    return {
      verdict,
      ...(data === undefined ? {} : { data: changes(data, 'data of keep') }),
      ...(meta === undefined ? {} : { meta: changes(meta, 'meta of keep') }),
    }
  }
  if (verdict === 'flag') {
    if (typeof reason !== 'string') return invalid('flag needs a reason, which is a text')
    return { verdict, reason: reason.slice(0, bounds.pluginLogLineCharsMax) }
  }
  if (verdict !== 'reject') return invalid(VERDICT_WORDS)
  if (typeof code !== 'string' || !REJECT_CODE.test(code))
    return invalid('the code of reject has lower-case letters, digits and "_", starting with a letter')
  if (typeof message !== 'string') return invalid('reject needs a message, which is a text')
  return { verdict, code, message: message.slice(0, bounds.pluginLogLineCharsMax) }
}

const VERDICT_WORDS = 'a verdict is made with keep(), flag() or reject()'

/** Where a run stood that had to end: in words that go on the message, and as a stack. */
export function readWhereabouts(value: unknown): { words: string; stack: string } {
  const [name, isAnswered, stack] = Array.isArray(value) ? (value as unknown[]) : []
  if (!isCapability(name) || typeof stack !== 'string') return { words: '', stack: '' }
  const words = isAnswered === true ? `, after the answer of ctx.${name}` : `, waiting for the answer of ctx.${name}`
  return { words, stack: stack.slice(0, STACK_CHARS_MAX) }
}

/** The run's log so far. */
export interface LogSoFar {
  readonly logs: readonly RunLog[]
  readonly dropped: number
}

/** The log with what the report adds, cut to its limits once more, with the places of its lines in the plugin's own files. */
export function readLogs(
  report: GuestReport,
  scope: Pick<ReportScope, 'limits' | 'bounds'> & { readonly bundle: Bundle; readonly before: LogSoFar },
): LogSoFar {
  const { before } = scope
  const raw = Array.isArray(report.g) ? report.g : []
  const room = Math.max(0, scope.limits.logLinesMax - before.logs.length)
  const logs: RunLog[] = [...before.logs]
  for (const line of raw.slice(0, room)) {
    if (!isObject(line) || !LOG_LEVELS.has(line['level']) || typeof line['message'] !== 'string') continue
    // One more for the guest's own mark of a cut.
    const charsMax = scope.bounds.pluginLogLineCharsMax + 1
    const message = inSources(scope.bundle, line['message'].slice(0, charsMax)).slice(0, charsMax)
    const level = line['level'] as RunLog['level']
    const { fields, at } = line
    const { place } = typeof at === 'string' ? traceOf(scope.bundle, at.slice(0, PLACE_CHARS_MAX)) : { place: null }
    const isSmall =
      isObject(fields) &&
      isShallow(fields, scope.bounds.jsonDepthMax) &&
      JSON.stringify(fields).length <= FIELDS_CHARS_MAX
    logs.push({
      level,
      message,
      ...(isSmall ? { fields: fieldsInSources(scope.bundle, fields) } : {}),
      ...(place === null ? {} : { at: place }),
    })
  }
  const told = Number.isSafeInteger(report.d) && (report.d as number) > 0 ? (report.d as number) : 0
  return { logs, dropped: before.dropped + told + Math.max(0, raw.length - room) }
}

/** Texts may be stacks. A path is longer than what stands for it; a text stays within what all of them may have. */
function fieldsInSources(bundle: Bundle, fields: Fields): { readonly [key: string]: Json } {
  const told = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === 'string' ? inSources(bundle, value).slice(0, FIELDS_CHARS_MAX) : value,
  ])
  return Object.fromEntries(told) as { readonly [key: string]: Json }
}

/** An error as the guest tells it; null when the report tells none. */
export function readError(value: unknown): GuestErrorText | null {
  if (!isObject(value)) return null
  const part = (name: string, charsMax: number): string =>
    typeof value[name] === 'string' ? value[name].slice(0, charsMax) : ''
  const code = part('code', NAME_CHARS_MAX)
  return {
    name: part('name', 100),
    message: part('message', 2_001),
    stack: part('stack', 8_001),
    ...(code === '' ? {} : { code }),
  }
}

/** Values go on into JSON.stringify, which recurses: depth is bounded before anybody else touches them. */
function shallow(value: unknown, what: string, bounds: Limits): Json {
  return isShallow(value, bounds.jsonDepthMax)
    ? (value as Json)
    : invalid(`${what} is nested deeper than ${bounds.jsonDepthMax} levels`)
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (levels === 0) return false
  for (const item of Array.isArray(value) ? value : Object.values(value)) if (!isShallow(item, levels - 1)) return false
  return true
}

/** True when a capability's arguments are small enough in depth to be handed on. */
export const isFitArgument = (value: unknown, bounds: Limits): boolean => isShallow(value, bounds.jsonDepthMax)

function invalid(message: string): never {
  throw new HubError('plugin_invalid_result', message)
}
