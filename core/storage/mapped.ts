/** Rows that a driver found, as the model's words. */
import type { Page } from './store.ts'

export const mapped = <Row, Item>(row: Row | undefined, map: (row: Row) => Item): Item | undefined =>
  row === undefined ? undefined : map(row)

export const mappedPage = <Row, Item>(
  page: { readonly rows: readonly Row[]; readonly next: string | null },
  map: (row: Row) => Item,
): Page<Item> => ({ items: page.rows.map(map), next: page.next })
