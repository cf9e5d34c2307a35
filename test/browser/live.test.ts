/** Pages that change by themselves, in a real browser: nothing that somebody types, has marked or is at goes with what is made anew. */
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openBrowser, signedIn } from '../support/dashboard-scene.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'

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
