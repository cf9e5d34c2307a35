/** As much of a browser's page as the script of live pages uses. */

export interface Doc {
  querySelector(selector: string): El | null
  querySelectorAll(selector: string): Iterable<El> & { readonly length: number }
}
export interface El extends Doc {
  readonly dataset: { [name: string]: string | undefined }
  readonly content: El
  readonly children: { readonly length: number }
  readonly lastElementChild: El | null
  readonly parentElement: El | null
  readonly tagName: string
  readonly id: string
  readonly isConnected: boolean
  readonly value?: string
  readonly defaultValue?: string
  readonly checked?: boolean
  readonly defaultChecked?: boolean
  readonly selected?: boolean
  readonly defaultSelected?: boolean
  textContent: string
  className: string
  hidden: boolean
  type: string
  open?: boolean
  scrollTop: number
  scrollLeft: number
  cloneNode(deep: boolean): El
  closest(selector: string): El | null
  hasAttribute(name: string): boolean
  getAttribute(name: string): string | null
  setAttribute(name: string, value: string): void
  matches(selector: string): boolean
  contains(other: El | null): boolean
  prepend(...children: readonly El[]): void
  append(child: El): void
  replaceWith(other: El): void
  remove(): void
  focus(how: { preventScroll: boolean }): void
  addEventListener(type: string, heard: () => void, how?: { once: boolean }): void
}
