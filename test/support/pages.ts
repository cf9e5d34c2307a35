/** Lists of the API as a whole: follows `next_cursor` to the end. */
import type { Hub } from './hub.ts'

interface Page<Item> {
  readonly items: readonly Item[]
  readonly next_cursor: string | null
}

/** Every item of a list, whatever its length. `path` may hold a query. */
export async function allItems<Item = Record<string, unknown>>(hub: Hub, path: string): Promise<Item[]> {
  const items: Item[] = []
  let cursor: string | null = null
  do {
    const more: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const answer = await hub.api<Page<Item>>('GET', `${path}${path.includes('?') ? '&' : '?'}limit=200${more}`)
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${answer.text}`)
    items.push(...answer.body.items)
    cursor = answer.body.next_cursor
  } while (cursor !== null)
  return items
}

/** The `data.key` of every stored response of a form: what the ledger calls stored. */
export async function storedKeys(hub: Hub, form: string): Promise<string[]> {
  const responses = await allItems<{ data: { key?: string } }>(hub, `/api/v2/forms/${form}/responses`)
  return responses.map(({ data }) => data.key ?? '')
}
