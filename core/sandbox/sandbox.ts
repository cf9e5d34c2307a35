/**
 * The sandbox as the other rooms see it: load a unit (one plugin bundle with one installation's config), run it, throw
 * it away. Behind it: child processes, isolates, a bridge. A run always settles: with the plugin's answer or with a
 * HubError (`plugin_*`, `capability_*`) that carries the coordinates. `plugin_interrupted` means the run had a guilty
 * neighbour and must be repeated; it costs the plugin nothing.
 */
import type {
  AccessToken,
  ActionItem,
  EmailAnswer,
  EmailMessage,
  Finding,
  FormInfo,
  Forms,
  HubEvent,
  Json,
  Outcome,
  ResponseInfo,
  RouteRequest,
  RouteResponse,
  HookInfo,
  HookRef,
  Hooks,
  Sealable,
  SecretRef,
  SubmitRequest,
  Submitted,
  Verdict,
  TokenRequest,
  Verified,
  VerifyRequest,
} from '../contract/index.ts'
import type { HubError } from '../errors.ts'
import type { RunLog } from '../model.ts'

/** Bundled plugin code. `hash` is the SHA-256 of `code` in hex. */
export interface Bundle {
  readonly pluginId: string
  readonly version: string
  readonly code: string
  /** Source map JSON text; errors are told in the plugin's own file and line. */
  readonly sourceMap: string
  readonly hash: string
  /** Files of packages that went in, by path from the plugin's folder: what tells that each has changed since. */
  readonly inputs?: Readonly<Record<string, string>>
}

export interface UnitLimits {
  /** Where it is less than all have. */
  readonly loadMs?: number
  /** Of a request, where it is more than all have. */
  readonly httpRequestBytesMax?: number
  readonly heapMb: number
  readonly sliceMs: number
  readonly cpuMs: number
  readonly eventWallMs: number
  readonly actionWallMs: number
  readonly routeWallMs: number
  readonly scheduleWallMs: number
  readonly transformWallMs: number
  readonly hostOpsMax: number
  readonly httpCallsMax: number
  readonly logLinesMax: number
}

/** What is loaded into an isolate of its own. */
export interface Unit {
  /** `<workspace>/<installation>`. */
  readonly key: string
  readonly bundle: Bundle
  /** Validated `with`; secret fields are `{"$secret": "config.<field>"}`. JSON text. */
  readonly config: string
  readonly limits: UnitLimits
  /** Its own code is told where it goes beyond this; the hub looks again in any case. Default: the hub alone. */
  readonly asks?: AskedEffects
  /** Units of one group share a child process; a breach moves the offender to a process of its own. */
  readonly group: 'builtin' | 'community' | 'own'
  /** Its main file: it runs natively, in a process of its plugin, without isolate and limits. */
  readonly native?: { readonly dir: string; readonly main: string; readonly grant: string } | undefined
  /** In a process where V8 makes no machine code while it runs: slower, and out of reach of bugs of its compilers. */
  readonly hardened?: boolean
}

/** What of the effects that a run leaves behind the manifest asks for. */
export interface AskedEffects {
  readonly kv: boolean
  readonly emit: boolean
  /** Names of its actions. */
  readonly actions: readonly string[]
}

/** Names of what the code defines, to compare with the manifest. */
export interface UnitSurface {
  readonly on: readonly string[]
  readonly actions: readonly string[]
  readonly schedules: readonly string[]
  readonly routes: readonly string[]
  readonly transform: boolean
  readonly check: boolean
}

/** What to run. Event JSON is text, spliced in without parsing. */
export type RunInput =
  | { readonly kind: 'event'; readonly type: string; readonly eventJson: string }
  | {
      readonly kind: 'action'
      readonly name: string
      /** One JSON text a batch item: `{"input":…,"event":…,"delivery":{…}}` (ActionItem). */
      readonly itemsJson: readonly string[]
    }
  | {
      readonly kind: 'schedule'
      readonly name: string
      readonly tick: { readonly at: string; readonly missed: number }
    }
  | { readonly kind: 'route'; readonly name: string; readonly request: RouteRequest }
  | {
      readonly kind: 'transform'
      /** The form's id. */
      readonly name: string
      /** An IncomingResponse as JSON text. */
      readonly responseJson: string
    }
  | { readonly kind: 'check'; readonly name: 'check' }

export interface Run {
  readonly id: string
  readonly attempt: number
  readonly input: RunInput
  /** Serves capability calls of this run: reads, http, hmac, sign, token. Throws HubError. */
  readonly capabilities: CapabilityHandler
  readonly eventId?: string | undefined
  readonly deliveryId?: string | undefined
  /** Place of the event in the log; native handlers are told. */
  readonly seq?: number | undefined
  /** When whoever asks waits no longer; absent: as long as its kind may take. Native runs are told. */
  readonly deadlineMs?: number | undefined
  /** Whoever asked has gone; native runs are told. */
  readonly signal?: AbortSignal | undefined
}

/**
 * What crosses the border for each capability: `args` as an honest guest sends them (a hostile one sends anything) and
 * the `answer` it expects. `undefined` as answer means that there is no such thing. The tail of `ctx.http` (`json` in,
 * `json()` out) is added inside the guest.
 */
export interface CapabilityCalls {
  readonly http: {
    args: {
      method?: string
      url: Sealable | HookRef
      headers?: { [name: string]: Sealable }
      body?: string
      form?: { [field: string]: Sealable }
      timeoutMs?: number
    }
    answer: { status: number; headers: { [name: string]: string }; body: string; truncated: boolean }
  }
  readonly email: { args: EmailMessage; answer: EmailAnswer }
  readonly hmac: {
    args: {
      key: SecretRef
      alg: 'sha256' | 'sha512'
      data: string
      encoding: 'hex' | 'base64'
      keyFormat: 'utf8' | 'base64' | 'whsec'
    }
    answer: string
  }
  readonly sign: {
    args: {
      alg: 'RS256' | 'ES256' | 'HS256'
      key: SecretRef
      claims: { [name: string]: Json }
      header?: { [name: string]: Json }
    }
    answer: string
  }
  readonly token: { args: Omit<TokenRequest, 'instead'> & { instead?: SecretRef }; answer: AccessToken }
  readonly 'kv.get': { args: { key: string }; answer: Json | undefined }
  readonly 'kv.list': { args: { prefix: string; after?: string }; answer: { keys: string[]; next: string | null } }
  readonly 'responses.get': { args: { id: string }; answer: ResponseInfo | undefined }
  readonly 'responses.list': {
    args: { form?: string; since?: string; limit?: number; after?: string }
    answer: { items: ResponseInfo[]; next: string | null }
  }
  readonly tallies: { args: { prefix: string; after?: string }; answer: { [name: string]: number } }
  readonly verify: { args: VerifyRequest; answer: Verified }
  readonly submit: { args: SubmitRequest; answer: Submitted }
  readonly 'forms.get': { args: { id: string }; answer: FormInfo | undefined }
  readonly 'forms.ensure': { args: Parameters<Forms['ensure']>[0]; answer: FormInfo }
  readonly 'hooks.list': {
    args: Parameters<Hooks['list']>[0]
    answer: { items: HookInfo[]; next: string | null }
  }
  readonly 'hooks.get': { args: { id: string }; answer: HookInfo | undefined }
  readonly 'hooks.note': { args: { id: string; reason: string | null }; answer: undefined }
  readonly 'hooks.remove': { args: { id: string; reason: string }; answer: boolean }
}

/** `name` and `args` come from the guest: trust nothing (the sandbox only checks that `name` is a CapabilityCalls key). The answer must be JSON. */
export type CapabilityHandler = (name: string, args: Json) => Promise<Json | undefined>

/** Effects as the guest asked for them, shape-checked and counted, not yet given ids. */
export interface GuestEffects {
  readonly enqueue: readonly {
    readonly action: string
    readonly input: Json
    readonly key?: string
    readonly orderBy?: string
    readonly paceBy?: string
    readonly delayMs?: number
  }[]
  readonly kv: readonly { readonly key: string; readonly value?: Json; readonly ttlMs?: number }[]
  readonly emit: readonly { readonly name: string; readonly data: { readonly [key: string]: Json } }[]
  readonly tally: readonly { readonly name: string; readonly by: number }[]
  readonly metric: readonly { readonly name: string; readonly by: number }[]
}

export type RunValue = readonly Outcome[] | RouteResponse | Verdict | readonly Finding[] | null

export interface RunResult {
  readonly id: string
  /** Outcomes for actions (one an item), the answer of routes, the verdict of transforms, the findings of checks, null for the rest. */
  readonly value: RunValue
  readonly effects: GuestEffects
  readonly logs: readonly RunLog[]
  readonly logsDropped: number
  readonly cpuMs: number
  /** Of `cpuMs`: what the hub took to read its reports, without the first millisecond or so of each (`pluginReadFreeMs`). */
  readonly readingMs: number
  readonly durationMs: number
  /** Capability calls, those for http not counted. */
  readonly hostOps: number
  readonly httpCalls: number
  /** Set when the run failed: the effects are then empty, the logs are kept. */
  readonly error: HubError | null
}

export interface SandboxStats {
  readonly children: readonly {
    readonly group: string
    readonly hardened: boolean
    readonly pid: number
    readonly rssBytes: number
    readonly units: number
  }[]
  readonly units: readonly UnitStats[]
  readonly restarts: number
  readonly kills: number
}

/** A loaded unit as its process told of it last. */
export interface UnitStats {
  readonly key: string
  /** Of its isolate, with buffers outside it; measured while it was idle, so that `peak` is the most that was seen. */
  readonly heapBytes: number
  readonly heapPeakBytes: number
  /** Of the process it lives in, all its neighbours included; 0 while there is none. */
  readonly processRssBytes: number
}

export interface Sandbox {
  /** Builds the isolate, or replaces a loaded unit of the same key once the new one is up (runs in flight finish on the old). */
  load(unit: Unit): Promise<UnitSurface>
  unload(key: string): Promise<void>
  /**
   * Moves a unit into a process of its own that gives way to all others when the processor is short, or back to where it
   * belongs. Runs in flight end where they are. Rejects when it cannot be built there; it then stays where it is.
   */
  setApart(key: string, isApart: boolean): Promise<void>
  /**
   * Runs in order, one after the other, in one crossing of the process border; resolves to one result a run, in order.
   * Later runs see nothing of earlier ones but what their capability handlers show them. When a run breaches, those
   * behind it are run again in a fresh isolate.
   */
  runBatch(key: string, runs: readonly Run[]): Promise<readonly RunResult[]>
  /** Like `runBatch`, but all at once: what actions use, whose time is spent waiting for the outside. */
  runEach(key: string, run: Run): Promise<RunResult>
  stats(): SandboxStats
  close(): Promise<void>
}

export type { ActionItem, HubEvent }
