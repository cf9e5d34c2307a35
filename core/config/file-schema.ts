/** The shape of `manifold.yaml`. Strict: a key that is not here is a mistake. The editor's JSON Schema is made from it. */
import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { formWireSchema } from '../ingest/form-definition.ts'
import { SCOPES } from '../model.ts'
import type { Path } from './document.ts'
import { DURATION_SHAPE, RATE_SHAPE } from './durations.ts'
import { eventsSchema } from './event-settings.ts'
import { isOpen, MAIL_URL_HELP, parseFrom, parseMailUrl } from './mail-settings.ts'
import type { OverridableLimit } from './overridable-limits.ts'
import { OVERRIDABLE_LIMITS } from './overridable-limits.ts'
import type { RetryPreset } from './retry-presets.ts'
import { RETRY_PRESETS } from './retry-presets.ts'

const ID_HELP = 'must be lower-case letters, digits, "-" and "_", starting with a letter or digit (at most 64)'
const id = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, ID_HELP)
const text = (max: number) => z.string().min(1).max(max)
const duration = z.string().regex(DURATION_SHAPE, 'must be a duration such as 500ms, 1s, 5m, 2h or 1d')
/** RFC 7518 section 3.2: at least as long as the hash. */
const SECRET_CHARS_MIN = 32
const oneOrMore = <T extends z.ZodType>(item: T) => z.union([item, z.array(item).min(1)])

/** The API's wire shape, and whose it is. */
const form = formWireSchema.extend({ workspace: id.optional() })

const retry = z.union([
  z.enum(Object.keys(RETRY_PRESETS) as RetryPreset[]),
  z
    .strictObject({
      preset: z.enum(Object.keys(RETRY_PRESETS) as RetryPreset[]).optional(),
      schedule: z.array(duration).max(50).optional(),
    })
    .refine(
      (value) => (value.preset === undefined) !== (value.schedule === undefined),
      'must have either "preset" or "schedule"',
    ),
])

/** One entry of `installations:`. What `with` may hold is the plugin's own schema. */
export const installationSchema = z.strictObject({
  id: id.describe('Its name, unique in the workspace; keep it: the cursor hangs on it.'),
  use: text(64).describe('The plugin.'),
  with: z.record(z.string(), z.unknown()).optional().describe("The plugin's settings."),
  when: z
    .strictObject({
      form: oneOrMore(text(64)).optional().describe('Only events of these forms.'),
      event: oneOrMore(text(100)).optional().describe('Only these event types.'),
      filter: z.record(z.string(), z.unknown()).optional().describe('Only events this filter matches.'),
    })
    .optional(),
  retry: retry.optional().describe('When to try again: default, {preset: standard} or {schedule: [1s, 5m]}.'),
  concurrency: z.number().int().min(1).max(1000).optional().describe('Deliveries at the same time.'),
  rate: z
    .string()
    .regex(RATE_SHAPE, 'must be a rate such as 10/s, 600/m or 1000/h')
    .optional()
    .describe('Attempts per time.'),
  order: z.enum(['none', 'fifo']).optional().describe('fifo: deliveries with one order key go one after the other.'),
  ambiguous: z.enum(['retry', 'dead']).optional().describe('What to do when it may or may not have happened.'),
  paused: z.boolean().optional(),
  from: z
    .string()
    .refine(
      (value) => value === 'beginning' || (/^\d{4}-\d\d-\d\d/.test(value) && !Number.isNaN(Date.parse(value))),
      'must be "beginning" or a time such as 2026-01-31T00:00:00Z',
    )
    .optional()
    .describe('Where a new installation starts reading the log.'),
  pii: z
    .union([z.boolean(), z.array(text(64))])
    .optional()
    .describe('Which personal fields the plugin may see.'),
  whenFails: z
    .enum(['open', 'closed'])
    .optional()
    .describe('When its transform fails: open stores the response as it was, closed puts it into quarantine.'),
  isolation: z
    .enum(['shared', 'own'])
    .optional()
    .describe('own: a process for it alone; shared: with its group. Left out, the plugin may wish.'),
  hardened: z.boolean().optional().describe('Run it where V8 makes no machine code: slower, and safer.'),
  workspace: id.optional(),
})

const limits = z.strictObject(
  Object.fromEntries(
    Object.entries(OVERRIDABLE_LIMITS).map(([name, [min, max]]) => [
      name,
      z.number().int().min(min).max(max).optional(),
    ]),
  ) as Record<OverridableLimit, z.ZodOptional<z.ZodNumber>>,
)

const publicKey = text(16_384).refine(isPublicKey, 'must be a public key in PEM (-----BEGIN PUBLIC KEY-----)')

/** One entry of `auth.jwt:`. */
const tokenIssuer = z
  .strictObject({
    issuer: text(2_048).describe('`iss` of its tokens, exactly.'),
    audience: text(2_048).describe('What `aud` of a token must name.'),
    jwks: z
      .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
      .optional()
      .describe('Where its public keys are (a JWKS document).'),
    publicKey: publicKey.optional().describe('Or its one public key (PEM).'),
    secret: z
      .string()
      .min(SECRET_CHARS_MIN, `must have at least ${SECRET_CHARS_MIN} characters`)
      .optional()
      .describe('Or a text shared with it, for HS256.'),
    scopes: z
      .array(z.enum(SCOPES))
      .min(1)
      .describe('The most its tokens may be allowed; each gets what its `scope` claim names of these.'),
    workspace: id.optional(),
  })
  .refine(
    ({ jwks, publicKey: pem, secret }) => [jwks, pem, secret].filter((each) => each !== undefined).length === 1,
    'must have one of "jwks", "publicKey" and "secret"',
  )

export type FileTokenIssuer = z.infer<typeof tokenIssuer>

/** Places of the file whose values are for nobody's eyes; what plugins keep secret, their own schemas say. */
export const holdsSecret = (path: Path): boolean =>
  (path[0] === 'auth' && path.at(-1) === 'secret') || (path[0] === 'email' && path[1] === 'url')

/** The whole file. */
export const fileSchema = z.strictObject({
  version: z.literal(1).optional().describe('Of this format.'),
  forms: z.record(id, form).optional().describe('Forms, by id. The API shows them as read-only.'),
  network: z
    .strictObject({ allow: z.array(text(64)).optional().describe('Private addresses (CIDR) that plugins may reach.') })
    .optional(),
  auth: z.strictObject({ jwt: z.array(tokenIssuer).optional().describe('Whose tokens count as API keys.') }).optional(),
  events: eventsSchema
    .optional()
    .describe('Behaviour events: who may send them, how long they are kept, more families.'),
  email: z
    .strictObject({
      url: z
        .string()
        .refine((value) => parseMailUrl(value) !== null, MAIL_URL_HELP)
        .describe('The mail server: smtp://user:password@mail.example.org:587 (STARTTLS), or smtps:// (port 465).'),
      from: z
        .string()
        .refine((value) => parseFrom(value) !== null, 'must be an address, or a name and an address in <>')
        .describe('Who e-mail is from: "Forms <forms@example.org>".'),
      tls: z
        .enum(['required', 'none'])
        .optional()
        .describe('none: the server is spoken to in the clear, for one on this machine. A password needs TLS.'),
    })
    .refine(
      ({ url, tls }) => tls !== 'none' || parseMailUrl(url) === null || isOpen(url),
      'must not have a password, nor smtps, where tls is none',
    )
    .optional()
    .describe('How plugins that are allowed to send e-mail do so.'),
  pluginDirs: z.array(text(4096)).optional().describe('More folders to look for plugins in, relative to this file.'),
  sandbox: z
    .strictObject({
      hardened: z
        .array(z.enum(['builtin', 'community']))
        .optional()
        .describe(
          'Whose plugins run where V8 makes no machine code: the ones shipped with the hub, those of strangers.',
        ),
    })
    .optional(),
  limits: limits.optional(),
  installations: z.array(installationSchema).optional(),
})

export type FileInstallation = z.infer<typeof installationSchema>
export type FileConfig = z.infer<typeof fileSchema>

function isPublicKey(pem: string): boolean {
  try {
    return createPublicKey(pem).type === 'public' && !pem.includes('PRIVATE')
  } catch {
    return false
  }
}
