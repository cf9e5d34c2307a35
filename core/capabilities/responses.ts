/** Stored responses as a plugin may read them: its own workspace, and no `pii` the installation does not grant. */
import type { Json } from '../contract/index.ts'
import type { Limits } from '../limits.ts'
import type { StoredResponse, WorkspaceId } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { FormView } from '../routing/event-json.ts'
import type { Store } from '../storage/store.ts'
import type { Args } from './arguments.ts'

export interface ResponsesScope {
  readonly store: Pick<Store, 'getResponse' | 'listResponses'>
  readonly formOf: (workspace: WorkspaceId, formId: string) => Promise<FormView | undefined> | FormView | undefined
  readonly installation: Installation
  readonly limits: Pick<Limits, 'pageItemsMax' | 'pageItemsDefault'>
}

export async function getResponse(args: Args, scope: ResponsesScope): Promise<Json | undefined> {
  const response = await scope.store.getResponse(scope.installation.workspace, args.text('id', ID_CHARS_MAX))
  return response === undefined ? undefined : responseInfo(response, scope)
}

export async function listResponses(args: Args, scope: ResponsesScope): Promise<Json> {
  const since = args.optionalText('since', ID_CHARS_MAX)
  if (since !== undefined && Number.isNaN(Date.parse(since))) throw args.wrong('since has to be an RFC 3339 time')
  const limit = Math.min(
    Math.floor(args.optionalNumber('limit') ?? scope.limits.pageItemsDefault),
    scope.limits.pageItemsMax,
  )
  const page = await scope.store.listResponses(scope.installation.workspace, {
    limit: Math.max(1, limit),
    form: args.optionalText('form', ID_CHARS_MAX),
    since,
    after: args.optionalText('after', CURSOR_CHARS_MAX),
  })
  const items: Json[] = []
  for (const response of page.items) items.push(await responseInfo(response, scope))
  return { items, next: page.next }
}

const ID_CHARS_MAX = 255
const CURSOR_CHARS_MAX = 1_000

async function responseInfo(response: StoredResponse, scope: ResponsesScope): Promise<Json> {
  const { installation } = scope
  return {
    id: response.id,
    formId: response.formId,
    status: response.status,
    data: installation.pii === true ? response.data : await withoutPii(response, scope),
    submittedAt: response.submittedAt,
  }
}

/** Without its form nobody can tell what is private, so nothing is shown. The rule is the one events follow. */
async function withoutPii(
  response: StoredResponse,
  { installation, formOf }: ResponsesScope,
): Promise<{ readonly [key: string]: Json }> {
  const view = await formOf(installation.workspace, response.formId)
  if (view === undefined) return {}
  const { pii } = installation
  const hidden = new Set(view.piiKeys.filter((key) => !(Array.isArray(pii) && pii.includes(key))))
  if (hidden.size === 0) return response.data
  return Object.fromEntries(Object.entries(response.data).filter(([key]) => !hidden.has(key)))
}
