/**
 * A JIRA issue for each response. JIRA has no idempotency key, so each issue carries its delivery's id as a label, which is
 * looked for when an attempt may be a repeat. JIRA finds a new issue after a moment, not at once: an attempt whose answer
 * was lost and that is repeated within this moment makes a second issue. Both carry the same label.
 */
import { classify, dead, definePlugin, delivered } from 'manifold/plugin'
import type { ContextOf, HttpResponse, ItemOf, Json, Outcome } from 'manifold/plugin'
import { documentOf, rendered } from './document.ts'
import type { Plugin } from './types.d.ts'

type Item = ItemOf<Plugin, 'create'>
type Ctx = ContextOf<Plugin>

export default definePlugin<Plugin>({
  actions: {
    create: {
      run: async ([item], ctx) => {
        if (item?.event === undefined) return dead('event_erased', 'The response was deleted.')
        if (item.delivery.repeat) {
          const found = await findIssue(item, ctx)
          if (found !== null) return found
        }
        return outcomeOf(await ask(ctx, '/rest/api/3/issue', { fields: fieldsOf(item, item.event, ctx) }))
      },
    },
  },
})

function fieldsOf({ delivery }: Item, event: NonNullable<Item['event']>, { config }: Ctx): Json {
  return {
    project: { key: config.project },
    issuetype: { name: config.issueType },
    // JIRA takes one line of 255 characters.
    summary: rendered(config.summary, event).replaceAll(/\s+/g, ' ').trim().slice(0, 255) || 'New response',
    description: documentOf(rendered(config.description, event)),
    labels: [...config.labels, delivery.id],
  }
}

/** What became of an attempt before; null: go on. */
async function findIssue({ delivery }: Item, ctx: Ctx): Promise<Outcome | null> {
  const jql = `project = "${ctx.config.project}" AND labels = "${delivery.id}"`
  const answer = await ask(ctx, '/rest/api/3/search/jql', { jql, fields: ['key'], maxResults: 1 })
  if (answer.status !== 200) return outcomeOf(answer)
  const { issues = [] } = answer.json() as { issues?: { key: string }[] }
  return issues[0] === undefined ? null : delivered({ issue: issues[0].key, found: true })
}

const ask = ({ http, config }: Ctx, path: string, json: Json): Promise<HttpResponse> =>
  http({
    method: 'POST',
    url: new URL(path, config.site).href,
    // The hub joins and encodes it: the token is never seen here.
    headers: { authorization: ['Basic ', { $base64: [`${config.email}:`, config.token] }], accept: 'application/json' },
    json,
  })

function outcomeOf(answer: HttpResponse): Outcome {
  const { status, body } = answer
  if (status === 201) return delivered({ issue: (answer.json() as { key: string }).key })
  if (status === 401 || status === 403)
    return dead('config_invalid', `JIRA answered ${status}: the token is not valid, or may not do this. ${body}`)
  if (status === 400 || status === 404) return dead('rejected', `JIRA answered ${status}: ${body}`)
  return classify(answer)
}
