/**
 * What a sandboxed plugin may ask of the hub while it runs. Every name and argument comes from the guest and is checked
 * here again: the manifest's permissions, the installation's grant, shapes, counts. Everything stays in the workspace.
 *
 *   name            argument                                   answer
 *   http            HttpRequest of the contract                {status, headers, body, truncated}
 *   email           EmailMessage of the contract               {accepted, code, response}
 *   hmac            {key, alg?, data, encoding?, keyFormat?,   text
 *                    dataEncoding?}
 *   sign            {alg, key, claims, header?}                text (JWT)
 *   sign            {alg: RS256, key, data}                    text (base64, as is data)
 *   token           TokenRequest of the contract;              {$secret, fields}
 *                   of `instead` only its reference
 *   kv.get          {key}                                      the value, or undefined
 *   kv.list         {prefix, after?}                           {keys, next}
 *   responses.get   {id}                                       ResponseInfo, or undefined
 *   responses.list  {form?, since?, limit?, after?}            {items, next}
 *   tallies         {prefix?}                                  {name: number}
 *   verify          VerifyRequest of the contract              {ok, reason}
 *   submit          SubmitRequest of the contract              {result, responseId, message, problems}
 *   forms.get       {id}                                       FormInfo, or undefined
 *   forms.ensure    {id, name, fields}                         FormInfo
 *   hooks.list      {event, eventId, form?, after?}            {items, next}
 *   hooks.get       {id}                                       HookInfo, or undefined
 *   hooks.note      {id, reason}                               nothing
 *   hooks.remove    {id, reason}                               boolean
 *
 * verify, submit and forms are of routes: they are about a request, or take part in the inlet.
 *
 * The same arguments may come as a list in this order (`["key"]`), which is how a call of `ctx.kv.get(key)` reads.
 */
import type { Clock } from '../clock.ts'
import type { Json } from '../contract/index.ts'
import type { RouteScope } from '../delivery/ports.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Exchange, WorkspaceId } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { FormView } from '../routing/event-json.ts'
import type { CapabilityHandler } from '../sandbox/sandbox.ts'
import type { Store } from '../storage/store.ts'
import { argumentReader, type Args } from './arguments.ts'
import { sendEmail, type ActFor } from './email-capability.ts'
import { httpAllowance } from './grants.ts'
import type { GuardedHttp } from './guarded-http.ts'
import { callHook, hookIn } from './hook-call.ts'
import { getHook, listHooks, NO_HOOKS, noteHook, removeHook } from './hooks-capability.ts'
import type { HooksScope } from './hooks-capability.ts'
import { callHttp, mayHaveLeft, type HttpCapabilityDeps, type HttpTrace } from './http-capability.ts'
import type { MailServer } from './mail-server.ts'
import { ensureForm, getForm, submitAnswers } from './inlet.ts'
import { createMask, type Mask } from './mask.ts'
import { getResponse, listResponses } from './responses.ts'
import { secretName } from './sealed.ts'
import { createTokenRing, type TokenRing } from './token-ring.ts'
import { serveTokenCall } from './token-capability.ts'
import { createKeyRing, hmac, isJwtAlg, isKeyFormat, signJwt, signRsa, type KeyRing } from './signing.ts'
import { verify } from './verify.ts'

export interface CapabilityDeps {
  readonly store: Pick<Store, 'kvGet' | 'kvList' | 'tallies' | 'getResponse' | 'listResponses'>
  readonly http: GuardedHttp
  /** Absent: no e-mail is sent. */
  readonly mail?: MailServer
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>
  readonly limits: Limits
  /** Milliseconds until the next probe when the breaker of this installation and host is open, else null. */
  readonly breakers?: { check(installationKey: string, host: string): number | null }
  /** Absent: there are none. */
  readonly hooks?: HooksScope['hooks']
  /** The form as it is now, with the fields that are or ever were `pii`. */
  readonly formOf: (workspace: WorkspaceId, formId: string) => Promise<FormView | undefined> | FormView | undefined
}

export interface RunContext {
  /** Unix ms at which the run is ended; requests do not outlive it. */
  readonly deadlineMs?: number | undefined
  /** The one delivery that an action runs for. */
  readonly actFor?: ActFor | undefined
  /** Of a route. */
  readonly route?: RouteScope | undefined
}

/** One run's door to the hub, and what passed through it. */
export interface OpenRun {
  readonly handler: CapabilityHandler
  readonly exchanges: Exchange[]
  /** With whom each exchange was, in the same order. */
  readonly hosts: readonly string[]
  /** Host (and port) of the last request, for breakers; null when none was made. */
  lastHost(): string | null
  /** True when a request, or an e-mail, of the run may have reached its receiver, answered or not. */
  mayHaveLeft(): boolean
  /** True when one of those may have changed something there: an e-mail, or a request that does more than read. */
  mayHaveWritten(): boolean
  /** True when a receiver took what the installation proves itself with. */
  hasProven(): boolean
  /** Takes the installation's secrets out of a text: for log lines and messages of the run. */
  readonly mask: Mask
}

export interface RunCapabilities {
  open(installation: Installation, context?: RunContext): OpenRun
}

/** What follows from an installation alone; made at its first run. */
interface Prepared {
  readonly keys: KeyRing
  readonly tokens: TokenRing
  readonly mask: Mask
  readonly http: HttpCapabilityDeps
}

/** Opens the capabilities over the hub's own services. */
export function createRunCapabilities(deps: CapabilityDeps): RunCapabilities {
  const prepared = new WeakMap<Installation, Prepared>()
  return {
    open(installation, context = {}) {
      let known = prepared.get(installation)
      if (known === undefined) {
        known = prepare(deps, installation)
        prepared.set(installation, known)
      }
      return openRun({ deps, installation, prepared: known, context })
    },
  }
}

function prepare(deps: CapabilityDeps, installation: Installation): Prepared {
  const tokens = createTokenRing({
    secretsMask: createMask(installation.secrets.values()),
    tokensMax: deps.limits.pluginTokensMax,
    nowMs: deps.clock.nowMs,
  })
  const { mask } = tokens
  const keys = createKeyRing(installation.secrets, tokens.text)
  const http: HttpCapabilityDeps = {
    http: deps.http,
    monotonicMs: deps.clock.monotonicMs,
    keys,
    mask,
    allowed: httpAllowance(installation.http),
    breakerOpenMs: (host) => deps.breakers?.check(installation.key, host) ?? null,
    recordedBytesMax: deps.limits.attemptBodyBytesMax,
    headerBytesMax: deps.limits.headerBytesMax,
  }
  return { keys, tokens, mask, http }
}

interface RunScope {
  readonly deps: CapabilityDeps
  readonly installation: Installation
  readonly prepared: Prepared
  readonly context: RunContext
  /** Counts one request of the run; throws when it is one too many. */
  readonly countHttp: () => void
  readonly sentTo: HooksScope['sentTo']
}

function openRun(opened: Omit<RunScope, 'countHttp' | 'sentTo'>): OpenRun {
  const trace: HttpTrace = {
    exchanges: [],
    hosts: [],
    lastHost: null,
    begun: 0,
    writes: 0,
    signs: false,
    isProven: false,
  }
  const { hostOpsMax, httpCallsMax } = opened.installation.limits
  const emailsMax = opened.deps.limits.pluginEmailsMax
  let ops = 0
  let httpCalls = 0
  let emails = 0
  const countHttp = (): void => {
    if (++httpCalls > httpCallsMax) throw tooMany('http requests', httpCallsMax)
  }
  const scope: RunScope = { ...opened, countHttp, sentTo: new Map() }
  return {
    exchanges: trace.exchanges,
    hosts: trace.hosts,
    lastHost: () => trace.lastHost,
    mayHaveLeft: () => mayHaveLeft(trace),
    mayHaveWritten: () => trace.writes > 0,
    hasProven: () => trace.isProven,
    mask: scope.prepared.mask,
    handler: async (name, args) => {
      if (!Object.hasOwn(CAPABILITIES, name))
        throw new HubError('capability_denied', `There is no capability "${name}".`)
      ops += 1
      if (ops > hostOpsMax) throw tooMany('capability calls', hostOpsMax)
      if (name === 'http') countHttp()
      if (name === 'email' && ++emails > emailsMax) throw tooMany('e-mails', emailsMax)
      const capability = CAPABILITIES[name as CapabilityName]
      return capability.serve(argumentReader(name, args, capability.names), scope, trace)
    },
  }
}

const tooMany = (what: string, max: number): HubError =>
  new HubError('capability_limit', `The run made more than ${max} ${what}.`)

type Serve = (args: Args, scope: RunScope, trace: HttpTrace) => Promise<Json | undefined>

interface Capability {
  /** Of the arguments, in order. */
  readonly names: readonly string[]
  readonly serve: Serve
}

const CAPABILITIES = {
  http: { names: [], serve: serveHttp },
  email: { names: [], serve: serveEmail },
  hmac: { names: [], serve: serveHmac },
  sign: { names: [], serve: serveSign },
  token: { names: [], serve: serveToken },
  'kv.get': { names: ['key'], serve: serveKvGet },
  'kv.list': { names: ['prefix', 'after'], serve: serveKvList },
  'responses.get': { names: ['id'], serve: (args, scope) => getResponse(args, responsesScope(scope)) },
  'responses.list': { names: [], serve: (args, scope) => listResponses(args, responsesScope(scope)) },
  tallies: { names: ['prefix', 'after'], serve: serveTallies },
  verify: { names: [], serve: serveVerify },
  submit: {
    names: [],
    serve: (args, scope) => submitAnswers(args, scope.installation, routeOf(scope, 'submit')),
  },
  'forms.get': {
    names: ['id'],
    serve: (args, scope) => getForm(args, scope.installation, routeOf(scope, 'forms')),
  },
  'forms.ensure': {
    names: [],
    serve: (args, scope) => ensureForm(args, scope.installation, routeOf(scope, 'forms')),
  },
  'hooks.list': { names: [], serve: (args, scope) => listHooks(args, hooksScope(scope)) },
  'hooks.get': { names: ['id'], serve: (args, scope) => getHook(args, hooksScope(scope)) },
  'hooks.note': { names: ['id', 'reason'], serve: (args, scope) => noteHook(args, hooksScope(scope)) },
  'hooks.remove': { names: ['id', 'reason'], serve: (args, scope) => removeHook(args, hooksScope(scope)) },
} as const satisfies Record<string, Capability>

type CapabilityName = keyof typeof CAPABILITIES

function serveHttp(args: Args, scope: RunScope, trace: HttpTrace): Promise<Json> {
  const wantedMs = args.optionalNumber('timeoutMs') ?? scope.deps.limits.httpTimeoutMs
  const call = { request: args.all, timeoutMs: withinRun(scope, wantedMs), trace }
  const hook = hookIn(args.all['url'])
  return hook === undefined
    ? callHttp(scope.prepared.http, call)
    : callHook(scope.prepared.http, { id: hook, call }, hooksScope(scope))
}

const hooksScope = ({ deps, installation, context, sentTo }: RunScope): HooksScope => ({
  hooks: deps.hooks ?? NO_HOOKS,
  installation,
  isAction: context.actFor !== undefined,
  sentTo,
})

function withinRun({ context, deps }: RunScope, wantedMs: number): number {
  return context.deadlineMs === undefined ? wantedMs : Math.min(wantedMs, context.deadlineMs - deps.clock.nowMs())
}

function serveToken(args: Args, scope: RunScope, trace: HttpTrace): Promise<Json> {
  const { deps, prepared } = scope
  return serveTokenCall(args, {
    http: prepared.http,
    tokens: prepared.tokens,
    nowMs: deps.clock.nowMs,
    timeoutMs: withinRun(scope, deps.limits.httpTimeoutMs),
    countHttp: scope.countHttp,
    trace,
  })
}

function serveEmail(args: Args, scope: RunScope, trace: HttpTrace): Promise<Json> {
  const { deps, installation, prepared, context } = scope
  return sendEmail(args, {
    ...deps,
    mail: deps.mail,
    installation,
    actFor: context.actFor,
    breakerOpenMs: prepared.http.breakerOpenMs,
    runLeftMs: () => (context.deadlineMs === undefined ? undefined : context.deadlineMs - deps.clock.nowMs()),
    monotonicMs: deps.clock.monotonicMs,
    mask: prepared.mask,
    trace,
  })
}

async function serveHmac(args: Args, { prepared }: RunScope, trace: HttpTrace): Promise<Json> {
  const alg = args.optionalText('alg') ?? 'sha256'
  const encoding = args.optionalText('encoding') ?? 'hex'
  const format = args.optionalText('keyFormat') ?? 'utf8'
  if (alg !== 'sha256' && alg !== 'sha512') throw args.wrong('alg has to be sha256 or sha512')
  if (encoding !== 'hex' && encoding !== 'base64') throw args.wrong('encoding has to be hex or base64')
  if (!isKeyFormat(format)) throw args.wrong('keyFormat has to be utf8, base64 or whsec')
  const dataEncoding = args.optionalText('dataEncoding') ?? 'utf8'
  if (dataEncoding !== 'utf8' && dataEncoding !== 'base64') throw args.wrong('dataEncoding has to be utf8 or base64')
  const key = prepared.keys.hmacKey(secretArgument(args), format)
  trace.signs = true
  return hmac({ alg, encoding, key, data: [Buffer.from(args.text('data'), dataEncoding)] })
}

async function serveSign(args: Args, { prepared }: RunScope, trace: HttpTrace): Promise<Json> {
  const alg = args.text('alg')
  if (!isJwtAlg(alg)) throw args.wrong('alg has to be RS256, ES256 or HS256')
  const key = prepared.keys.jwtKey(secretArgument(args), alg)
  trace.signs = true
  const data = args.optionalText('data')
  if (data !== undefined) {
    if (alg !== 'RS256') throw args.wrong('data is signed with RS256 only')
    return signRsa(key, Buffer.from(data, 'base64'))
  }
  return signJwt({ alg, key, claims: args.object('claims'), header: args.optionalObject('header') ?? {} })
}

async function serveVerify(args: Args, scope: RunScope): Promise<Json> {
  const { arrival } = routeOf(scope, 'verify')
  return verify(args, { keys: scope.prepared.keys, arrival, nowMs: scope.deps.clock.nowMs() })
}

function routeOf({ context }: RunScope, what: string): RouteScope {
  if (context.route !== undefined) return context.route
  throw new HubError('capability_denied', `ctx.${what} is for routes: it is about the request that they answer.`)
}

function secretArgument(args: Args): string {
  const name = secretName(args.all['key'])
  if (name === undefined) throw args.wrong('key has to be a secret, such as ctx.config.secret')
  return name
}

async function serveKvGet(args: Args, scope: RunScope): Promise<Json | undefined> {
  const { deps, installation } = allowedKv(scope)
  const key = args.text('key', deps.limits.pluginKvKeyCharsMax)
  const text = await deps.store.kvGet({
    workspace: installation.workspace,
    installation: installation.id,
    key,
    nowMs: deps.clock.nowMs(),
  })
  return text === undefined ? undefined : (JSON.parse(text) as Json)
}

async function serveKvList(args: Args, scope: RunScope): Promise<Json> {
  const { deps, installation } = allowedKv(scope)
  const { keys, next } = await deps.store.kvList({
    workspace: installation.workspace,
    installation: installation.id,
    prefix: args.optionalText('prefix', deps.limits.pluginKvKeyCharsMax) ?? '',
    after: args.optionalText('after', deps.limits.pluginKvKeyCharsMax) ?? null,
    limit: LIST_MAX,
    nowMs: deps.clock.nowMs(),
  })
  return { keys, next }
}

/** The contract promises at most this many keys or counters a call. */
const LIST_MAX = 1_000

function allowedKv(scope: RunScope): RunScope {
  if (scope.installation.plugin.manifest.permissions.kv) return scope
  throw new HubError('capability_denied', 'The manifest does not ask for permissions.kv.')
}

async function serveTallies(args: Args, { deps, installation }: RunScope): Promise<Json> {
  return deps.store.tallies({
    workspace: installation.workspace,
    installation: installation.id,
    prefix: args.optionalText('prefix', deps.limits.pluginKvKeyCharsMax) ?? '',
    after: args.optionalText('after', deps.limits.pluginKvKeyCharsMax) ?? null,
    limit: LIST_MAX,
  })
}

function responsesScope({ deps, installation }: RunScope) {
  if (!installation.plugin.manifest.permissions.responses) {
    throw new HubError('capability_denied', 'The manifest does not ask for permissions.responses.')
  }
  return { store: deps.store, formOf: deps.formOf, installation, limits: deps.limits }
}
