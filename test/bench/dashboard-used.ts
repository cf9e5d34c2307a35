/** A list of the dashboard in a browser: from the click to the rows it asked for painted, beside the same without the script that swaps pages. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { openBrowser, signedIn } from '../support/dashboard-scene.ts'
import type { Hub } from '../support/hub.ts'
import { figure, printTable } from './report.ts'
import type { Verdict } from './report.ts'
import { median } from './statistics.ts'

const INTERACTION_MS_MAX = 100

/**
 * In every page: from a click until the page it leads to is there and has been painted, in milliseconds, under `took`. What was begun
 * on one page may end on another one, so it is kept with the tab.
 */
const CLOCK = `(() => {
  const page = () => document.querySelector('main h1')
  const painted = (startMs) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => sessionStorage.setItem('took', String(Date.now() - startMs))
    port2.postMessage(0)
  })
  const wait = (isThere, startMs) => {
    if (!isThere()) return requestAnimationFrame(() => wait(isThere, startMs))
    sessionStorage.removeItem('clicked')
    painted(startMs)
  }
  const clicked = sessionStorage.getItem('clicked')
  if (clicked !== null) wait(() => document.readyState !== 'loading' && page() !== null, Number(clicked))
  addEventListener('click', () => {
    const [startMs, from, old] = [Date.now(), location.href, page()]
    sessionStorage.removeItem('took')
    sessionStorage.setItem('clicked', String(startMs))
    wait(() => location.href !== from && page() !== old, startMs)
  }, true)
})()`

/** Not at once again: asking is work for the browser, too. */
const ASK_MS = 250
const TOOK = "sessionStorage.getItem('took')"

async function timed(page: Page, click: () => Promise<void>): Promise<number> {
  await page.evaluate("sessionStorage.removeItem('took')")
  await click()
  for (;;) {
    await sleep(ASK_MS)
    // Between two pages there is nobody to ask.
    const took = await page.evaluate<string | null>(TOOK).catch(() => null)
    if (took !== null) return Number(took)
  }
}

/** What people do in a list, one after the other; each begins where the one before ended. */
const ACTS = ['next page', 'previous page', 'filter', 'open a row'] as const

async function round(page: Page, path: string, times: Map<string, number[]>): Promise<void> {
  await page.goto(path)
  const clicks: Record<(typeof ACTS)[number], () => Promise<void>> = {
    'next page': () => page.locator('[rel=next]').click(),
    'previous page': () => page.locator('[rel=prev]').click(),
    filter: async () => {
      await page.locator('#filter-since').fill('2020-01-01')
      await page.getByRole('button', { name: 'Filter' }).click()
    },
    'open a row': () => page.locator('tbody tr').nth(3).getByRole('link').first().click(),
  }
  for (const act of ACTS) times.set(act, [...(times.get(act) ?? []), await timed(page, clicks[act])])
}

/** Rounds of both, in turns, so that whatever else the machine does hits both. */
export async function usedInBrowser(hub: Hub, rows: number, repeats: number): Promise<readonly Verdict[]> {
  const browser = await openBrowser()
  try {
    const ways = await Promise.all(
      ['swapped', 'loaded'].map(async (way) => {
        const { context, page } = await signedIn(browser, hub)
        await context.addInitScript(CLOCK)
        if (way === 'loaded') await context.route('**/assets/move.*', (route) => route.abort())
        return { page, times: new Map<string, number[]>() }
      }),
    )
    const verdicts: Verdict[] = []
    for (const path of ['/responses?form=bench', '/deliveries']) {
      for (const { times } of ways) times.clear()
      for (let n = 0; n < repeats; n += 1) for (const { page, times } of ways) await round(page, path, times)
      const [swapped, loaded] = ways.map(
        ({ times }) =>
          (act: string) =>
            median(times.get(act) ?? []),
      ) as [(act: string) => number, (act: string) => number]
      printTable(
        `${path} in a browser with ${figure(rows)} rows behind it, from the click to the page painted, median of ${repeats}, ms`,
        ['act', 'swapped', 'loaded'],
        ACTS.map((act) => [act, figure(swapped(act)), figure(loaded(act))]),
      )
      verdicts.push(
        ...ACTS.map((act) => ({
          what: `${figure(rows)} rows behind ${path}: ${act}`,
          value: swapped(act),
          budget: INTERACTION_MS_MAX,
          sense: 'max' as const,
          unit: 'ms',
        })),
      )
    }
    return verdicts
  } finally {
    await browser.close()
  }
}
