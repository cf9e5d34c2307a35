/** Two stories in a real browser, on a hub that nobody has touched, by keyboard in the dark and on a phone: from its first start to the first delivered webhook, and from a failed delivery to a mended one; and a list with much behind it. */
import type { Browser, Page, Request } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { openBrowser, signedIn } from '../support/dashboard-scene.ts'
import { WAYS } from '../support/hands.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { submitAll } from '../support/surveys.ts'

const NETWORK = { allow: ['127.0.0.1/32'] }
let hub: Hub
let receiver: Receiver
let browser: Browser

beforeAll(async () => {
  receiver = await startReceiver(({ path }) =>
    path === '/in' ? { status: 200, body: 'thanks' } : { status: 404, body: 'Send it to /in' },
  )
  ;[hub, browser] = await Promise.all([startHub({ config: { network: NETWORK } }), openBrowser()])
})
afterAll(async () => {
  await browser?.close()
  await hub?.[Symbol.asyncDispose]()
  await receiver?.[Symbol.asyncDispose]()
})

/** What somebody does who copies the piece that the page shows into the file. */
async function putIntoFile(page: Page, change: (piece: object) => object): Promise<void> {
  await page.getByText('It fits.').waitFor()
  const piece = parse((await page.locator('[role=status] pre').textContent()) ?? '') as object
  await hub.writeConfig({ network: NETWORK, ...change(piece) })
}

test.each(WAYS)(
  '$name: from the first start to the first delivered webhook',
  async (way) => {
    // The second one begins anew, too.
    await hub.writeConfig({ network: NETWORK })
    await hub.api('DELETE', '/api/v2/forms/contact')
    const id = `crm-${way === WAYS[0] ? 'one' : 'two'}`
    const seen = receiver.requests.length
    const context = await browser.newContext({ baseURL: hub.url, ...way.options })
    const page = await context.newPage()
    const { body } = await hub.api<{ token: string }>('POST', '/api/v2/sessions/links')
    await page.goto(`/sign-in/${body.token}`)
    await way.press(page.getByRole('button', { name: 'Sign in' }))
    await way.press(page.locator('.todos li', { hasText: 'Let something come in.' }).getByRole('link'))
    await way.fill(page.getByLabel('Name', { exact: true }), 'Contact')
    await way.fill(page.getByLabel('Id'), 'contact')
    await way.press(page.getByRole('button', { name: 'Save', exact: true }))
    await page.getByRole('status').filter({ hasText: 'The form is saved.' }).waitFor()
    const form = await page.getByRole('link', { name: '/f/contact' }).getAttribute('href')

    await way.go(page, 'Overview')
    const leave = page.locator('.todos li', { hasText: 'Let something leave.' }).getByRole('link')
    await leave.waitFor()
    expect(await page.locator('.todos').textContent()).not.toContain('Let something come in.')
    await way.press(leave)
    await way.press(page.getByRole('link', { name: 'Webhooks' }))
    await way.press(page.getByRole('link', { name: 'Install…' }))
    await way.fill(page.getByLabel('Id', { exact: true }), id)
    await way.choose(page.getByLabel('Personal fields are'), 'passed on to it')
    await way.fill(page.getByLabel('Url required'), `${receiver.url}/in`)
    await way.press(page.getByRole('button', { name: 'Check it' }))
    await putIntoFile(page, (piece) => piece)

    await way.go(page, 'Overview')
    const row = page.locator('tbody tr', { hasText: id })
    await row.filter({ hasText: 'ready' }).waitFor()
    const visitor = await context.newPage()
    await visitor.goto(String(form))
    await visitor.getByLabel('E-mail').fill('ada@example.com')
    await visitor.getByRole('button').click()
    await visitor.getByText('Thank').waitFor()
    await visitor.close()
    await row.locator('[data-label=Delivered]', { hasText: '1' }).waitFor()
    await way.go(page, 'Deliveries')
    await way.press(page.locator('tbody tr', { hasText: 'delivered' }).getByRole('link', { name: id }))
    await page.locator('.facts .chip.good', { hasText: 'delivered' }).waitFor()
    expect(await page.locator('.timeline').textContent()).toContain('thanks')
    expect(
      receiver.requests.slice(seen).map(({ path, body: sent }) => [path, sent.includes('ada@example.com')]),
    ).toEqual([['/in', true]])
    await context.close()
  },
  120_000,
)

test.each(WAYS)(
  '$name: a failed delivery is found, read, its configuration mended, replayed, and seen to succeed live',
  async (way) => {
    const old = { id: 'broken', use: 'webhooks', with: { url: `${receiver.url}/old` }, retry: { schedule: [] } }
    await hub.writeConfig({ network: NETWORK, installations: [old] })
    const { context, page } = await signedIn(browser, hub, way.options)
    await page.locator('tbody tr', { hasText: 'broken' }).filter({ hasText: 'ready' }).waitFor()
    await hub.api('POST', '/api/v2/forms/contact/responses', { data: { email: 'bob@example.com' } })
    await page.locator('.todos li', { hasText: 'of broken died' }).waitFor()
    await way.go(page, 'Dead letters')
    await way.press(page.locator('tbody').getByRole('link', { name: 'The receiver answered' }))
    await way.press(page.locator('tbody').getByRole('link', { name: 'broken' }).first())
    await page.locator('.notice.bad', { hasText: 'The receiver refused it for good.' }).waitFor()
    expect(await page.locator('.timeline').textContent()).toContain('Send it to /in')
    const delivery = page.url()

    await way.press(page.locator('.facts').getByRole('link', { name: 'broken' }))
    await way.press(page.getByRole('link', { name: 'Change…' }))
    await way.fill(page.getByLabel('Url required'), `${receiver.url}/in`)
    await way.press(page.getByRole('button', { name: 'Check it' }))
    await putIntoFile(page, (piece) => ({ installations: piece }))
    await way.go(page, 'Config')
    await page.getByRole('heading', { name: 'Config' }).waitFor()
    const fold = page.locator('.fold summary')
    if (await fold.isVisible()) await way.press(fold)
    await way.fill(page.getByLabel('Setting'), 'broken.with.url')
    await way.press(page.getByRole('button', { name: 'Filter' }))
    await page.locator('tbody [data-label=Runs]', { hasText: `${receiver.url}/in` }).waitFor()

    await page.goto(delivery)
    await way.press(page.getByRole('button', { name: 'Replay' }))
    await page.getByRole('status').filter({ hasText: 'It is due now' }).waitFor()
    await page.locator('.facts .chip.good', { hasText: 'delivered' }).waitFor()
    expect(await page.locator('.timeline > li').count()).toBe(2)
    expect(receiver.requests.at(-1)?.path).toBe('/in')
    await context.close()
  },
)

test('with 10,000 rows behind a list a page of it is as much work as with few', async () => {
  await hub.writeConfig({ network: NETWORK })
  const { context, page } = await signedIn(browser, hub)
  const work = async (): Promise<{ readonly rows: number; readonly elements: number; readonly kilobytes: number }> => {
    const rows = await page.locator('tbody tr').count()
    const [elements, characters] = await page.evaluate<[number, number]>(
      "[document.querySelectorAll('*').length, document.documentElement.outerHTML.length]",
    )
    return { rows, elements, kilobytes: Math.round(characters / 1_000) }
  }
  const fill = (rows: number) =>
    submitAll(
      hub,
      'contact',
      Array.from({ length: rows }, (_, at) => ({ data: { email: `${at}@example.com` } })),
    )
  await fill(ROWS_FEW)
  await page.goto('/responses?form=contact')
  const few = await work()
  await fill(10_000)
  await page.goto('/responses?form=contact')
  const startedMs = performance.now()
  await page.locator('[rel=next]').press('Enter')
  await page.locator('[rel=prev]').waitFor()
  const tookMs = performance.now() - startedMs
  const many = await work()
  process.stderr.write(`The next page of 10,000: ${Math.round(tookMs)} ms, ${JSON.stringify(many)}\n`)
  expect(many.rows).toBe(few.rows)
  expect(many.elements).toBeLessThan(few.elements * 1.1)
  expect(many.kilobytes).toBeLessThan(few.kilobytes * 1.1 + 1)
  await context.close()
}, 120_000)

const isStream = (request: Request): boolean => request.url().includes('/events/live')

test('where one goes in a list takes the place of what is shown, and whatever cannot is gone to as ever', async () => {
  const { context, page } = await signedIn(browser, hub)
  const streams = new Set<Request>()
  page.on('request', (request) => void (isStream(request) && streams.add(request)))
  page.on('requestfailed', (request) => void streams.delete(request))
  await page.goto('/events?type=response.submitted')
  const sets = () => page.evaluate('isStill = true')
  const isStill = () => page.evaluate("'isStill' in globalThis")
  const first = page.locator('tbody tr').first()
  const [next, before, live] = [
    page.locator('[rel=next]'),
    page.locator('[rel=prev]'),
    page.getByText('Live', { exact: true }),
  ]
  const newest = await first.textContent()
  await sets()
  await next.press('Enter')
  await before.waitFor()
  expect(await page.evaluate("document.activeElement.matches('[data-rows]')")).toBe(true)
  expect(await page.locator('body > [role=status]').textContent()).toBe('Events 50 rows')
  const { pathname, search } = new URL(page.url())
  expect(search).toContain('cursor=')
  expect(await page.locator('[name=next]').first().inputValue()).toBe(pathname + search)
  expect(await page.locator('[data-currency]').count()).toBe(0)
  await page.goBack()
  await before.waitFor({ state: 'detached' })
  expect(await first.textContent()).toBe(newest)

  // What was live on the page is again, once.
  await page.getByLabel('Type').fill('response.*')
  await page.getByRole('button', { name: 'Filter' }).click()
  await page.waitForURL(`${hub.url}/events?type=response.*`)
  expect(await page.getByLabel('Type').inputValue()).toBe('response.*')
  await live.waitFor()
  await hub.api('POST', '/api/v2/forms/contact/responses', { data: { email: 'after.it@example.com' } })
  await first.filter({ hasText: 'after.it@example.com' }).waitFor()
  expect(streams.size).toBe(1)
  await page.getByRole('button', { name: 'Hold updates' }).click()
  await page.getByText('Updates held since').waitFor()

  await first.locator('[data-label=Place]').click()
  await page.getByRole('heading', { name: 'response.submitted' }).waitFor()
  expect([await page.title(), streams.size]).toEqual(['response.submitted · Manifold', 0])
  await page.goBack()
  await live.waitFor()
  expect(await isStill()).toBe(true)

  await page.goto('/responses?form=contact')
  await live.waitFor()
  await hub.api('POST', '/api/v2/forms/contact/responses', { data: { email: 'seen.here@example.com' } })
  await first.filter({ hasText: 'seen.here@example.com' }).waitFor()
  await page.goto('/events')
  await sets()
  await page.route('**/events?*cursor=*', (route) => route.abort(), { times: 1 })
  await next.click()
  await before.waitFor()
  expect(await isStill()).toBe(false)
  await sets()
  // Somebody else's page is none that takes the place of this one; nor is the one where one signs in.
  const { body } = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'other', scopes: ['admin'] })
  await signedIn(browser, { ...hub, adminKey: body.key }).then(async (other) => {
    await context.addCookies(await other.context.cookies())
    await other.context.close()
  })
  await next.click()
  await page.locator('.wide-menu .who', { hasText: 'other' }).waitFor()
  expect(await isStill()).toBe(false)
  await sets()
  await context.clearCookies()
  await next.click()
  await page.getByLabel('API key').waitFor()
  expect([new URL(page.url()).pathname, await isStill()]).toEqual(['/sign-in', false])
  await context.close()
})

/** More than a page has. */
const ROWS_FEW = 60

test('names of one endless word leave every page as wide as the screen', async () => {
  const word = 'w'.repeat(200)
  const id = 'i'.repeat(64)
  await hub.api('POST', '/api/v2/forms', { id, name: word, fields: [{ key: 'k'.repeat(60), label: word }] })
  await hub.api('POST', '/api/v2/keys', { name: 'n'.repeat(100), scopes: ['hooks:write'] })
  const { context, page } = await signedIn(browser, hub)
  for (const width of [360, 1_280]) {
    await page.setViewportSize({ width, height: 860 })
    for (const path of [
      '/forms',
      `/forms/${id}`,
      '/keys',
      '/plugins/webhooks/install',
      `/responses?form=${id}`,
      '/hooks',
    ]) {
      await page.goto(path)
      const past = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
      expect([path, width, past]).toEqual([path, width, 0])
    }
  }
  await context.close()
})
