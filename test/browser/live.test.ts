/** Pages that change by themselves, in a real browser: nothing that somebody types, has marked or is at goes with what is made anew. */
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openBrowser, signedIn } from '../support/dashboard-scene.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'

let hub: Hub
let receiver: Receiver
let browser: Browser
let context: BrowserContext
let page: Page

beforeAll(async () => {
  receiver = await startReceiver(() => ({ status: 200, body: 'thanks' }))
  const config = {
    network: { allow: ['127.0.0.1/32'] },
    forms: { contact: { name: 'Contact', fields: [{ key: 'note', label: 'Note' }] } },
    installations: [
      { id: 'crm', use: 'webhooks', when: { form: 'contact' }, with: { url: receiver.url } },
      { id: 'analytics', use: 'analytics' },
    ],
  }
  ;[hub, browser] = await Promise.all([startHub({ config }), openBrowser()])
  await submitted('the first')
})
beforeEach(async () => {
  ;({ context, page } = await signedIn(browser, hub))
})
afterEach(() => context?.close())
afterAll(async () => {
  await browser?.close()
  await hub?.[Symbol.asyncDispose]()
  await receiver?.[Symbol.asyncDispose]()
})

const submitted = (note: string) => hub.api('POST', '/api/v2/forms/contact/responses', { data: { note } })
const said = () => page.locator('[data-currency] [role=status]')
const focused = () => page.evaluate<string>("document.activeElement.outerHTML.split('>')[0]")

/** Its tab is left and come back to, which is a reason to ask for the page anew. */
const turn = () =>
  page.evaluate(`for (const value of ['hidden', 'visible']) {
    Object.defineProperty(document, 'visibilityState', { configurable: true, value })
    document.dispatchEvent(new Event('visibilitychange'))
  }`)

/** The part of the page that is made anew has been. */
async function swapped(): Promise<void> {
  await page.evaluate("document.querySelector('[data-region]').dataset.old = ''")
  await turn()
  await page.locator('[data-region]:not([data-old])').waitFor()
}

test('what is typed or marked on a page stays, wherever the focus went, and the page says that it is held', async () => {
  await page.goto('/deliveries')
  const rows = page.locator('tbody tr')
  await rows.first().waitFor()
  const before = await rows.count()
  const text = page.locator('#filter-text')
  await text.fill('refused by')
  await page.getByRole('button', { name: 'Filter' }).focus()
  await submitted('while somebody types')
  await turn()
  await said()
    .getByText(/^Updates held since \d\d:\d\d:\d\d while a form is filled in$/)
    .waitFor()
  expect([await text.inputValue(), await rows.count()]).toEqual(['refused by', before])
  await text.fill('')
  await page.getByRole('button', { name: 'Filter' }).focus()
  await swapped()
  await said().getByText('Live', { exact: true }).waitFor()
  await rows.nth(before).waitFor()

  await page.getByRole('heading', { name: 'Deliveries' }).selectText()
  await turn()
  await said()
    .getByText(/^Updates held since \d\d:\d\d:\d\d while text is selected$/)
    .waitFor()
  await page.evaluate('getSelection().removeAllRanges()')
  await swapped()
  await said().getByText('Live', { exact: true }).waitFor()

  await page.locator('#filter-state').selectOption('dead')
  await page.getByRole('button', { name: 'Filter' }).focus()
  await turn()
  await said().getByText('while a form is filled in').waitFor()
})

test('whoever uses keys alone is still where they were when a page has been made anew', async () => {
  await page.goto('/')
  const figure = page.locator('a.figure', { hasText: 'Responses a minute' })
  await figure.focus()
  await submitted('another')
  await swapped()
  expect(await focused()).toBe('<a class="figure" href="/responses"')

  await page.goto('/analytics/forms/contact')
  const plots = page.locator('#series .plots')
  const tip = plots.getByRole('status')
  await plots.focus()
  await tip.waitFor()
  await page.keyboard.press('Home')
  const told = async () => (await tip.innerText()).split('\n')[0]
  const first = await told()
  await page.evaluate("document.querySelector('#series details').open = true")
  await submitted('and another')
  await swapped()
  expect([await focused(), await told()]).toEqual([expect.stringContaining('class="plots"'), first])
  expect(await page.locator('#series details').getAttribute('open')).toBe('')
})

/** Pictures of the page are made when the test says so, and what is told is counted. */
const BY_HAND = `
  frames = []
  told = 0
  requestAnimationFrame = (then) => frames.push(then)
  const { addEventListener } = EventSource.prototype
  EventSource.prototype.addEventListener = function (type, heard) {
    addEventListener.call(this, type, (event) => {
      heard(event)
      if (type === 'told') told += 1
    })
  }`

test('of many events between two pictures of the page only those that stay become rows, and all at once', async () => {
  await context.addInitScript(BY_HAND)
  await page.goto('/events?type=track.*')
  await said().getByText('Live', { exact: true }).waitFor()
  for (let from = 0; from < 600; from += 100)
    await hub.api(
      'POST',
      '/api/v2/events/track',
      Array.from({ length: 100 }, (_, n) => ({ type: 'custom', name: `of-ours-${from + n}` })),
    )
  await until('all to be told', () => page.evaluate<number>('told'), { accept: (count) => count === 600 })
  expect(await page.evaluate('frames.length')).toBe(1)
  const changes = await page.evaluate(`new Promise((done) => {
    new MutationObserver((all) => done(all.map(({ addedNodes }) => addedNodes.length))).observe(
      document.querySelector('[data-tail]'), { childList: true })
    for (const then of frames.splice(0)) then()
  })`)
  const rows = page.locator('tbody tr')
  expect([changes, await rows.count()]).toEqual([[500], 500])
  expect(await rows.first().textContent()).toContain('of-ours-599')
  expect(await rows.last().textContent()).toContain('of-ours-100')
})

const LISTS = [
  '/hooks',
  '/plugins',
  '/installations',
  '/dead-letters',
  '/quarantine',
  '/responses',
  '/deliveries',
  '/runs',
  '/forms',
]

test('every list hears of what happens, and shows it by itself', async () => {
  for (const path of LISTS) {
    const stream = page.waitForRequest((request) => request.url().includes('/events/live?'))
    await page.goto(path)
    await stream
    await said().getByText('Live', { exact: true }).waitFor()
  }
  await hub.api('POST', '/api/v2/forms', { id: 'party', name: 'Party', fields: [{ key: 'who', label: 'Who?' }] })
  await page.locator('tbody tr', { hasText: 'Party' }).waitFor()
})

test('where the session has ended, a page says so, shows nothing more of it, and leads back to itself', async () => {
  await page.goto('/deliveries?state=delivered')
  await page.locator('tbody tr').first().waitFor()
  await context.clearCookies()
  await turn()
  await said().getByText('You are signed out', { exact: true }).waitFor()
  expect(await page.locator('[data-region]').textContent()).toBe('')
  await page.locator('[data-currency]').getByRole('link', { name: 'Sign in' }).click()
  await page.fill('#key', hub.adminKey)
  await page.press('#key', 'Enter')
  await page.waitForURL(`${hub.url}/deliveries?state=delivered`)
})
