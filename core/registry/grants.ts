/** What a manifest asks for, one readable line each, and whether a newer one asks for more. */
import type { Manifest } from './manifest.ts'
import { sealedSettings } from './sealed-settings.ts'

const SECRET = 'secret '
const TRANSFORM_ON = 'transform on '
const CLOSED = 'transform when it fails: closed'
/** How lock files of older programs have a transform: for all responses, whatever its policy. */
const ANY_TRANSFORM = 'transform'

/**
 * Sorted lines such as `http host api.example.com`, `event response.submitted: data`, `kv`; and `secret config.token`
 * for what the plugin's code never sees, which is a promise: there, less is what needs approval.
 */
export function grantsOf(manifest: Manifest): readonly string[] {
  const { http, email, kv, responses, emit, submit, forms, hooks } = manifest.permissions
  const lines = new Set<string>()
  for (const host of http?.hosts ?? []) lines.add(`http host ${host}`)
  for (const method of http?.methods ?? []) lines.add(`http method ${method}`)
  for (const to of email?.to ?? []) lines.add(`email to ${to}`)
  if (kv) lines.add('kv')
  if (responses) lines.add('responses')
  if (emit) lines.add('emit')
  if (submit) lines.add('submit')
  if (forms) lines.add('forms')
  if (hooks) lines.add('hooks')
  for (const [type, { data }] of Object.entries(manifest.on)) {
    lines.add(`event ${type}`)
    for (const part of data) lines.add(`event ${type}: ${part}`)
  }
  for (const [name, { data }] of Object.entries(manifest.actions)) {
    for (const part of data ?? []) lines.add(`action ${name}: ${part}`)
  }
  const { transform } = manifest
  for (const status of transform?.on ?? []) lines.add(`${TRANSFORM_ON}${status}`)
  if (transform?.whenFails === 'closed') lines.add(CLOSED)
  for (const part of transform?.data ?? []) lines.add(`transform: ${part}`)
  for (const header of transform?.headers ?? []) lines.add(`transform header ${header}`)
  for (const route of Object.keys(manifest.routes)) lines.add(`route ${route}`)
  for (const path of sealedSettings(manifest.config)) lines.add(`${SECRET}${path}`)
  return [...lines].toSorted()
}

export interface GrantDiff {
  /** Asked for now and not covered by what was granted; `read config.token` for a setting that is not sealed any more. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** An event or host that a granted wildcard already covers is nothing new; neither is one more sealed setting. */
export function diffGrants(granted: readonly string[], asked: readonly string[]): GrantDiff {
  const opened = granted.filter((line) => line.startsWith(SECRET) && !asked.includes(line))
  return {
    added: [
      ...asked.filter((line) => !line.startsWith(SECRET) && !granted.some((have) => covers(have, line))),
      ...opened.map((line) => `read ${line.slice(SECRET.length)}`),
    ],
    removed: granted.filter((line) => !line.startsWith(SECRET) && !asked.some((want) => covers(want, line))),
  }
}

function covers(have: string, want: string): boolean {
  if (have === want) return true
  if (have === ANY_TRANSFORM) return want.startsWith(TRANSFORM_ON) || want === CLOSED
  if (want === ANY_TRANSFORM) return have.startsWith(TRANSFORM_ON)
  const host = 'http host *.'
  // What the admin types into a setting may be any host, whatever the setting's name ends in.
  if (want.startsWith('http host @')) return false
  if (have.startsWith(host) && want.startsWith('http host ')) return want.endsWith(have.slice(host.length - 1))
  if (have === 'email to @data.*') return want.startsWith('email to @data.')
  if (have === 'event *') return /^event [^:]+$/.test(want)
  const anyEvent = /^event \*: (\w+)$/.exec(have)
  return anyEvent !== null && want.startsWith('event ') && want.endsWith(`: ${anyEvent[1]}`)
}

/** `+ http host evil.example`, `- kv`: for people. */
export const formatGrantDiff = (diff: GrantDiff): string =>
  [...diff.added.map((line) => `+ ${line}`), ...diff.removed.map((line) => `- ${line}`)].join('\n')
