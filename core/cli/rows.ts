/** Wire shapes of answers, as far as commands show them; what else an answer holds stays in it for `--json`. */
import { z } from 'zod'

const text = z.string().nullable()

export const me = z.looseObject({ version: z.string(), workspace: z.string() })

export const readiness = z.looseObject({
  ready: z.boolean(),
  checks: z.array(z.looseObject({ name: z.string(), ok: z.boolean(), detail: text })),
})

export const configStatus = z.looseObject({
  file: text,
  in_step: z.boolean(),
  loaded_at: z.string(),
  problems: z.array(z.looseObject({ line: z.number(), column: z.number(), path: z.string(), message: z.string() })),
})

export const installationList = z.looseObject({
  items: z.array(
    z.looseObject({
      id: z.string(),
      plugin: z.string(),
      state: z.string(),
      reason: text,
      lag: z.number(),
      last_success_at: text,
      last_failure_at: text,
      last_error: text,
      breakers: z.array(z.looseObject({ host: z.string(), until: text })),
      deliveries: z.looseObject({
        pending: z.number(),
        retrying: z.number(),
        dead: z.number(),
        delivered: z.number(),
      }),
    }),
  ),
})

const deliveryRow = z.looseObject({
  id: z.string(),
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

export const deliveryPage = z.looseObject({
  items: z.array(deliveryRow),
  next_cursor: text,
  /** Of dead letters. */
  causes: z.array(z.looseObject({ reason: z.string(), count: z.number() })).optional(),
})

export const deliveryDetail = deliveryRow.extend({
  input: z.unknown(),
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
      logs: z.array(z.looseObject({ level: z.string(), message: z.string() })),
    }),
  ),
})

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

export const receipt = z.looseObject({ id: z.string(), status: z.string(), event_id: z.string() })

export const formFields = z.looseObject({
  fields: z.array(z.looseObject({ key: z.string(), type: z.string() })),
})

export const replayed = z.looseObject({ matched: z.number(), replayed: z.number() })

/** Of verbs whose answer nobody reads. */
export const anything = z.unknown()
