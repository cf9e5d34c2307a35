/** Wire shapes of answers, as far as commands show them; what else an answer holds stays in it for `--json`. */
import { z } from 'zod'

const text = z.string().nullable()

export const me = z.looseObject({ version: z.string(), workspace: z.string() })

/** `/api/v2/sessions/links`. */
export const sessionLink = z.looseObject({ token: z.string(), expires_at: z.string() })

export const readiness = z.looseObject({
  ready: z.boolean(),
  checks: z.array(z.looseObject({ name: z.string(), ok: z.boolean(), detail: text })),
})

const configProblem = z.looseObject({
  file: z.string(),
  line: z.number(),
  column: z.number(),
  path: z.string(),
  message: z.string(),
  hint: text,
})

export const configStatus = z.looseObject({
  file: text,
  in_step: z.boolean(),
  loaded_at: z.string(),
  problems: z.array(configProblem),
  warnings: z.array(configProblem),
})
export type ConfigProblemRow = z.output<typeof configProblem>

const usageRow = z.looseObject({
  runs: z.number(),
  points: z.number(),
  points_max: z.number(),
  cpu_ms: z.number(),
  heap_bytes: z.number(),
  breaches: z.record(z.string(), z.number()),
  last_minute: z.looseObject({
    runs: z.number(),
    failed: z.number(),
    cpu_ms: z.number(),
    host_ops: z.number(),
    http_calls: z.number(),
  }),
})

export type UsageRow = z.output<typeof usageRow>

/** `/api/v2/plugins`, as far as it says what they use. */
export const pluginUsageList = z.looseObject({
  items: z.array(z.looseObject({ id: z.string(), usage: usageRow.nullable() })),
})

const finding = z.looseObject({ level: z.string(), message: z.string(), at: text, code: text })

export type FindingRow = z.output<typeof finding>

export const checked = z.looseObject({ at: text, findings: z.array(finding) })

export const installationRow = z.looseObject({
  id: z.string(),
  plugin: z.string(),
  state: z.string(),
  reason: text,
  when: z.looseObject({ forms: z.array(z.string()).nullable() }),
  pii: z.union([z.boolean(), z.array(z.string())]),
  lag: z.number(),
  last_success_at: text,
  last_failure_at: text,
  last_error: text,
  last_error_code: text,
  failure_streak: z.number(),
  oldest_waiting_at: text,
  credential: z.looseObject({ state: z.string(), since: z.string(), message: text }),
  check: checked.nullable(),
  usage: usageRow.nullable(),
  unattended: z.boolean(),
  breakers: z.array(z.looseObject({ host: z.string(), until: text })),
  deliveries: z.looseObject({
    pending: z.number(),
    retrying: z.number(),
    dead: z.number(),
    delivered: z.number(),
  }),
})

export type InstallationRow = z.output<typeof installationRow>

const goneRow = z.looseObject({
  id: z.string(),
  deliveries: z.object({ pending: z.number(), retrying: z.number(), dead: z.number() }),
})

export type GoneRow = z.output<typeof goneRow>

export const installationList = z.looseObject({
  items: z.array(installationRow),
  // A hub from before does not say it.
  gone: z.array(goneRow).default([]),
})

export const testSent = z.looseObject({ event_id: z.string(), deliveries: z.array(z.string()), why_not: text })

export const backfilled = z.looseObject({ cursor: z.number(), events: z.number() })

export const pluginList = z.looseObject({
  items: z.array(
    z.looseObject({
      id: z.string(),
      version: text,
      // A hub from before does not say whether it is gone.
      needs_approval: z
        .looseObject({ running: text, gone: z.boolean().default(false), diff: z.array(z.string()) })
        .nullable(),
    }),
  ),
})

/** `/api/v2/processes`. */
export const processList = z.looseObject({
  items: z.array(
    z.looseObject({
      id: z.string(),
      role: z.string(),
      url: text,
      version: z.string(),
      asked: z.boolean(),
      silent_ms: z.number(),
      config: z.string(),
      installations: z.array(z.string()),
    }),
  ),
})

export type ProcessRow = z.output<typeof processList>['items'][number]

const deliveryRow = z.looseObject({
  id: z.string(),
  test: z.boolean(),
  installation: z.string(),
  name: z.string(),
  kind: z.string(),
  state: z.string(),
  attempts: z.number(),
  created_at: z.string(),
  due_at: text,
  reason: text,
  error: text,
})

export type DeliveryRow = z.output<typeof deliveryRow>

export const fired = z.looseObject({ delivery: text })

export const deliveryPage = z.looseObject({
  items: z.array(deliveryRow),
  next_cursor: text,
  /** Of dead letters. */
  causes: z.array(z.looseObject({ reason: z.string(), count: z.number() })).optional(),
})

export const deadGroups = z.looseObject({
  whole: z.boolean(),
  items: z.array(
    z.looseObject({
      cause: z.string(),
      count: z.number(),
      installation: z.string(),
      reason: text,
      code: text,
      message: z.string(),
      first_at: z.string(),
      last_at: z.string(),
      example: z.looseObject({ id: z.string() }),
    }),
  ),
})

export const deliveryDetail = deliveryRow.extend({
  input: z.unknown(),
  // A hub from before does not say it.
  input_missing: text.default(null),
  attempt_log: z.array(
    z.looseObject({
      n: z.number(),
      at: z.string(),
      duration_ms: z.number(),
      outcome: z.string(),
      error: text,
      exchanges: z.array(
        z.looseObject({ method: z.string(), url: z.string(), status: z.number().nullable(), error: text }),
      ),
      logs: z.array(z.looseObject({ level: z.string(), message: z.string(), at: z.string().optional() })),
    }),
  ),
})

const logLine = z.looseObject({
  level: z.string(),
  message: z.string(),
  fields: z.record(z.string(), z.unknown()).optional(),
  at: z.string().optional(),
})

const runRow = z.looseObject({
  id: z.string(),
  installation: z.string(),
  kind: z.string(),
  name: z.string(),
  started_at: z.string(),
  duration_ms: z.number(),
  outcome: z.string(),
  error: text,
  items: z.array(z.looseObject({ outcome: text })),
  effects: z.array(z.unknown()),
  logs: z.array(logLine),
  more: z.number(),
})

export type RunRow = z.output<typeof runRow>

export const runPage = z.looseObject({ items: z.array(runRow), next_cursor: text })

const runEffect = z.discriminatedUnion('kind', [
  z.looseObject({
    kind: z.literal('enqueue'),
    action: z.string(),
    key: text,
    delivery_id: z.string(),
    delivery: z.looseObject({ state: z.string() }).nullable(),
  }),
  z.looseObject({ kind: z.literal('kv'), key: text, bytes: z.number().nullable() }),
  z.looseObject({ kind: z.literal('emit'), type: z.string(), event_id: z.string() }),
  z.looseObject({ kind: z.enum(['tally', 'metric']), name: z.string(), by: z.number() }),
  z.looseObject({ kind: z.literal('change'), part: z.string(), key: z.string(), bytes: z.number().nullable() }),
])

export const runDetail = runRow.extend({
  plugin: z.string(),
  version: z.string(),
  bundle: z.string(),
  attempt: z.number(),
  cpu_ms: z.number(),
  error_code: text,
  stack: text,
  items: z.array(z.looseObject({ event_id: text, delivery_id: text, response_id: text, outcome: text })),
  input: z.unknown(),
  input_missing: text,
  // A hub from before does not say it.
  withheld: z.array(z.string()).default([]),
  requests: z.array(
    z.looseObject({
      method: z.string(),
      url: z.string(),
      status: z.number().nullable(),
      error: text,
      duration_ms: z.number(),
    }),
  ),
  effects: z.array(runEffect),
  left_out: z.number(),
})

export type RunDetail = z.output<typeof runDetail>

const keyRow = z.looseObject({
  id: z.string(),
  name: z.string(),
  prefix: z.string(),
  scopes: z.array(z.string()),
  created_at: z.string(),
  expires_at: text,
  last_used_at: text,
  revoked_at: text,
})

export type KeyRow = z.output<typeof keyRow>

export const keyMade = keyRow.extend({ key: z.string() })

export const keyList = z.looseObject({ items: z.array(keyRow) })

const hookRow = z.looseObject({
  id: z.string(),
  source: z.string(),
  key_id: z.string(),
  state: z.string(),
  last_reason: text,
})
export type HookRow = z.output<typeof hookRow>

/** Hooks, as far as they are counted and told of. */
export const hookList = z.looseObject({ items: z.array(hookRow), next_cursor: text })

export const receipt = z.looseObject({ id: z.string(), status: z.string(), event_id: z.string() })

export const formList = z.looseObject({
  items: z.array(
    z.looseObject({ id: z.string(), fields: z.array(z.looseObject({ key: z.string(), pii: z.boolean() })) }),
  ),
  next_cursor: text,
})

export const formFields = z.looseObject({
  fields: z.array(z.looseObject({ key: z.string(), type: z.string() })),
})

export const replayed = z.looseObject({
  matched: z.number(),
  replayed: z.number(),
  next_cursor: z.string().nullable(),
})

export const discarded = z.looseObject({
  matched: z.number(),
  discarded: z.number(),
  next_cursor: z.string().nullable(),
})

export const kvPage = z.looseObject({
  items: z.array(z.looseObject({ key: z.string(), bytes: z.number(), value: z.unknown().optional() })),
  next_cursor: text,
})

export const counterPage = z.looseObject({
  items: z.array(z.looseObject({ name: z.string(), value: z.number() })),
  next_cursor: text,
})

export const quarantinedRow = z.looseObject({
  id: z.string(),
  form_id: z.string(),
  verdict: z.string(),
  reason: z.string(),
  message: text,
  installation: z.string(),
  received_at: z.string(),
  received: z.unknown(),
  data: z.unknown(),
  meta: z.unknown(),
})

export type QuarantinedRow = z.output<typeof quarantinedRow>

export const quarantinePage = z.looseObject({ items: z.array(quarantinedRow), next_cursor: text, total: z.number() })

export const released = z.looseObject({
  matched: z.number(),
  released: z.number(),
  stopped: z.looseObject({ detail: z.string() }).optional(),
})

export const storedResponse = z.looseObject({ id: z.string(), released: z.enum(['now', 'before']) })

export const eventReplay = z.looseObject({
  events: z.array(
    z.looseObject({
      event_id: z.string(),
      deliveries: z.array(z.string()),
      error: z.looseObject({ code: z.string(), detail: z.string() }).nullable(),
    }),
  ),
  left: z.number(),
})

export type EventReplay = z.output<typeof eventReplay>

/** Of verbs whose answer nobody reads. */
export const anything = z.unknown()

const alertRow = z.looseObject({
  at: z.string(),
  data: z.looseObject({
    kind: z.string(),
    installation: text.optional(),
    plugin: text.optional(),
    host: text.optional(),
    reason: text.optional(),
    todo: text.optional(),
  }),
})
export type AlertRow = z.output<typeof alertRow>
export const alertPage = z.looseObject({ items: z.array(alertRow), next_cursor: text })
