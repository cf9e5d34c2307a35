/** How somebody goes through a story: with the keyboard alone in the dark, or with a finger on a phone. */
import type { BrowserContextOptions, Locator, Page } from 'playwright-core'

export interface Way {
  readonly name: string
  /** Of the browser. */
  readonly options: BrowserContextOptions
  /** A link, a button, a fold. */
  press(target: Locator): Promise<void>
  fill(target: Locator, text: string): Promise<void>
  /** An option of a choice, by its words. */
  choose(target: Locator, words: string): Promise<void>
  /** An entry of the navigation. */
  go(page: Page, entry: string): Promise<void>
}

const TABS_MAX = 200

interface Focusable {
  readonly ownerDocument: { readonly activeElement: unknown }
}

const hasFocus = (element: unknown): boolean => (element as Focusable).ownerDocument.activeElement === element

/** Presses Tab until this has the focus. */
async function tabTo(target: Locator): Promise<Page> {
  await target.waitFor()
  const page = target.page()
  for (let presses = 0; presses < TABS_MAX; presses += 1) {
    if (await target.evaluate(hasFocus)) return page
    await page.keyboard.press('Tab')
  }
  throw new Error(`${String(target)} is not reached by Tab on ${page.url()}`)
}

const BY_KEYBOARD: Way = {
  name: 'by keyboard alone, in the dark',
  options: { colorScheme: 'dark' },
  press: async (target) => (await tabTo(target)).keyboard.press('Enter'),
  fill: async (target, text) => {
    const { keyboard } = await tabTo(target)
    await keyboard.press('Control+A')
    await keyboard.type(text)
  },
  choose: async (target, words) => (await tabTo(target)).keyboard.type(words),
  go: async (page, entry) => BY_KEYBOARD.press(page.getByRole('link', { name: entry, exact: true }).first()),
}

const ON_A_PHONE: Way = {
  name: 'on a phone of 360 pixels',
  options: { viewport: { width: 360, height: 740 }, hasTouch: true },
  press: (target) => target.tap(),
  fill: (target, text) => target.fill(text),
  choose: async (target, words) => void (await target.selectOption(words)),
  go: async (page, entry) => {
    await page.locator('summary', { hasText: 'Menu' }).tap()
    await page.getByRole('link', { name: entry, exact: true }).first().tap()
  },
}

export const WAYS: readonly Way[] = [BY_KEYBOARD, ON_A_PHONE]

/** Lists of what strangers wrote, and how some of it is asked for. */
export const SWAPPED = [
  { path: '/responses', filter: 'Status', words: 'completed' },
  { path: '/deliveries', filter: 'State', words: 'dead' },
] as const

/** Filters a list and opens a row that would run something; true where the page was never left for it. */
export async function isSwapped(page: Page, { path, filter, words }: (typeof SWAPPED)[number]): Promise<boolean> {
  await page.goto(path)
  await page.evaluate('isStill = true')
  await page.getByLabel(filter, { exact: true }).selectOption(words)
  await page.getByRole('button', { name: 'Filter' }).click()
  await page.getByRole('link', { name: 'Clear' }).waitFor()
  await page.locator('tbody tr', { hasText: 'hacked()' }).first().getByRole('link').first().click()
  await page.locator('main:not([data-list])', { hasText: 'hacked()' }).waitFor()
  return page.evaluate("'isStill' in globalThis")
}
