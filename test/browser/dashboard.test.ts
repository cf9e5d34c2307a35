/** The dashboard in a real browser: stories by keyboard, without scripts and on a phone; nobody's text runs; nothing is out of reach. */
import type { Browser, Page, Request, Route } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findings, OF_COLOURS, WITHOUT_COLOURS } from '../support/axe-on.ts'
import { chartsOn } from '../support/charts-on.ts'
import { openBrowser, openScene, signedIn } from '../support/dashboard-scene.ts'
import type { Scene } from '../support/dashboard-scene.ts'
import { isSwapped, SWAPPED, WAYS } from '../support/hands.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/wait.ts'

let scene: Scene
let browser: Browser

beforeAll(async () => {
  ;[scene, browser] = await Promise.all([openScene(), openBrowser()])
})
afterAll(async () => {
  await browser?.close()
  await scene?.[Symbol.asyncDispose]()
})

const isWide = (page: Page): Promise<boolean> =>
  page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')

/** Of all pages. */
const CHARTS = [
  'answer',
  'average',
  'breakdown',
  'cohorts',
  'field-kind',
  'paths',
  'series',
  'spark',
  'steps',
  'tree',
  'week',
]

/** A preview is of no origin and runs no script; here it may, so that axe can look at it, and whatever else would run. */
async function withoutSandbox(route: Route): Promise<void> {
  const response = await route.fetch()
  const { 'content-security-policy': policy = '', ...headers } = response.headers()
  await route.fulfill({ response, headers: { ...headers, 'content-security-policy': policy.replace('; sandbox', '') } })
}

test('no text of a stranger runs on any page, none keeps anybody out, in both themes, and none is wider than a phone', async () => {
  const { context, page } = await signedIn(browser, scene.hub)
  const refused: string[] = []
  page.on(
    'console',
    (message) => void (/Content Security Policy|Trusted/.test(message.text()) && refused.push(message.text())),
  )
  page.on('dialog', (dialog) => void dialog.dismiss().then(() => refused.push('a dialog')))
  await context.exposeFunction('hacked', () => refused.push('hacked'))
  await context.route(/\/preview$/, withoutSandbox)
  const charts = new Set<string>()
  for (const { path, status } of await scene.paths(context)) {
    await page.setViewportSize({ width: 1_280, height: 860 })
    await page.emulateMedia({ colorScheme: 'light' })
    const answer = await page.goto(path)
    expect([path, answer?.status()]).toEqual([path, status])
    expect([path, await findings(page)]).toEqual([path, []])
    const { whole, faults } = await chartsOn(page)
    expect([path, faults]).toEqual([path, []])
    for (const chart of whole) charts.add(chart)
    await page.emulateMedia({ colorScheme: 'dark' })
    expect([path, 'dark', await findings(page, OF_COLOURS)]).toEqual([path, 'dark', []])
    for (const width of [1_280, 1_100, 900, 768, 360]) {
      await page.setViewportSize({ width, height: 740 })
      expect([path, width, await isWide(page)]).toEqual([path, width, false])
    }
    expect([path, 'on a phone', await findings(page, WITHOUT_COLOURS)]).toEqual([path, 'on a phone', []])
    expect([path, 'on a phone', (await chartsOn(page)).faults]).toEqual([path, 'on a phone', []])
  }
  expect([...charts].toSorted()).toEqual(CHARTS)
  // Nor where a script puts a page in the place of another one.
  await page.setViewportSize({ width: 1_280, height: 860 })
  for (const where of SWAPPED) expect([where, await isSwapped(page, where)]).toEqual([where, true])
  expect(refused).toEqual([])
  expect(scene.hub.logs.filter(({ msg }) => msg === 'A browser kept something from running on a page')).toEqual([])
  await context.close()
}, 180_000)

test('the policy would keep a script from running, and says so', async () => {
  const { context, page } = await signedIn(browser, scene.hub)
  await page.evaluate(
    "document.body.append(Object.assign(document.createElement('img'), { src: 'https://elsewhere.example/x.png' }))",
  )
  await until('the report', () =>
    scene.hub.logs.find(({ msg }) => msg === 'A browser kept something from running on a page'),
  )
  await context.close()
})

const LOG = '/events?type=response.*'
const isStream = (request: Request): boolean => request.url().includes('/events/live')
const submitted = (note: string) => scene.hub.api('POST', '/api/v2/forms/contact/responses', { data: { note } })

test('what happens shows up on the log by itself, from the moment the page was made', async () => {
  const { context, page } = await signedIn(browser, scene.hub)
  // Once, and before the stream that the page asks for is there.
  await page.route(
    '**/events/live?**',
    async (route) => {
      await submitted('<b>in between</b>')
      await route.continue()
    },
    { times: 1 },
  )
  await page.goto(LOG)
  const first = page.locator('tbody tr').first()
  await first.filter({ hasText: '<b>in between</b>' }).waitFor()
  await page.getByRole('status').getByText('Live').waitFor()
  await submitted('<b>just now</b>')
  await first.filter({ hasText: '<b>just now</b>' }).waitFor()
  expect(await page.locator('tbody tr', { hasText: 'in between' }).count()).toBe(1)
  // Types are anybody's: whoever looks at all of the log sees those that the hub does not know, too.
  await page.goto('/events')
  await page.getByRole('status').getByText('Live').waitFor()
  await scene.hub.api('POST', '/api/v2/events/track', [{ type: 'custom', name: 'of_our_own' }])
  await first.filter({ hasText: 'track.custom' }).waitFor()
  await page.goto(LOG)
  await first.getByRole('link').click()
  await page.getByRole('heading', { name: 'response.submitted' }).waitFor()
  await context.close()
})

/** As if its tab were left, or come back to. */
const turn = (page: Page, to: 'hidden' | 'visible') =>
  page.evaluate(`if (document.visibilityState !== '${to}') {
    Object.defineProperty(document, 'visibilityState', { configurable: true, value: '${to}' })
    document.dispatchEvent(new Event('visibilitychange'))
  }`)

test('a page holds no connection while it is hidden or told to stand still, and shows then what it missed', async () => {
  const { context, page } = await signedIn(browser, scene.hub)
  const opened = page.waitForRequest(isStream)
  await page.goto(LOG)
  await opened
  const state = page.locator('[data-currency]')
  const first = page.locator('tbody tr').first()
  const ended = () => page.waitForEvent('requestfailed', isStream)
  await Promise.all([ended(), turn(page, 'hidden')])
  await submitted('while nobody looked')
  await turn(page, 'visible')
  await first.filter({ hasText: 'while nobody looked' }).waitFor()
  await state.getByText('Live').waitFor()

  await Promise.all([ended(), state.getByRole('button', { name: 'Hold updates' }).click()])
  await submitted('while it stood still')
  await state.getByText(/^Updates held since \d\d:\d\d:\d\d$/).waitFor()
  expect(await first.textContent()).toContain('while nobody looked')
  await state.getByRole('button', { name: 'Follow again' }).click()
  await first.filter({ hasText: 'while it stood still' }).waitFor()
  await state.getByText('Live').waitFor()
  await context.close()
})

test('a page that hears nothing more says since when, and mends itself', async () => {
  await using wire = await startTcpProxy({ port: Number(new URL(scene.hub.url).port) })
  const { context, page } = await signedIn(browser, { ...scene.hub, url: `http://127.0.0.1:${wire.port}` })
  await page.goto(LOG)
  const state = page.locator('[data-currency]')
  await state.getByText('Live').waitFor()
  // The stream breaks off; then what is asked for anew is not there.
  for (const note of ['missed by the stream', 'missed while hidden']) {
    if (note.endsWith('hidden')) await turn(page, 'hidden')
    wire.hangUp()
    await turn(page, 'visible')
    await state.getByText(/^Not current since \d\d:\d\d:\d\d$/).waitFor()
    await submitted(note)
    wire.heal()
    await page.locator('tbody tr', { hasText: note }).waitFor()
    await state.getByText('Live').waitFor()
  }
  await context.close()
})

test.each(WAYS)(
  '$name: what a plugin asks for is seen and approved',
  async (way) => {
    await scene.changePlugin(way.name)
    const state = async () => (await scene.hub.api<{ state: string }>('GET', '/api/v2/plugins/hey')).body.state
    await until('it to wait', async () => (await state()) === 'needs-approval')
    const { context, page } = await signedIn(browser, scene.hub, way.options)
    const todo = page.locator('.todos li', { hasText: 'asks for more than it was granted' })
    expect(await page.evaluate("document.querySelector('.todos').getBoundingClientRect().top < innerHeight / 2")).toBe(
      true,
    )
    await way.press(todo.getByRole('link', { name: 'Look' }))
    expect(await page.locator('.diff').textContent()).toContain('code:')
    expect(await isWide(page)).toBe(false)
    await way.press(page.getByRole('button', { name: /^Approve/ }))
    await page.getByRole('status').filter({ hasText: 'Approved' }).waitFor()
    expect(await state()).toBe('loaded')
    await context.close()
  },
  120_000,
)

test('without scripts everything can be read, searched and replayed', async () => {
  const { context, page } = await signedIn(browser, scene.hub, { javaScriptEnabled: false })
  await page.getByRole('link', { name: 'Deliveries', exact: true }).click()
  // On a phone rows come first, and what sorts them out is one touch away.
  await page.setViewportSize({ width: 360, height: 740 })
  expect(await page.locator('#filter-state').isVisible()).toBe(false)
  await page.getByText('Filters', { exact: true }).click()
  await page.selectOption('#filter-state', 'dead')
  await page.getByRole('button', { name: 'Filter' }).click()
  await page.getByText('Filters: State', { exact: true }).waitFor()
  await page.locator('tbody a').first().click()
  await page.setViewportSize({ width: 1_280, height: 860 })
  await page.getByRole('button', { name: 'Replay' }).click()
  expect(await page.locator('.flash').textContent()).toContain('It is due now')
  await page.getByRole('link', { name: 'Responses', exact: true }).click()
  await page.locator('tbody a').first().click()
  await page.getByRole('heading', { name: 'What came of it' }).waitFor()
  await context.close()
})

test.each(WAYS)(
  '$name: a funnel is built, saved and shown to somebody who has no key',
  async (way) => {
    const { context, page } = await signedIn(browser, scene.hub, way.options)
    const save = page.getByRole('button', { name: 'Save', exact: true })
    await way.go(page, 'Funnels')
    await way.fill(page.getByLabel('First'), '/')
    await way.fill(page.getByLabel('then (2)'), '/pricing')
    await way.press(page.getByRole('button', { name: 'Follow them' }))
    await page.getByText('Of 3 visitors 2 came through').waitFor()
    // On a phone the answer comes first.
    expect(await page.getByLabel('First').isVisible()).toBe(way === WAYS[0])
    await way.fill(page.getByLabel('Name', { exact: true }), 'To the prices')
    await way.press(save)
    await way.press(page.getByRole('link', { name: 'Name, note and links' }))
    await way.fill(page.getByLabel('Note'), 'Since the new first page')
    await way.press(save)
    await way.press(page.getByRole('button', { name: 'Make a link' }))
    const link = (await page.locator('.lead a').textContent()) ?? ''
    await context.close()
    const stranger = await browser.newContext({ viewport: { width: 360, height: 740 } })
    const other = await stranger.newPage()
    await other.goto(link)
    await other.getByRole('heading', { name: 'To the prices' }).waitFor()
    await other.getByText('Since the new first page').waitFor()
    await other.getByText('Of 3 visitors 2 came through').waitFor()
    expect(await other.locator('.bar:visible').count()).toBeGreaterThan(0)
    await other.getByText('Numbers').first().click()
    await other.getByRole('cell', { name: '66.7 %' }).first().waitFor()
    expect([await isWide(other), await other.locator('nav').count()]).toEqual([false, 0])
    await stranger.close()
  },
  120_000,
)

test('a line tells what it is at the place under the pointer, and to the arrow keys; what that takes is loaded then', async () => {
  const { context, page } = await signedIn(browser, scene.hub)
  const loaded: string[] = []
  page.on('request', (request) => void loaded.push(new URL(request.url()).pathname))
  await page.goto('/analytics/forms/contact')
  const plots = page.locator('#series .plots')
  await plots.waitFor()
  expect(await page.locator('#series tbody tr').count()).toBeGreaterThan(1)
  expect(loaded.filter((path) => path.startsWith('/assets/chart.'))).toEqual([])
  const box = await plots.boundingBox()
  await page.mouse.move((box?.x ?? 0) + (box?.width ?? 0) - 14, (box?.y ?? 0) + 40)
  await until('the script', () => loaded.some((path) => path.startsWith('/assets/chart.')))
  const tip = plots.getByRole('status')
  const cells = await page.locator('#series tbody tr:last-child td').allTextContents()
  await until(
    'the last place',
    async () => {
      await page.mouse.move((box?.x ?? 0) + (box?.width ?? 0) - 13, (box?.y ?? 0) + 41)
      return (await tip.count()) > 0 && (await tip.isVisible()) ? await tip.innerText() : ''
    },
    { accept: (text) => text === cells.join('\ncompleted ') },
  )
  await page.mouse.move(1, 1)
  await tip.waitFor({ state: 'hidden' })
  await plots.focus()
  expect(await plots.getAttribute('aria-label')).toMatch(/^Completed, by \w+: a chart/)
  await page.keyboard.press('Home')
  const first = await page.locator('#series tbody tr:first-child td').allTextContents()
  expect(await tip.innerText()).toBe(first.join('\ncompleted '))
  await page.keyboard.press('Escape')
  await tip.waitFor({ state: 'hidden' })
  await context.close()
})

test('a form is seen as its respondents see it, as it is typed', async () => {
  const { context, page } = await signedIn(browser, scene.hub)
  await page.goto('/forms/new')
  await page.getByLabel('Name', { exact: true }).fill('Party')
  await page.getByLabel('Label').fill('Who comes?')
  const preview = page.frameLocator('iframe.preview:not([hidden])')
  await preview.getByRole('heading', { name: 'Party' }).waitFor()
  await preview.getByLabel('Who comes?').waitFor()
  const [id, added] = [page.getByLabel('Id', { exact: true }), page.locator('#key-1')]
  expect(await id.inputValue()).toBe('party')
  await page.getByRole('button', { name: 'Add a field' }).click()
  await preview.getByLabel('Who comes?').waitFor()
  const missing = page.locator('[data-missing]')
  await page.getByRole('group', { name: 'Field 2' }).getByLabel('Label').fill('What do you ea')
  await preview.getByLabel('What do you ea').waitFor()
  expect(await added.inputValue()).toBe('what_do_you_ea')
  await page.getByRole('group', { name: 'Field 2' }).getByLabel('Type').selectOption('select')
  await missing.filter({ hasText: 'Field 2 (what_do_you_ea)' }).waitFor()
  expect(await preview.getByLabel('What do you ea').isVisible()).toBe(true)
  await page.getByRole('group', { name: 'Field 2' }).getByLabel('Label').fill('What do you eat?')
  await until('the key', () => added.inputValue(), { accept: (key) => key === 'what_do_you_eat' })
  await added.fill('food')
  await page.getByRole('group', { name: 'Field 2' }).getByLabel('Choices', { exact: true }).fill('meat')
  await preview.locator('select[name=food]').waitFor()
  await missing.waitFor({ state: 'hidden' })
  await page.goBack()
  await page.goBack()
  expect(new URL(page.url()).pathname).toBe('/')
  await context.close()
})

test('what can be chosen follows what was chosen, and what was typed meanwhile stays', async () => {
  const { context, page } = await signedIn(browser, scene.hub)
  await page.goto('/analytics/question')
  const clause = (name: string) => page.getByRole('group', { name, exact: true })
  await clause('When').getByLabel('Time zone').fill('UTC')
  await page.getByLabel('Of', { exact: true }).focus()
  await page.getByLabel('Of', { exact: true }).selectOption('form:contact')
  await clause('By').locator('option[value=kind]').first().waitFor({ state: 'attached' })
  expect(await page.locator('#filter-about:focus').inputValue()).toBe('form:contact')
  expect(await clause('When').getByLabel('Time zone').inputValue()).toBe('UTC')
  await clause('Only where').getByLabel('Field').selectOption('kind')
  await clause('Only where').getByLabel('Value').locator('option[value=a]').waitFor({ state: 'attached' })
  expect(new URL(page.url()).search).toBe('')
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  await page.locator('#answer').waitFor()
  await context.close()
})

test('by keyboard alone, without scripts: whoever moves a field is still at it', async () => {
  const { context, page } = await signedIn(browser, scene.hub, { javaScriptEnabled: false })
  await page.goto('/forms/new')
  for (let at = 1; at < 8; at += 1) {
    await page.getByRole('button', { name: 'Add a field' }).press('Enter')
    await page.locator(`#label-${at}:focus`).fill(`field_${at}`)
  }
  await page.getByRole('group', { name: 'Field 8' }).getByRole('button', { name: 'Up' }).press('Enter')
  expect(await page.locator('#label-6:focus').inputValue()).toBe('field_7')
  await page.getByRole('group', { name: 'Field 7' }).getByRole('button', { name: 'Remove' }).press('Enter')
  expect(await page.locator('#label-6:focus').inputValue()).toBe('field_6')
  await context.close()
})

test('what comes in is on the first page without a reload', async () => {
  const { context, page } = await signedIn(browser, scene.hub)
  const shown = page.locator('.figure', { hasText: 'Responses a minute' })
  const before = (await shown.textContent()) ?? ''
  await scene.hub.api('POST', '/api/v2/forms/contact/responses', { data: { note: 'seen' } })
  await page.waitForFunction(
    (old) =>
      [
        ...(
          globalThis as unknown as { document: { querySelectorAll(of: string): Iterable<{ textContent: string }> } }
        ).document.querySelectorAll('.figure'),
      ][0]?.textContent !== old,
    before,
  )
  await context.close()
})

test('a first page is light: what a browser loads for it that has never been here', async () => {
  const { context: before } = await signedIn(browser, scene.hub)
  // Only the session: of what was loaded to sign in, nothing is loaded again.
  const context = await browser.newContext({ baseURL: scene.hub.url, storageState: await before.storageState() })
  await before.close()
  const page = await context.newPage()
  // Sizes are asked for once all has come: of a page one has moved on from there is no body to read.
  const finished: Request[] = []
  page.on('requestfinished', (request) => void finished.push(request))
  await page.goto('/', { waitUntil: 'networkidle' })
  const sizes = new Map<string, number>()
  for (const request of finished) {
    const path = new URL(request.url()).pathname.replace(/\.\w{12}\./, '.')
    // The icon is asked for twice, and the second time there is nothing to load.
    sizes.set(path, Math.max((await request.sizes()).responseBodySize, sizes.get(path) ?? 0))
  }
  for (const path of ['/', '/assets/style.css', '/assets/live.js', '/assets/icon.svg'])
    expect([path, (sizes.get(path) ?? 0) > 0]).toEqual([path, true])
  const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  process.stderr.write(`A first page: ${bytes} bytes, ${[...sizes].map((each) => each.join(' ')).join(', ')}\n`)
  expect(bytes).toBeLessThan(60_000)
  await context.close()
})
