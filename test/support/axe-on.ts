/** What axe says of a page in a browser. */
import axe from 'axe-core'
import type { Page } from 'playwright-core'

interface Axed {
  readonly axe: { run(place: string, options: object): Promise<{ violations: Finding[] }> }
}

interface Finding {
  readonly impact: string | null
  readonly id: string
  readonly nodes: readonly { readonly html: string }[]
}

/** What axe finds that would keep somebody out; around the page itself all are alike, so the first one stands for them. */
export async function findings(page: Page, rules: object = ALL): Promise<readonly string[]> {
  if (!(await page.evaluate<boolean>("'axe' in globalThis"))) await page.evaluate(axe.source)
  const where = new URL(page.url()).pathname !== '/' && (await page.locator('main').count()) > 0 ? 'main' : 'html'
  const found = await page.evaluate(
    async ([place, which]) =>
      (
        await (globalThis as unknown as Axed).axe.run(place as string, {
          resultTypes: ['violations'],
          ...(which as object),
        })
      ).violations,
    [where, rules],
  )
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ''}`)
}

const ALL = { runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] } }
/** All that another theme changes. */
export const OF_COLOURS = { runOnly: { type: 'rule', values: ['color-contrast'] } }
/** Three quarters of the time go into colours, which are the same at every width. */
export const WITHOUT_COLOURS = { ...ALL, rules: { 'color-contrast': { enabled: false } } }
