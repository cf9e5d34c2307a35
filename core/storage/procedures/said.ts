/** What an installation repeats of the words that were said of its deliveries: its last error, why it stands still, its alerts. */
import { refusalKind } from '../../registry/credential.ts'
import type { WorkspaceId } from '../../model.ts'
import { allMany, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'

/** A delivery whose words are to go. */
export interface SaidOf {
  readonly id: string
  readonly installation: string
  readonly error_code: string | null
}

/** Nothing leads from the installation to their words any more. */
export function* eraseSaid(workspace: WorkspaceId, deliveries: readonly SaidOf[]): Procedure<void> {
  // What was said before anybody kept whose words they are may be of any of them. The code stays.
  yield* runMany(
    `UPDATE installations SET last_error = NULL, last_error_delivery = NULL
      WHERE workspace = ? AND id = ? AND last_error IS NOT NULL AND coalesce(last_error_delivery, ?) = ?`,
    deliveries.map(({ id, installation }): SqlValue[] => [workspace, installation, id, id]),
  )
  yield* eraseReasons(deliveries.map((delivery) => ({ ...delivery, workspace })))
}

/** A delivery that repeats the words of a run that it shared. */
export interface Repeating extends SaidOf {
  readonly workspace: WorkspaceId
  readonly response_id: string | null
  readonly error: string
}

/** Of an installation that repeats them as those of one of these; words of another run of theirs stay. */
export function* eraseRepeated(deliveries: readonly Repeating[]): Procedure<void> {
  yield* runMany(
    `UPDATE installations SET last_error = NULL, last_error_delivery = NULL
      WHERE workspace = ? AND id = ? AND last_error_delivery = ? AND last_error = ?`,
    deliveries.map(({ workspace, installation, id, error }): SqlValue[] => [workspace, installation, id, error]),
  )
  const words = new Map(deliveries.map(({ id, error }) => [id, error]))
  yield* eraseReasons(deliveries, (reason, id) => reason.endsWith(words.get(id) ?? ''))
  yield* eraseAlerts(deliveries)
}

type Located = SaidOf & { readonly workspace: WorkspaceId }

/** Why an installation stands still stays known; what was said of one of these does not. */
function* eraseReasons(
  deliveries: readonly Located[],
  isMeant: (reason: string, deliveryId: string) => boolean = () => true,
): Procedure<void> {
  const codes = new Map(deliveries.map(({ id, error_code: code }) => [id, code]))
  const rows = yield* allMany<{ workspace: string; id: string; reason: string; reason_delivery: string }>(
    `SELECT workspace, id, reason, reason_delivery FROM installations
      WHERE workspace = ? AND id = ? AND reason_delivery = ? AND reason IS NOT NULL`,
    deliveries.map(({ workspace, id, installation }): SqlValue[] => [workspace, installation, id]),
  )
  yield* runMany(
    'UPDATE installations SET reason = ?, reason_delivery = NULL WHERE workspace = ? AND id = ?',
    rows
      .filter(({ reason, reason_delivery: of }) => isMeant(reason, of))
      .map(({ workspace, id, reason, reason_delivery: of }): SqlValue[] => [
        reasonLeft(reason, codes.get(of)),
        workspace,
        id,
      ]),
  )
}

/** The alerts that told of a run stand with the response of one of its deliveries; they keep all but the words. */
function* eraseAlerts(deliveries: readonly Repeating[]): Procedure<void> {
  const alerts = yield* allMany<{ seq: number; data: string; response_id: string }>(
    `SELECT seq, data, response_id FROM events
      WHERE workspace = ? AND response_id = ? AND type = 'alert.raised' AND data IS NOT NULL`,
    deliveries.flatMap(({ workspace, response_id: response }): SqlValue[][] =>
      response === null ? [] : [[workspace, response]],
    ),
  )
  const told = new Map(deliveries.map((each) => [each.response_id, each]))
  yield* runMany(
    'UPDATE events SET data = ? WHERE seq = ?',
    alerts.flatMap(({ seq, data, response_id: response }): SqlValue[][] => {
      const alert = JSON.parse(data) as { readonly installation?: string; readonly reason?: string | null }
      const of = told.get(response)
      if (of === undefined || alert.installation !== of.installation || !alert.reason?.endsWith(of.error)) return []
      return [[JSON.stringify({ ...alert, reason: reasonLeft(alert.reason, of.error_code) }), seq]]
    }),
  )
}

const WORDS_GONE = 'what the receiver said went with the delivery it was said of'

/** Of a reason what kind it is of, and nothing that anybody said. */
export function reasonLeft(reason: string, code: string | null = null): string {
  const kind = refusalKind(reason)
  if (kind !== null) return `${kind}${WORDS_GONE}`
  return code === null ? WORDS_GONE : `${code}: ${WORDS_GONE}`
}
