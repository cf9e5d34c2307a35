/** Whether the receiver accepts what an installation proves itself with, as far as its row tells. Pure. */
import type { InstallationRow } from '../model.ts'

/** How the reason of an installation begins that stands still since its credential was refused. */
export const CREDENTIAL_REASON = 'credential: '

/** `unknown`: nothing has gone out since it last began to run. Times are RFC 3339. */
export interface CredentialView {
  readonly state: 'ok' | 'refused' | 'unknown'
  readonly since: string
  /** What the receiver said; null unless it is refused. */
  readonly message: string | null
}

type Row = Pick<InstallationRow, 'state' | 'reason' | 'stateSince' | 'lastSuccessAt' | 'check'>

/** What went well since it last changed its state did so with the credential it has now. `check`: of these settings, or null. */
export function credentialOf({ state, reason, stateSince, lastSuccessAt, check }: Row): CredentialView {
  if (isRefused({ state, reason }))
    return { state: 'refused', since: stateSince, message: (reason ?? '').slice(CREDENTIAL_REASON.length) }
  const refusal = check?.findings.find(({ code }) => code === 'credential_refused')
  if (check !== null && refusal !== undefined && check.at > (lastSuccessAt ?? ''))
    return { state: 'refused', since: check.at, message: refusal.message }
  const checkedAt = check?.findings.every(({ level, code }) => level !== 'error' && code === undefined) ? check.at : ''
  const worked = [lastSuccessAt ?? '', checkedAt].some((at) => at >= stateSince)
  return { state: worked ? 'ok' : 'unknown', since: stateSince, message: null }
}

/** True when it stands still since its credential was refused. */
export const isRefused = ({ state, reason }: Pick<InstallationRow, 'state' | 'reason'>): boolean =>
  state === 'disabled' && reason?.startsWith(CREDENTIAL_REASON) === true
