/**
 * Responses on their way to the store pass the transforms of their form, one after the other; each sees what the former
 * made. Whatever a plugin does, every response comes out at the other end in time: changed, as it was, or to be put aside.
 */
import type { Verdict } from '../contract/index.ts'
import type { FormOf } from '../delivery/ports.ts'
import { asHubError } from '../errors.ts'
import type { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Transformed, Transforms, Untransformed } from '../ingest/transforms.ts'
import type { Limits } from '../limits.ts'
import type { TransformOutcome } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import { openRunHealth } from '../runs/health.ts'
import type { RunHealth } from '../runs/health.ts'
import type { RunRecorder } from '../runs/history.ts'
import type { Aside, Store, Submission } from '../storage/store.ts'
import { changed, withFailure, withoutFailures } from './changes.ts'
import { cross, eventOf } from './crossing.ts'
import type { CrossingDeps, Ending, Link, Row, Seen } from './crossing.ts'
import { openFailureNews } from './failure-news.ts'
import type { FailureNews } from './failure-news.ts'
import { Look } from './looks.ts'
import type { Member } from './members.ts'

export interface TransformsDeps extends CrossingDeps {
  readonly members: { of(form: { readonly workspace: string; readonly id: string }): readonly Member[] }
  readonly formOf: FormOf
  readonly runs: RunRecorder
  readonly store: Pick<Store, 'noteLooks'>
  readonly limits: Limits
  readonly logger: Logger
}

/** So many runs cross at once; behind those the clock is looked at again. */
const CROSSING_RUNS_MAX = 50

type Deps = TransformsDeps & { readonly news: FailureNews; readonly health: RunHealth }

/** The chains of all forms, and an end that tells what is still to be told. */
export function openTransforms(given: TransformsDeps): Transforms & {
  /** How installations fare; for others whose runs a sender waits for, too. */
  readonly health: Pick<RunHealth, 'note'>
  close(): Promise<void>
} {
  const news = openFailureNews(given)
  const health = openRunHealth(given)
  const deps: Deps = { ...given, news, health }
  return {
    health,
    wants: (form) => deps.members.of(form).length > 0,
    apply: (input) => passAll(deps, input),
    close: () => {
      news.close()
      return health.close()
    },
  }
}

async function passAll(deps: Deps, { compiled, headers, submissions }: Untransformed): Promise<Transformed> {
  const { form } = compiled
  const { transformBatchMsMax, transformChainMsMax } = deps.limits
  const chainMs = submissions.length > 1 ? transformBatchMsMax : transformChainMsMax
  const untilMs = deps.clock.monotonicMs() + chainMs
  const rows = submissions.map((submission): Row => ({
    submission,
    passing: { data: submission.data, meta: withoutFailures(submission.meta) },
    aside: null,
    looks: [],
  }))
  const [first] = submissions
  const view = first === undefined ? undefined : await deps.formOf(eventOf(first, first))
  for (const member of deps.members.of(form)) await pass(deps, { member, compiled, headers, view, untilMs }, rows)
  return {
    submissions: rows.map(toSubmission),
    became: (all) => {
      for (const [index, { looks }] of rows.entries()) {
        const became = all[index]
        if (became == null) continue
        for (const { look, installation } of looks) {
          const { workspace, id } = installation
          look.tell(deps.runs, { installation, formId: form.id, became })
          deps.health.note({ workspace, installation: id, responseId: became.responseId, error: look.error })
        }
      }
    },
  }
}

function toSubmission({ submission, passing, aside }: Row): Submission {
  const { data, meta } = passing
  return {
    ...submission,
    data,
    meta,
    ...(data === submission.data ? {} : { received: submission.data }),
    ...(aside === null ? {} : { aside }),
  }
}

/** One transform looks at all rows that are its own and still on their way. */
async function pass(deps: Deps, link: Link, rows: readonly Row[]): Promise<void> {
  const { transform, running } = link.member
  const due = rows.filter(({ submission, passing, aside }) => {
    if (aside !== null || !transform.on.includes(submission.status)) return false
    if (running === null) return true
    const event = eventOf(submission, passing)
    return running.when.wants(event) && (running.when.matches?.(event, link.view) ?? true)
  })
  for (let from = 0; from < due.length; from += CROSSING_RUNS_MAX) {
    const slice = due.slice(from, from + CROSSING_RUNS_MAX).map((row) => ({ row, look: new Look(deps.clock) }))
    const endings = await cross(deps, link, slice)
    for (const [index, { row, look }] of slice.entries()) {
      settle(deps, link, { row, look, ending: endings[index] as Ending })
      if (running !== null) row.looks.push({ look, installation: running.installation })
    }
  }
}

/** Takes the verdict, or what is to happen without one. */
function settle(deps: Deps, link: Link, { row, look, ending }: Seen & { readonly ending: Ending }): void {
  const before = row.passing
  const { outcome, error } = 'error' in ending ? { outcome: 'failed' as const, ...ending } : taken(link, row, ending)
  deps.meter.transformed(link.member.id, outcome)
  if (error !== null) fail(deps, link.member, { row, look, error })
  look.ended({ outcome, before, after: row.passing, error })
}

/** What the verdict makes of the row; `failed` where it makes what it may not. */
function taken(
  { member, compiled, view }: Link,
  row: Row,
  { verdict }: { readonly verdict: Verdict },
): { readonly outcome: TransformOutcome; readonly error: HubError | null } {
  if (verdict.verdict !== 'keep') {
    const outcome = verdict.verdict === 'flag' ? 'flagged' : 'rejected'
    row.aside = asideOf(member, {
      verdict: outcome,
      code: verdict.verdict === 'flag' ? 'flagged' : verdict.code,
      message: verdict.verdict === 'flag' ? verdict.reason : verdict.message,
    })
    return { outcome, error: null }
  }
  try {
    const { transform, running } = member
    const pii = running?.installation.pii ?? false
    const sight = { parts: transform.data, pii, view, compiled, status: row.submission.status }
    const passing = changed(row.passing, verdict, sight)
    const isSame = passing.data === row.passing.data && passing.meta === row.passing.meta
    row.passing = passing
    return { outcome: isSame ? 'kept' : 'changed', error: null }
  } catch (refused) {
    return { outcome: 'failed', error: asHubError(refused) }
  }
}

/** Nothing is lost: it is stored as it was, or waits for somebody to look at it. The sender is told neither. */
function fail(
  { news }: Deps,
  { workspace, id, plugin, transform }: Member,
  { row, look, error }: Seen & { readonly error: HubError },
): void {
  const { whenFails } = transform
  const { code, message } = error
  const response = row.submission.responseId
  news.tell({ workspace, installation: id, plugin, run: look.id, response, code, error: message, whenFails })
  if (whenFails === 'open') row.passing = { ...row.passing, meta: withFailure(row.passing.meta, id) }
  else
    row.aside = asideOf({ id, plugin }, { verdict: 'failed', code: 'transform_failed', message: `${code}: ${message}` })
}

const asideOf = (
  { id, plugin }: Pick<Member, 'id' | 'plugin'>,
  why: Pick<Aside, 'verdict' | 'code' | 'message'>,
): Aside => ({ ...why, installation: id, plugin, eventId: newId('event') })
