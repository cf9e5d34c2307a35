/** Builds `ctx` of one run in the process of a native plugin: effects are kept here, everything else is asked of the hub. */
import type { Context, HttpRequest, HttpResponse, Json } from '../contract/index.ts'
import type { RunLog } from '../model.ts'
import type { GuestEffects } from '../sandbox/sandbox.ts'
import type { NativeRun } from './protocol.ts'

/** What a run asked for and said so far. */
export interface Asked {
  readonly effects: { readonly [Kind in keyof GuestEffects]: GuestEffects[Kind][number][] }
  readonly logs: RunLog[]
}

export const nothingAsked = (): Asked => ({
  effects: { enqueue: [], kv: [], emit: [], tally: [], metric: [] },
  logs: [],
})

export interface ContextParts {
  readonly installation: string
  readonly config: { readonly [key: string]: Json }
  readonly asked: Asked
  readonly deadlineMs: number
  /** Nobody waits for it any more. */
  readonly cancelled: AbortSignal
  /** A capability of the hub. */
  readonly call: (name: string, args: object) => Promise<unknown>
}

export function makeContext(
  run: NativeRun,
  { installation, config, asked, deadlineMs, cancelled, call }: ContextParts,
): Context {
  const { enqueue, kv, emit, tally, metric } = asked.effects
  const ask =
    <Answer>(name: string) =>
    (args: object): Promise<Answer> =>
      call(name, args) as Promise<Answer>
  const log = (level: RunLog['level']) => (message: string, fields?: { readonly [key: string]: Json }) => {
    asked.logs.push({ level, message, ...(fields === undefined ? {} : { fields }) })
  }
  return {
    config,
    run: { id: run.id, installation, attempt: run.attempt, deadlineMs },
    signal: AbortSignal.any([cancelled, AbortSignal.timeout(Math.max(0, Math.ceil(deadlineMs - Date.now())))]),
    enqueue: (action, input, options = {}) => void enqueue.push({ action, input, ...options }),
    http: async (request) => withJson((await call('http', asSent(request))) as Omit<HttpResponse, 'json'>),
    email: ask('email'),
    kv: {
      get: (key) => call('kv.get', { key }) as Promise<Json | undefined>,
      set: (key, value, options = {}) => void kv.push({ key, value, ...options }),
      delete: (key) => void kv.push({ key }),
      list: (prefix, after) => call('kv.list', { prefix, after }) as ReturnType<Context['kv']['list']>,
    },
    secret: (name) => ({ $secret: name }),
    hmac: ask('hmac'),
    sign: ask('sign'),
    token: ask('token'),
    responses: {
      get: (id) => call('responses.get', { id }) as ReturnType<Context['responses']['get']>,
      list: ask('responses.list'),
    },
    verify: ask('verify'),
    submit: ask('submit'),
    forms: {
      get: (id) => call('forms.get', { id }) as ReturnType<Context['forms']['get']>,
      ensure: ask('forms.ensure'),
    },
    hooks: {
      list: ask('hooks.list'),
      get: (id) => call('hooks.get', { id }) as ReturnType<Context['hooks']['get']>,
      note: (id, reason) => call('hooks.note', { id, reason }) as ReturnType<Context['hooks']['note']>,
      remove: (id, reason) => call('hooks.remove', { id, reason }) as ReturnType<Context['hooks']['remove']>,
    },
    emit: (name, data) => void emit.push({ name, data }),
    tally: (name, by = 1) => void tally.push({ name, by }),
    tallies: (prefix = '') => call('tallies', { prefix }) as ReturnType<Context['tallies']>,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    metric: (name, by = 1) => void metric.push({ name, by }),
  }
}

function asSent({ json, headers = {}, ...rest }: HttpRequest): object {
  if (json === undefined) return { ...rest, headers }
  const isTyped = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type')
  const typed = isTyped ? headers : { ...headers, 'content-type': 'application/json' }
  return { ...rest, headers: typed, body: JSON.stringify(json) }
}

const withJson = (answer: Omit<HttpResponse, 'json'>): HttpResponse => ({
  ...answer,
  json: () => JSON.parse(answer.body) as Json,
})
