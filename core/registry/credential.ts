/** Whether the receiver accepts what an installation proves itself with, as far as its row tells. Pure. */
import { ERRORS, isErrorCode } from '../errors.ts'
import type { Refusal } from '../delivery/ports.ts'
import type { Checked, CheckFinding, InstallationRow } from '../model.ts'

/** How the reason of an installation begins that stands still since its credential was refused. */
const CREDENTIAL_REASON = 'credential: '

/** How it begins where something else of its settings has to be mended. */
const SETTINGS_REASON = 'settings: '

/** The reason of an installation that stands still for this. */
export const refusalReason = ({ code, message }: Refusal): string =>
  `${code === 'credential_refused' ? CREDENTIAL_REASON : SETTINGS_REASON}${message}`

/** The beginning of such a reason, which says what kind of thing has to be mended; null of any other reason. */
export const refusalKind = (reason: string): string | null =>
  [CREDENTIAL_REASON, SETTINGS_REASON].find((begins) => reason.startsWith(begins)) ?? null

/** True when it stands still until the admin has mended its settings, of which the credential is one. */
export const isHeld = ({ state, reason }: Pick<InstallationRow, 'state' | 'reason'>): boolean =>
  state === 'disabled' && refusalKind(reason ?? '') !== null

/** `unknown`: nothing has gone out since it last began to run. Times are RFC 3339. */
export interface CredentialView {
  readonly state: 'ok' | 'refused' | 'unknown'
  readonly since: string
  /** What the receiver said; null unless it is refused. */
  readonly message: string | null
}

type Row = Pick<InstallationRow, 'state' | 'reason' | 'stateSince' | 'provenAt' | 'check'>

/** What a receiver took since it last changed its state it took with the credential it has now. `check`: of these settings, or null. */
export function credentialOf({ state, reason, stateSince, provenAt, check }: Row): CredentialView {
  if (isRefused({ state, reason }))
    return { state: 'refused', since: stateSince, message: (reason ?? '').slice(CREDENTIAL_REASON.length) }
  const refusal = check?.findings.find(({ code }) => code === 'credential_refused')
  if (check !== null && refusal !== undefined && check.at > (provenAt ?? ''))
    return { state: 'refused', since: check.at, message: refusal.message }
  const checkedAt = check?.findings.every(({ level, code }) => level !== 'error' && code === undefined) ? check.at : ''
  const worked = [provenAt ?? '', checkedAt].some((at) => at >= stateSince)
  return { state: worked ? 'ok' : 'unknown', since: stateSince, message: null }
}

/** True when it stands still since its credential was refused. */
const isRefused = ({ state, reason }: Pick<InstallationRow, 'state' | 'reason'>): boolean =>
  state === 'disabled' && reason?.startsWith(CREDENTIAL_REASON) === true

/** A check beside what came after it; `config`: the settings it looked at, secrets as references. */
interface Looked {
  readonly check: Pick<Checked, 'at' | 'findings'>
  readonly provenAt: string | null
  readonly config: unknown
}

/**
 * What still stands of it: what a receiver took later shows that it answers, and accepts the credential. What it
 * found of other settings stands.
 */
export function standingFindings({ check, provenAt, config }: Looked): readonly CheckFinding[] {
  if ((provenAt ?? '') <= check.at) return check.findings
  return check.findings.filter((finding) => finding.level === 'info' || !isDisproved(finding, config))
}

const isDisproved = ({ code, at }: CheckFinding, config: unknown): boolean =>
  code === 'credential_refused' ||
  (isErrorCode(code) && ERRORS[code].act === 'vendor') ||
  (at !== undefined && holdsSecret(atPointer(config, at)))

/** RFC 6901; undefined where there is nothing. */
function atPointer(value: unknown, pointer: string): unknown {
  let inner = value
  for (const part of pointer.split('/').slice(1)) {
    if (typeof inner !== 'object' || inner === null) return undefined
    inner = (inner as Readonly<Record<string, unknown>>)[part.replaceAll('~1', '/').replaceAll('~0', '~')]
  }
  return inner
}

function holdsSecret(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.hasOwn(value, '$secret') || Object.values(value).some(holdsSecret)
}
