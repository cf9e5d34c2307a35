/** Pages of one browser share its cookies: a page acts and shows with the key that it names, or not at all. */
import { expect, test } from 'vitest'
import { openBrowser, signedIn } from '../support/dashboard-scene.ts'
import { startHub } from '../support/hub.ts'

test('a page that another key was signed in below does nothing with that key, and says so', async () => {
  await using hub = await startHub({ config: { forms: { contact: { name: 'Contact', fields: [{ key: 'note' }] } } } })
  const sent = () => hub.api('POST', '/api/v2/forms/contact/responses', { data: { note: 'hello there' } })
  await sent()
  const other = { name: 'Second person', scopes: ['responses:read', 'responses:write', 'forms:read'] }
  const made = await hub.api<{ key: string }>('POST', '/api/v2/keys', other)
  const browser = await openBrowser()
  try {
    const { context, page } = await signedIn(browser, hub)
    const [noting, deleting, live] = [page, await context.newPage(), await context.newPage()]
    await noting.goto('/responses')
    await noting.locator('tbody a').first().click()
    await noting.waitForURL(/rsp_/)
    await noting.getByLabel('Note').fill('a long thought')
    await deleting.goto(`${new URL(noting.url()).pathname}/delete`)
    await live.goto('/events')
    await live.getByText('Live', { exact: true }).waitFor()

    const second = await context.newPage()
    await second.goto('/sign-in')
    await second.fill('#key', made.body.key)
    await second.press('#key', 'Enter')
    await second.waitForURL(`${hub.url}/`)

    for (const [tab, button] of [
      [noting, 'Write'],
      [deleting, 'Delete for good'],
    ] as const) {
      await tab.bringToFront()
      const [answer] = await Promise.all([
        tab.waitForResponse((each) => each.request().method() === 'POST'),
        tab.getByRole('button', { name: button, exact: true }).click(),
      ])
      expect([button, answer.status()]).toEqual([button, 409])
      await tab.getByRole('heading', { name: 'You are signed in as someone else now' }).waitFor()
      expect(await tab.locator('main').innerText()).toContain('signed in with Second person in default')
    }
    await noting.getByText('What was sent').click()
    await noting.getByText('a long thought').waitFor()

    // It stands still with what it showed, under the name that it says.
    const before = await live.locator('tbody tr').count()
    const streams: number[] = []
    live.on('response', (each) => void (each.url().includes('/events/live') && streams.push(each.status())))
    await live.bringToFront()
    await live.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await live.getByText('You are signed in as someone else now').waitFor()
    await sent()
    await live.evaluate('new Promise((done) => setTimeout(done, 1500))')
    expect([streams, await live.locator('tbody tr').count()]).toEqual([[], before])
    const stream = String(await live.locator('[data-region]').getAttribute('data-live'))
    expect((await context.request.get(stream)).status()).toBe(409)

    // With the first key it goes on from where it was.
    await second.goto('/sign-in')
    await second.fill('#key', hub.adminKey)
    await second.press('#key', 'Enter')
    await second.waitForURL(`${hub.url}/`)
    await live.bringToFront()
    await live.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await live.getByText('Live', { exact: true }).waitFor()
    expect(await live.locator('tbody tr').count()).toBe(before + 1)
    const { body } = await hub.api<{ items: unknown[] }>('GET', '/api/v2/responses')
    expect(body.items).toHaveLength(2)
  } finally {
    await browser.close()
  }
})
