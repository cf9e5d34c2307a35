/**
 * Makes a picture of every screen in both themes, wide and narrow, for somebody to look at:
 * `node_modules/.bin/node test/browser/screenshots.ts [folder]`, by default `.screenshots`, which git ignores.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openBrowser, openScene, signedIn } from '../support/dashboard-scene.ts'

const folder = process.argv[2] ?? '.screenshots'
const WIDTHS = [1_280, 360] as const
const THEMES = ['light', 'dark'] as const

await mkdir(folder, { recursive: true })
await using scene = await openScene()
await scene.fill()
await scene.changePlugin('for a picture')
const browser = await openBrowser()
const { context, page } = await signedIn(browser, scene.hub)
/** Of what was filled in, with charts. */
const FILLED = [
  '/forms/comma-survey',
  '/forms/comma-survey/edit',
  '/responses?form=comma-survey&column=oxford&column=age&column=region',
  '/analytics/forms/comma-survey',
  '/analytics/forms/thanksgiving-2015',
  '/analytics/question',
  '/analytics/question?about=form:comma-survey&by=age&split=oxford',
  '/analytics/question?about=events&by=occurred_at&bucket=hour',
  `/analytics/sql?sql=${encodeURIComponent('SELECT path, count(*) AS views FROM events GROUP BY 1 ORDER BY 2 DESC LIMIT 12')}`,
  '/analytics/funnel',
  '/analytics/funnel?step1=/&step2=/projects/*&step3=/presentations/*&breakdown=device&window=none',
]
for (const path of [...(await scene.paths(context)).map((looked) => looked.path), ...FILLED]) {
  const name =
    path === '/'
      ? 'overview'
      : path
          .slice(1)
          .replaceAll(/[^\w]+/g, '-')
          .slice(0, 60)
  await page.goto(path)
  for (const colorScheme of THEMES) {
    await page.emulateMedia({ colorScheme })
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 860 })
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${width}.png`), fullPage: true })
    }
  }
  process.stderr.write(`${path}\n`)
}
await context.close()
await browser.close()
