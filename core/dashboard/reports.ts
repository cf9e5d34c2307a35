/** What browsers say they kept from running on our pages: each is a line of the hub's log, a few a second at most. */
import type { Logger } from '../observe/observe.ts'
import type { DashboardRoute } from './knock.ts'
import { isOwnPage } from './origin.ts'

export const REPORT_PATH = '/csp-reports'

const TEXT_CHARS_MAX = 500

/**
 * The sink that every page's policy names. A page of another site can send to it, too, from the browser of whoever looks there: that is
 * no report, and takes nothing of what this address may ask for.
 */
export function openReports(logger: Logger): { readonly route: DashboardRoute } {
  return {
    route: {
      method: 'POST',
      path: REPORT_PATH,
      counted: false,
      answer: async ({ incoming, body, isTooMuch }) => {
        if (!isOwnPage(incoming.headers)) return new Response(null, { status: 403 })
        if (isTooMuch()) return new Response(null, { status: 204 })
        for (const report of reportsIn(body)) logger.warn(report, 'A browser kept something from running on a page')
        return new Response(null, { status: 204 })
      },
    },
  }
}

const REPORTS_MAX = 10

/** Both forms there are: one object under `csp-report`, or a list of reports with a `body` each. */
function reportsIn(text: string): readonly Readonly<Record<string, string>>[] {
  let sent: unknown
  try {
    sent = JSON.parse(text)
  } catch {
    return []
  }
  const all = (Array.isArray(sent) ? sent : [sent]).slice(0, REPORTS_MAX)
  return all.flatMap((each) => {
    const { 'csp-report': old, body } = Object(each) as { readonly 'csp-report'?: unknown; readonly body?: unknown }
    const said = old ?? body
    return typeof said === 'object' && said !== null ? [shortened(said)] : []
  })
}

const KEPT =
  /^(?:document-?uri|violated-?directive|effective-?directive|blocked-?u(?:ri|rl)|source-?file|line-?number|(?:script-)?sample)$/i

const shortened = (said: object): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(said)
      .filter(([name]) => KEPT.test(name))
      .map(([name, value]) => [name, String(value).slice(0, TEXT_CHARS_MAX)]),
  )
